import { describe, expect, it } from 'vitest';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  drive,
  eventsOf,
  lastRequest,
  lastSent,
  opened,
  read,
  receive,
  refusals,
  step,
  submit,
  wake,
} from './support.ts';

const VALUE = utf8('value');

/** A read in flight in a session that has accepted s = 2, in a cluster that is at s = 12; `contents[i]` is the entry of s = 2+i. */
function reading(replicaCount = 4) {
  const driver = replicaCount === 4 ? opened() : drive(makeFakeCluster(replicaCount));
  const { cluster } = driver;
  const contents = [replicaCount === 4 ? cluster.newest() : cluster.idle(2)];
  for (let i = 0; i < 10; i++) contents.push(cluster.idle(1));
  read(driver, 1, 'r');
  const message = lastSent(driver, 'read');
  const reply = (replica: number, content = contents[0]!, value = VALUE) =>
    cluster.readReply(replica, message, content, value);
  return { driver, cluster, contents, message, reply };
}

describe('a read (docs/protocol.md §4)', () => {
  it('is accepted when Q agree in entry and result, without a request, and moves `seen`', () => {
    const { driver, cluster, contents, reply } = reading();
    const requests = driver.sends.filter(({ message }) => message.type === 'request').length;
    for (const r of [0, 3]) receive(driver, r, reply(r, contents[4]));
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 2, reply(2, contents[4]));
    const outcome = driver.outcomes.get(1);
    expect(outcome).toMatchObject({ type: 'read', result: VALUE });
    if (outcome?.type !== 'read') return;
    expect(rejectHead(cluster.context, outcome.head)).toBeUndefined();
    expect(driver.session.accepted).toMatchObject(contents[4]!);
    expect(driver.sends.filter(({ message }) => message.type === 'request')).toHaveLength(requests);
  });

  it('needs no session', () => {
    const driver = drive();
    const content = driver.cluster.idle(1);
    read(driver, 1, 'r');
    expect(driver.sends).toHaveLength(1);
    const message = lastSent(driver, 'read');
    for (const r of [0, 1, 2]) receive(driver, r, driver.cluster.readReply(r, message, content, VALUE));
    expect(driver.outcomes.get(1)?.type).toBe('read');
  });

  it('is not accepted on equal results from different states (ABA)', () => {
    const { driver, contents, reply } = reading();
    for (const r of [0, 1, 2, 3]) receive(driver, r, reply(r, contents[r]));
    expect(refusals(driver)).toEqual([]);
    expect(driver.outcomes.has(1)).toBe(false);
  });

  it('nor on different results from one state', () => {
    const { driver, contents, reply } = reading();
    for (const r of [0, 1]) receive(driver, r, reply(r, contents[1]));
    receive(driver, 2, reply(2, contents[1], utf8('other')));
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 3, reply(3, contents[1]));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'read', result: VALUE });
  });

  it('that disagrees is asked once more, at the highest s of Q answers', () => {
    const { driver, contents, reply } = reading();
    receive(driver, 0, reply(0, contents[1]));
    receive(driver, 1, reply(1, contents[5]));
    expect(driver.sends.filter(({ message }) => message.type === 'read')).toHaveLength(1);
    receive(driver, 2, reply(2, contents[3]));
    const again = lastSent(driver, 'read');
    expect(again.at).toBe(contents[5]!.sequenceNumber);
    receive(driver, 3, reply(3, contents[2]));
    expect(driver.sends.filter(({ message }) => message.type === 'read')).toHaveLength(2);
    // Replica 1 has answered from that state already; two more make Q.
    receive(driver, 0, reply(0, contents[5]));
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 3, reply(3, contents[5]));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'read', result: VALUE });
    expect(driver.session.accepted).toMatchObject(contents[5]!);
  });

  it('is ordered after 200 ms, ahead of what waits, whatever s a liar has named', () => {
    const { driver, contents, reply } = reading();
    submit(driver, 2, 'later');
    const lie = { ...contents[10]!, sequenceNumber: 1_000_000 };
    receive(driver, 3, reply(3, lie));
    for (const r of [0, 1]) receive(driver, r, reply(r, contents[r]));
    expect(lastSent(driver, 'read').at).toBe(1_000_000);
    expect(driver.wakeAtMs).toBe(200);
    wake(driver);
    expect(eventsOf(driver, 'readOrdered')).toEqual([{ type: 'readOrdered', token: 1, reason: 'TIMEOUT' }]);
    expect(lastRequest(driver)).toMatchObject({ operations: [utf8('r'), utf8('later')] });
    receive(driver, 2, reply(2, contents[5]));
    expect(refusals(driver)).toEqual(['NOT_AWAITED']);
    answer(driver);
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted', result: utf8('r!') });
    expect(driver.outcomes.get(2)?.type).toBe('accepted');
  });

  it('waits for its result if only hashes agree', () => {
    const { driver, cluster, contents, message, reply } = reading();
    const hash = (r: number) => cluster.readReply(r, message, contents[1]!, VALUE, { hashOnly: true });
    for (const r of [0, 1, 2]) receive(driver, r, hash(r));
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 3, { ...reply(3, contents[1]), result: utf8('other') });
    expect(refusals(driver)).toEqual(['WRONG_RESULTS']);
    receive(driver, 3, reply(3, contents[1]));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'read', result: VALUE });
  });

  it('of which Q send the hash alone is asked of one replier after another, at that very state; at last it is ordered', () => {
    const { driver, cluster, contents, message } = reading();
    const hash = (r: number) => cluster.readReply(r, message, contents[1]!, VALUE, { hashOnly: true });
    for (const r of [3, 0, 2]) receive(driver, r, hash(r));
    const asked: unknown[] = [];
    const times: number[] = [];
    while (eventsOf(driver, 'readOrdered').length === 0) {
      asked.push(...wake(driver).sends.filter((send) => send.message.type === 'read'));
      times.push(driver.nowMs);
    }
    expect(times).toEqual([20, 40, 70, 115, 183, 200]);
    const at = contents[1]!.sequenceNumber;
    expect(asked).toEqual(
      [3, 0, 2, 3, 0].map((r) => ({ to: r, message: { ...message, at, designated: r } })),
    );
  });

  it('of which Q send the hash alone is accepted when one of those asked sends it', () => {
    const { driver, cluster, contents, message, reply } = reading();
    const hash = (r: number) => cluster.readReply(r, message, contents[1]!, VALUE, { hashOnly: true });
    for (const r of [0, 1, 2]) receive(driver, r, hash(r));
    // An answer from another state does not make it ask all again: only the result is lacking.
    expect(receive(driver, 3, reply(3, contents[4])).sends).toEqual([]);
    wake(driver);
    wake(driver);
    receive(driver, 1, reply(1, contents[1]));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'read', result: VALUE });
    expect(driver.session.accepted).toMatchObject(contents[1]!);
    expect(eventsOf(driver, 'readOrdered')).toEqual([]);
  });

  it.each(['FORKED', 'STALE'] as const)(
    'that f+1 replicas refuse as %s is ordered at once, not one that f refuse',
    (status) => {
      const { driver, cluster, contents, message } = reading();
      const before = driver.session.accepted;
      const refuse = (r: number) => cluster.readReply(r, message, contents[1]!, utf8(''), { status });
      receive(driver, 0, refuse(0));
      receive(driver, 0, refuse(0));
      expect(eventsOf(driver, 'readOrdered')).toEqual([]);
      receive(driver, 1, refuse(1));
      expect(eventsOf(driver, 'readOrdered')).toEqual([{ type: 'readOrdered', token: 1, reason: 'REFUSED' }]);
      expect(lastRequest(driver)).toMatchObject({ operations: [utf8('r')] });
      expect(driver.session.accepted).toBe(before);
    },
  );

  it('refuses answers from before `seen`, of another history, of another signer, to another READ, or unsigned', () => {
    const { driver, cluster, contents, message, reply } = reading();
    const fork = makeFakeCluster(4, { history: 'fork' });
    const forked = fork.idle(2);
    receive(driver, 0, reply(0, { ...contents[0]!, sequenceNumber: 1 }));
    receive(driver, 0, reply(0, forked));
    receive(driver, 0, reply(1, contents[1]));
    receive(driver, 0, { ...reply(0, contents[1]), nonce: new Uint8Array(32) });
    const unsigned = reply(0, contents[1]);
    receive(driver, 0, { ...unsigned, entry: { ...unsigned.entry, sequenceNumber: 9 } });
    receive(driver, 0, cluster.readReply(0, message, contents[1]!, new Uint8Array(65_537)));
    expect(refusals(driver)).toEqual([
      'BEFORE_SEEN',
      'OTHER_HISTORY',
      'WRONG_SIGNER',
      'NOT_AWAITED',
      'BAD_SIGNATURE',
      'RESULTS_TOO_LARGE',
    ]);
  });

  it('keeps its place between operations', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    read(driver, 2, 'r');
    submit(driver, 3, 'b');
    expect(lastRequest(driver)).toMatchObject({ operations: [utf8('a')] });
    answer(driver);
    const message = lastSent(driver, 'read');
    expect(message.seen.sequenceNumber).toBe(driver.session.accepted!.sequenceNumber);
    const content = driver.cluster.newest();
    for (const r of [0, 1, 2]) receive(driver, r, driver.cluster.readReply(r, message, content, VALUE));
    expect(driver.outcomes.get(2)?.type).toBe('read');
    expect(lastRequest(driver)).toMatchObject({ operations: [utf8('b')] });
  });

  it('closed in flight is rejected: it changed nothing', () => {
    const { driver } = reading();
    step(driver, { type: 'close' });
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'CLOSED' });
  });
});
