/** EVIDENCE that replicas send to a client (docs/protocol.md §9): judged, told once, and on proof of a fork the end of every session. */

import { describe, expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import { type Evidence, evidenceSchema } from '../../src/protocol/accountability/evidence.ts';
import { DEFAULT_CLIENT_LIMITS, makeFindings } from '../../src/protocol/client/index.ts';
import { EVIDENCE_BYTES_MAX } from '../../src/protocol/messages/index.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  type Driver,
  drive,
  eventsOf,
  lastSent,
  receive,
  refusals,
  submit,
  wake,
} from './support.ts';

const [one, other] = ['one', 'other'].map((history) => {
  const cluster = makeFakeCluster(7, { history });
  return { cluster, content: cluster.idle(3) };
});

/** Two entries of one s: the replica is guilty. */
function against(replica: number): Evidence {
  const [first, second] = [one!, other!].map(({ cluster, content }) => cluster.entry(replica, content));
  return { type: 'entries', first: first!, second: second! };
}

/** Two heads of one s: a fork. */
function fork(): Evidence {
  const [first, second] = [one!, other!].map(({ cluster, content }) => {
    const votes = [0, 1, 2, 3, 4].map((replica) => {
      const { view, signature } = cluster.entry(replica, content);
      return { replica, view, signature };
    });
    return { type: 'head' as const, ...content, votes };
  });
  return { type: 'histories', first: first!, second: second!, root: second!.logRoot, path: [] };
}

/** At another time than the piece before. */
function hear(driver: Driver, from: number, evidence: Evidence | Uint8Array) {
  driver.nowMs += DEFAULT_CLIENT_LIMITS.evidenceMs;
  const bytes = evidence instanceof Uint8Array ? evidence : encode(evidenceSchema, evidence);
  return receive(driver, from, { type: 'evidence', evidence: bytes });
}

/** A session that is open, of seven replicas. */
function open(): Driver {
  const driver = drive(makeFakeCluster(7));
  submit(driver, 0, 'first');
  for (let i = 0; i < 2; i++) answer(driver, { replicas: [0, 1, 2, 3, 4] });
  expect(driver.outcomes.get(0)?.type).toBe('accepted');
  return driver;
}

describe('EVIDENCE', () => {
  it('is judged, told once whoever sends it, and passed on', () => {
    const driver = open();
    hear(driver, 3, against(2));
    const piece = { type: 'evidence', evidence: against(2), guilty: [2], forked: false };
    expect(eventsOf(driver, 'evidence')).toEqual([piece]);
    expect(lastSent(driver, 'evidence').evidence).toEqual(encode(evidenceSchema, against(2)));
    hear(driver, 4, against(2));
    expect(eventsOf(driver, 'evidence')).toHaveLength(1);
    expect(refusals(driver)).toEqual(['NOTHING_NEW_PROVED']);
    submit(driver, 1, 'a');
    expect(driver.session.ended).toBeUndefined();
    expect(driver.session.flight?.type).toBe('request');
  });

  it('that is malformed, proves nothing or comes too fast is refused, and stops nothing', () => {
    const driver = open();
    hear(driver, 3, new Uint8Array(7));
    hear(driver, 3, new Uint8Array(EVIDENCE_BYTES_MAX).fill(6));
    const bytes = encode(evidenceSchema, fork());
    const forged = bytes.slice();
    forged[200]! ^= 1;
    hear(driver, 3, forged);
    receive(driver, 3, { type: 'evidence', evidence: bytes });
    expect(refusals(driver)).toEqual([
      'MALFORMED_EVIDENCE',
      'MALFORMED_EVIDENCE',
      'NOTHING_NEW_PROVED',
      'TOO_MUCH_EVIDENCE',
    ]);
    expect(eventsOf(driver, 'evidence')).toEqual([]);
    expect(driver.session.ended).toBeUndefined();
    // One replica that babbles keeps no other from being heard.
    receive(driver, 4, { type: 'evidence', evidence: bytes });
    expect(driver.session.ended).toBe('FORKED');
  });

  it('of a fork ends the session: what was sent is unknown, what was not is rejected', () => {
    const driver = open();
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    hear(driver, 3, fork());
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'FORKED' });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'FORKED' });
    submit(driver, 3, 'c');
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(wake(driver).sends).toEqual([]);
  });

  it('against more than f replicas, piece by piece, does so too', () => {
    const driver = open();
    submit(driver, 1, 'a');
    for (const replica of [5, 1]) hear(driver, 3, against(replica));
    expect(driver.session.ended).toBeUndefined();
    hear(driver, 2, against(6));
    expect(driver.session.ended).toBe('FORKED');
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'FORKED' });
  });

  it('that one session has found ends the others at their next step', () => {
    const cluster = makeFakeCluster(7);
    const findings = makeFindings();
    const [first, second] = [drive(cluster, { findings }), drive(cluster, { findings })];
    submit(second!, 1, 'a');
    hear(first!, 0, fork());
    wake(second!);
    expect(second!.outcomes.get(1)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(eventsOf(second!, 'evidence')).toEqual([]);
  });
});
