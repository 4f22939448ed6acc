import { describe, expect, it } from 'vitest';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import { emptyOutput, type Input, type Output, type SnapshotToWrite } from '../../src/protocol/replica/io.ts';
import { DISK_TIMES, makeDisk } from '../../src/simulator/disk.ts';
import { makeKernel } from '../../src/simulator/kernel.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import {
  type ClockErrors,
  type DriverSabotage,
  makeReplicaDriver,
} from '../../src/simulator/replica-driver.ts';
import { collect, digest, prepare, silent } from './support.ts';

type Behaviour = (input: Input, nowMs: number, wallMs: number) => Partial<Output>;

/** A machine with a program that answers each input as the test says. */
function machine(
  behaviour: Behaviour,
  { clockErrors = { driftPpm: 0, skewMs: 0 } as ClockErrors, sabotage = {} as DriverSabotage } = {},
) {
  const kernel = makeKernel();
  const { report, found } = collect();
  const sent: { s: number; atUs: number; synced: number }[] = [];
  const stopped: string[] = [];
  const disk = makeDisk({
    kernel,
    random: makeRandom(1),
    times: DISK_TIMES,
    hash: mixingHash,
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
          step: (input, clock) => ({
            ...emptyOutput(),
            ...behaviour(input, clock.monotonicMs, clock.wallMs),
          }),
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
    replicas: 4,
    onStopped: (reason) => stopped.push(reason),
  });
  driver.start();
  return { kernel, disk, driver, sent, found, stopped };
}

const snapshot: SnapshotToWrite = {
  sequenceNumber: 1,
  entry: { sequenceNumber: 1, hashChainDigest: digest(1), repliesRoot: digest(1), logRoot: digest(1) },
  summary: {
    timeMs: 0,
    manifestRoot: digest(1),
    chunks: 0,
    sessionChunks: 0,
    sessionsDigest: digest(1),
    serviceDigest: digest(1),
  },
  chunks: [],
  windowChunks: [],
};

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
      return promising(input, nowMs, 0);
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

  it('dies where it is told: what was appended, was durable and had left differs', () => {
    const broadcast: Behaviour = (input) =>
      input.type === 'connected'
        ? {
            persist: [{ type: 'suspected', view: 1 }],
            promises: [1, 2].map((s) => ({ to: { kind: 'others' }, message: prepare(0, s, 1) })),
          }
        : {};
    const appended: Record<string, number> = {};
    for (const moment of ['before-append', 'before-sync', 'before-sending', 'amid-sending'] as const) {
      const { kernel, disk, driver, sent, stopped } = machine(broadcast);
      driver.doom(moment, 1);
      driver.receive(CONNECTED);
      kernel.runUntil(1_000_000);
      expect([moment, sent.length, driver.state]).toEqual([moment, 2, 'up']);
      driver.receive(CONNECTED);
      kernel.runUntil(2_000_000);
      expect([driver.state, stopped]).toEqual(['down', [`it dies (${moment})`]]);
      appended[moment] = disk.synced;
      const left = sent.length - 2;
      if (moment === 'amid-sending') expect(left).toBeLessThanOrEqual(2);
      else expect(left).toBe(0);
    }
    expect(appended['before-append']).toBe(1);
    expect([appended['before-sending'], appended['amid-sending']]).toEqual([2, 2]);
  });

  it('stops when a sync fails, and when there is no room for a snapshot only after it could say so', () => {
    const failing = machine(promising);
    failing.disk.trouble = 'failing-sync';
    failing.driver.receive(CONNECTED);
    failing.kernel.runUntil(1_000_000);
    expect([failing.driver.state, failing.stopped]).toEqual(['down', ['its disk refused a sync']]);
    expect(failing.sent.map(({ s }) => s)).toEqual([1]);

    const full = machine((input) =>
      input.type === 'connected'
        ? { snapshots: [snapshot] }
        : input.type === 'disk-full'
          ? {
              persist: [{ type: 'suspected', view: 0 }],
              promises: [{ to: { kind: 'others' }, message: prepare(0, 7, 1) }],
            }
          : {},
    );
    full.disk.trouble = 'full-for-snapshots';
    full.driver.receive(CONNECTED);
    full.kernel.runUntil(1_000_000);
    expect([full.driver.state, full.stopped]).toEqual(['down', ['its disk is full']]);
    expect(full.sent.map(({ s }) => s)).toEqual([7]);
  });

  it('has a wall clock that jumps, and other clocks that do not', () => {
    const clocks: [number, number][] = [];
    const { driver, kernel } = machine((_, nowMs, wallMs) => {
      clocks.push([nowMs, wallMs]);
      return {};
    });
    for (const jump of [0, 5_000, -5_000]) {
      driver.clockJumpMs = jump;
      driver.receive(CONNECTED);
    }
    expect(kernel.nowUs).toBe(0);
    expect(clocks.map(([now]) => now)).toEqual([0, 0, 0]);
    expect(clocks.map(([, wall]) => wall - clocks[0]![1])).toEqual([0, 5_000, -5_000]);
  });
});
