import { describe, expect, it } from 'vitest';
import { emptyOutput, type Input, type Output } from '../../src/protocol/replica/io.ts';
import { DISK_TIMES, makeDisk } from '../../src/simulator/disk.ts';
import { makeKernel } from '../../src/simulator/kernel.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import {
  type ClockErrors,
  type DriverSabotage,
  makeReplicaDriver,
} from '../../src/simulator/replica-driver.ts';
import { collect, prepare, silent } from './support.ts';

type Behaviour = (input: Input, nowMs: number) => Partial<Output>;

/** A machine with a program that answers each input as the test says. */
function machine(
  behaviour: Behaviour,
  { clockErrors = { driftPpm: 0, skewMs: 0 } as ClockErrors, sabotage = {} as DriverSabotage } = {},
) {
  const kernel = makeKernel();
  const { report, found } = collect();
  const sent: { s: number; atUs: number; synced: number }[] = [];
  const disk = makeDisk({
    kernel,
    random: makeRandom(1),
    times: DISK_TIMES,
    onDurable: () => {},
    onSnapshotDurable: () => {},
  });
  const driver = makeReplicaDriver({
    index: 0,
    kernel,
    random: makeRandom(2),
    program: {
      start: () => ({
        output: emptyOutput(),
        running: {
          state: undefined,
          step: (input, clock) => ({ ...emptyOutput(), ...behaviour(input, clock.monotonicMs) }),
        },
      }),
    },
    disk,
    clockErrors,
    observer: silent,
    report,
    send(_to, message) {
      if (message.type === 'prepare') {
        sent.push({ s: message.sequenceNumber, atUs: kernel.nowUs, synced: disk.synced });
      }
    },
    sabotage,
  });
  driver.start();
  return { kernel, disk, driver, sent, found };
}

const CONNECTED: Input = { type: 'connected', peer: 1 };
const promising: Behaviour = (input) =>
  input.type === 'connected'
    ? {
        persist: [{ type: 'suspected', view: 1 }],
        sends: [{ to: { kind: 'others' }, message: prepare(0, 1, 1) }],
        promises: [{ to: { kind: 'all' }, message: prepare(0, 2, 1) }],
      }
    : {};

describe('replica driver', () => {
  it('sends at once, promises after the sync, and loops back what goes to all', () => {
    const received: Input[] = [];
    const { kernel, driver, sent } = machine((input, nowMs) => {
      received.push(input);
      return promising(input, nowMs);
    });
    driver.receive(CONNECTED);
    kernel.runUntil(1_000_000);
    expect(sent).toMatchObject([
      { s: 1, atUs: 0, synced: 0 },
      { s: 2, synced: 1 },
    ]);
    expect(sent[1]!.atUs).toBeGreaterThan(0);
    expect(received).toMatchObject([
      CONNECTED,
      { type: 'receive', from: { kind: 'replica', index: 0 }, message: { sequenceNumber: 2 } },
    ]);
  });

  it('says nothing of what was not durable when it crashed', () => {
    const { kernel, driver, sent, disk } = machine(promising);
    driver.receive(CONNECTED);
    driver.crash();
    kernel.runUntil(1_000_000);
    expect(sent.map(({ s }) => s)).toEqual([1]);
    expect([driver.state, disk.appended]).toEqual(['down', disk.synced]);
    driver.start();
    expect(driver.state).toBe('up');
  });

  it('with the test-only switch, promises do not wait', () => {
    const { driver, sent } = machine(promising, { sabotage: { skipSync: true } });
    driver.receive(CONNECTED);
    expect(sent.map(({ synced }) => synced)).toEqual([0, 0]);
  });

  it('wakes it at its time by its own clock, never before, and once', () => {
    const ticks: number[] = [];
    const { kernel, driver } = machine(
      (input, nowMs) => {
        if (input.type === 'tick') ticks.push(nowMs);
        return { wakeAtMs: input.type === 'tick' ? Number.POSITIVE_INFINITY : 1_000 };
      },
      { clockErrors: { driftPpm: 100_000, skewMs: 0 } },
    );
    driver.receive(CONNECTED);
    driver.receive(CONNECTED);
    kernel.runUntil(5_000_000);
    expect(ticks).toEqual([1_000]);
  });

  it('keeps the backlog of a paused process, and drops that of a dead one', () => {
    const received: Input[] = [];
    const { kernel, driver } = machine((input) => {
      if (input.type !== 'tick') received.push(input);
      return {};
    });
    driver.pause();
    driver.receive(CONNECTED);
    kernel.runUntil(1_000_000);
    expect(received).toEqual([]);
    driver.resume();
    expect(received).toEqual([CONNECTED]);
    driver.pause();
    driver.receive(CONNECTED);
    driver.crash();
    driver.start();
    kernel.runUntil(2_000_000);
    expect(received).toEqual([CONNECTED]);
  });

  it('reports a replica that throws or spins, and leaves it down', () => {
    const thrower = machine(() => {
      throw new Error('no such slot');
    });
    thrower.driver.receive(CONNECTED);
    expect(thrower.driver.state).toBe('broken');
    expect(thrower.found).toMatchObject([
      { kind: 'crash', text: expect.stringMatching(/replica 0.*no such slot/s) },
    ]);
    const spinner = machine((_, nowMs) => ({ wakeAtMs: nowMs }));
    spinner.driver.receive(CONNECTED);
    spinner.kernel.runUntil(1_000_000);
    expect(spinner.found).toMatchObject([{ property: 'busy loop' }]);
  });
});
