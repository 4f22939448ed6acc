/** Heads that come from elsewhere (docs/protocol.md §8): taken on proof, refused on proof of a fork, else nothing changes. */

import { describe, expect, it } from 'vitest';
import { judgeEvidence } from '../../src/protocol/accountability/index.ts';
import { rejectHead } from '../../src/protocol/certificates.ts';
import type { EntryContent, Head } from '../../src/protocol/messages/entry.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { type FakeCluster, makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  type Driver,
  drive,
  eventsOf,
  lastSent,
  opened,
  read,
  receive,
  refusals,
  step,
  submit,
  wake,
} from './support.ts';

function headAt(cluster: FakeCluster, content: EntryContent, replicas = [0, 1, 2]): Head {
  const votes = replicas.map((replica) => {
    const { view, signature } = cluster.entry(replica, content);
    return { replica, view, signature };
  });
  return { ...content, votes };
}

const observe = (driver: Driver, token: number, head: Head) => step(driver, { type: 'observe', token, head });

/** Answers what was asked last with the proof that a replica on the history of `cluster` gives. */
function prove(driver: Driver, cluster: FakeCluster) {
  const { number, want } = lastSent(driver, 'fetch');
  if (want.type !== 'proof') throw new Error(`the session has asked for ${want.type}`);
  const { from, to } = want;
  return receive(driver, 1, {
    type: 'fetched',
    number,
    payload: { type: 'proof', from, to, root: cluster.rootAt(from), path: [...cluster.proof(from, to)] },
  });
}

const fetches = (driver: Driver) => driver.sends.filter(({ message }) => message.type === 'fetch');

describe('a head that the caller shows', () => {
  it('becomes `seen` on proof that it extends our history, and is stored before that is told', () => {
    const driver = opened(undefined, { durable: true });
    const { cluster } = driver;
    const own = driver.session.accepted!;
    const head = headAt(cluster, cluster.idle(9), [1, 2, 3]);
    observe(driver, 1, head);
    submit(driver, 2, 'a');
    expect(driver.outcomes.has(1)).toBe(false);
    expect(fetches(driver).map(({ to }) => to)).toEqual([1]);
    const want = { type: 'proof', from: own.sequenceNumber, to: head.sequenceNumber };
    expect(lastSent(driver, 'fetch').want).toEqual(want);
    const output = prove(driver, cluster);
    expect(output.persist?.accepted).toEqual(head);
    expect(output.completions).toEqual([
      { token: 1, outcome: { type: 'read', result: new Uint8Array(0), head } },
    ]);
    expect(eventsOf(driver, 'advanced').at(-1)).toEqual({ type: 'advanced', head, by: 'OBSERVED' });
    // What waited behind it says so to the replicas.
    expect(lastSent(driver, 'request').request.seen.sequenceNumber).toBe(head.sequenceNumber);
    answer(driver);
    expect(driver.outcomes.get(2)?.type).toBe('accepted');
  });

  it('is taken at once by a key that has accepted nothing, and if it is our own', () => {
    const driver = drive();
    const head = headAt(driver.cluster, driver.cluster.idle(3));
    observe(driver, 1, head);
    observe(driver, 2, headAt(driver.cluster, head, [1, 2, 3]));
    expect(fetches(driver)).toEqual([]);
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'read', head });
    expect(driver.outcomes.get(2)).toMatchObject({ type: 'read', head });
    expect(driver.session.accepted).toBe(head);
  });

  it('that is older must be a beginning of our history; nothing moves', () => {
    const driver = drive();
    const { cluster } = driver;
    const older = headAt(cluster, cluster.idle(5));
    const own = headAt(cluster, cluster.idle(4));
    observe(driver, 1, own);
    observe(driver, 2, older);
    expect(lastSent(driver, 'fetch').want).toEqual({ type: 'proof', from: 5, to: 9 });
    prove(driver, cluster);
    expect(driver.outcomes.get(2)).toMatchObject({ type: 'read', head: own });
    expect(driver.session.accepted).toBe(own);
  });

  it.each([
    [4, 9],
    [5, 9],
    [9, 4],
    [9, 5],
    [8, 16],
    [6, 6],
  ])('of another history, ours at s = %i and it at %i, is a fork that names f+1 replicas', (ours, theirs) => {
    const driver = drive();
    const { cluster } = driver;
    const fork = makeFakeCluster(4, { history: 'fork' });
    const own = headAt(cluster, cluster.idle(ours));
    const head = headAt(fork, fork.idle(theirs), [1, 2, 3]);
    observe(driver, 1, own);
    observe(driver, 2, head);
    submit(driver, 3, 'a');
    if (ours !== theirs) prove(driver, ours < theirs ? fork : cluster);
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(driver.session.accepted).toBe(own);
    expect(eventsOf(driver, 'forked')).toEqual([{ type: 'forked', own, theirs: head }]);
    const [found] = eventsOf(driver, 'evidence');
    expect(found).toMatchObject({ guilty: [1, 2], forked: true });
    expect(judgeEvidence(cluster.context, found!.evidence)).toEqual({ guilty: [1, 2], forked: true });
    observe(driver, 4, own);
    expect(driver.outcomes.get(4)).toEqual({ type: 'rejected', status: 'FORKED' });
  });

  it('without a proof changes nothing: its signers are asked in turn for a while, then what waits goes on', () => {
    const driver = opened();
    const { cluster } = driver;
    const own = driver.session.accepted;
    const fork = makeFakeCluster(4, { history: 'fork' });
    fork.idle(20);
    const head = headAt(cluster, cluster.idle(9));
    observe(driver, 1, head);
    submit(driver, 2, 'a');
    const { number } = lastSent(driver, 'fetch');
    receive(driver, 0, { type: 'fetched', number, payload: { type: 'not-here' } });
    // A proof of some third history is one of nothing.
    prove(driver, fork);
    expect(refusals(driver)).toEqual(['NO_PROOF', 'BAD_PROOF']);
    expect(fetches(driver).map(({ to }) => to)).toEqual([0, 1, 2]);
    while (!driver.outcomes.has(1)) wake(driver);
    expect(driver.nowMs).toBe(5_000);
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'NO-PROOF' });
    expect(driver.session.accepted).toBe(own);
    expect(fetches(driver).length).toBeGreaterThan(5);
    answer(driver);
    expect(driver.outcomes.get(2)?.type).toBe('accepted');
  });

  it('that no quorum has signed is refused', () => {
    const driver = opened();
    const head = headAt(driver.cluster, driver.cluster.idle(1));
    const { votes } = head;
    const bad = [
      votes.slice(1),
      [votes[0]!, votes[1]!, votes[1]!],
      [votes[0]!, votes[1]!, { ...votes[2]!, replica: 3 }],
    ];
    for (const [token, each] of bad.entries()) {
      observe(driver, 10 + token, { ...head, votes: each });
      expect(driver.outcomes.get(10 + token)).toEqual({ type: 'rejected', status: 'BAD-HEAD' });
    }
    observe(driver, 20, { ...head, sequenceNumber: head.sequenceNumber + 1 });
    expect(driver.outcomes.get(20)).toEqual({ type: 'rejected', status: 'BAD-HEAD' });
    expect(fetches(driver)).toEqual([]);
  });

  it('waits for what is in flight, may be withdrawn, and ends with the session', () => {
    const driver = opened();
    const { cluster } = driver;
    submit(driver, 1, 'a');
    const head = headAt(cluster, cluster.idle(1));
    for (const token of [2, 3, 4]) observe(driver, token, head);
    expect(fetches(driver)).toEqual([]);
    step(driver, { type: 'withdraw', token: 3 });
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    answer(driver);
    // By now ours is the later one.
    expect(lastSent(driver, 'fetch').want).toMatchObject({ from: head.sequenceNumber });
    step(driver, { type: 'withdraw', token: 2 });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    expect(fetches(driver)).toHaveLength(2);
    step(driver, { type: 'close' });
    expect(driver.outcomes.get(4)).toEqual({ type: 'rejected', status: 'CLOSED' });
    expect(driver.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('needs no quorum in reach: one replica can prove what it is', () => {
    const driver = opened();
    step(driver, { type: 'reach', quorum: false });
    observe(driver, 1, headAt(driver.cluster, driver.cluster.idle(1)));
    prove(driver, driver.cluster);
    expect(driver.outcomes.get(1)?.type).toBe('read');
  });
});

describe('the newest head', () => {
  it('is the entry on which Q replicas agree; it is not taken as `seen`', () => {
    const driver = opened();
    const { cluster } = driver;
    const own = driver.session.accepted;
    const content = cluster.idle(5);
    step(driver, { type: 'head', token: 1 });
    const message = lastSent(driver, 'read');
    expect(message).toMatchObject({ operation: utf8(''), seen: { sequenceNumber: 0 } });
    for (const r of [0, 1, 3]) receive(driver, r, cluster.readReply(r, message, content, utf8('no')));
    const outcome = driver.outcomes.get(1);
    if (outcome?.type !== 'read') throw new Error('no head');
    expect(outcome.head).toMatchObject(content);
    expect(rejectHead(cluster.context, outcome.head)).toBeUndefined();
    expect(driver.session.accepted).toBe(own);
  });

  it('is asked for again and again, and never ordered', () => {
    const driver = opened();
    const requests = driver.sends.filter(({ message }) => message.type === 'request').length;
    step(driver, { type: 'head', token: 1 });
    const first = lastSent(driver, 'read');
    for (let i = 0; i < 3; i++) wake(driver);
    expect(driver.nowMs).toBe(600);
    const message = lastSent(driver, 'read');
    expect(message.nonce).not.toEqual(first.nonce);
    for (const r of [0, 1])
      receive(
        driver,
        r,
        driver.cluster.readReply(r, message, driver.cluster.newest(), utf8(''), { status: 'FORKED' }),
      );
    expect(driver.outcomes.has(1)).toBe(false);
    expect(driver.sends.filter((send) => send.message.type === 'request')).toHaveLength(requests);
    read(driver, 2, 'r');
    step(driver, { type: 'withdraw', token: 1 });
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    expect(lastSent(driver, 'read').operation).toEqual(utf8('r'));
  });
});
