/** The JSON trace is whole, in order, and the same for the same run. */

import { describe, expect, it } from 'vitest';
import { runSimulation } from '../../src/simulator/run.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import type { TraceLine } from '../../src/simulator/trace-format.ts';
import { writeTrace } from '../../src/simulator/trace-json.ts';

function traceOf(scenario: Scenario): readonly string[] {
  const lines: string[] = [];
  const trace = writeTrace((line) => lines.push(JSON.stringify(line)), scenario);
  const { digest, ok } = runSimulation({ ...scenario, observers: [trace] });
  trace.end(digest, ok);
  return lines;
}

const SCENARIO: Scenario = {
  seed: 3,
  clients: 2,
  requests: 10,
  plan: [
    { atMs: 300, fault: { type: 'crash', replicas: [0], downMs: 6_000 } },
    { atMs: 400, fault: { type: 'cut', first: [1], second: [2, 3], oneWay: false, forMs: 200 } },
    { atMs: 700, fault: { type: 'pause', replica: 2, forMs: 200 } },
  ],
};

describe('the JSON trace', () => {
  const text = traceOf(SCENARIO);
  const lines = text.map((line) => JSON.parse(line) as TraceLine);
  const of = <T extends TraceLine['type']>(type: T) =>
    lines.filter((line): line is Extract<TraceLine, { type: T }> => line.type === type);

  it('is the same for the same run', () => {
    expect(traceOf(SCENARIO)).toEqual(text);
    expect(traceOf({ ...SCENARIO, seed: 4 })).not.toEqual(text);
  });

  it('observing changes nothing', () => {
    expect(of('end')[0]!.digest).toBe(runSimulation(SCENARIO).digest);
  });

  it('begins with its header and ends with its end, and time never goes back', () => {
    expect(lines[0]).toMatchObject({
      type: 'header',
      format: 'bft2f-trace',
      version: 1,
      replicas: 4,
      quorum: 3,
    });
    expect(lines[0]).toMatchObject({ scenario: { seed: 3, clients: 2 } });
    expect(lines.at(-1)).toMatchObject({ type: 'end', ok: true });
    for (const [i, line] of lines.entries()) expect(line.at).toBeGreaterThanOrEqual(lines[i - 1]?.at ?? 0);
  });

  it('every arrival and loss has its sending, earlier and between the same two', () => {
    const sent = new Map(of('sent').map((line) => [line.id, line]));
    expect(sent.size).toBe(of('sent').length);
    const ends = [...of('delivered'), ...of('lost')];
    expect(ends.length).toBeGreaterThan(500);
    for (const { id, from, to, at } of ends) {
      expect(sent.get(id)).toMatchObject({ from, to });
      expect(sent.get(id)!.at).toBeLessThanOrEqual(at);
    }
    expect(of('lost').some(({ why }) => why === 'cut')).toBe(true);
  });

  it('says what was done, what came of it, and what clients were told', () => {
    const faults = of('fault').map(({ fault }) => fault);
    for (const fault of ['crash', 'restart', 'cut', 'heal', 'pause', 'resume'])
      expect(faults).toContain(fault);
    const events = new Set(of('state').map(({ event }) => event));
    for (const event of ['accepted', 'voted', 'committed', 'executed', 'viewEntered', 'stable']) {
      expect(events).toContain(event);
    }
    expect(of('submitted').length).toBe(20);
    expect(of('outcome').length).toBe(20);
    expect(of('timer').length).toBeGreaterThan(10);
    const records = new Set(of('durable').map(({ record }) => record));
    for (const record of ['body', 'accepted', 'prepared', 'executed', 'snapshot'])
      expect(records).toContain(record);
  });

  it('is about something: views, sequence numbers and digests stand beside each message and event', () => {
    const prepare = of('sent').find(({ kind }) => kind === 'prepare')!;
    expect(prepare).toMatchObject({ view: expect.any(Number), sequenceNumber: 1 });
    expect(prepare.batchDigest).toMatch(/^[0-9a-f]{6}$/);
    expect(of('sent').find(({ kind }) => kind === 'pre-prepare')).toMatchObject({ sequenceNumber: 1 });
    const executed = of('state').find(({ event }) => event === 'executed')!;
    expect(executed.hashChainDigest).toMatch(/^[0-9a-f]{6}$/);
    expect(of('durable').find(({ record }) => record === 'prepared')).toMatchObject({ sequenceNumber: 1 });
  });

  it('reports violations', () => {
    const bad = traceOf({ seed: 0, bug: 'replies of 2f' }).map((line) => JSON.parse(line) as TraceLine);
    expect(bad.find(({ type }) => type === 'violation')).toMatchObject({
      kind: 'safety',
      property: 'receipts hold',
    });
    expect(bad.at(-1)).toMatchObject({ type: 'end', ok: false });
  });
});
