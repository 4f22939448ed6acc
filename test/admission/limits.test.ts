/** What a replica takes in, and what a client's flood costs others (docs/protocol.md §3.2, §3.3). */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages/index.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { type Client, genesisSeen, makeClient, makeHand, told } from '../paper/clients.ts';
import { eventsOf, executedAt, isTo, journalOf, makeGroup } from '../paper/group.ts';

function busyOf(client: Client): number {
  return client.events.filter(({ type }) => type === 'busy').length;
}

describe('BUSY', () => {
  it('is answered above the limit of waiting requests; the client’s repeat succeeds, and nothing is done twice', () => {
    const group = makeGroup({ local: { pendingRequestsMax: 2 }, limits: { pipelineWindow: 1 } });
    const clients = ['a', 'b', 'c', 'd', 'e'].map((name) => makeClient(group, name));
    // Each opens its session first, so that only its requests meet the limit.
    for (const client of clients) client.call('hello');
    // Nothing commits for a while: the queues fill.
    group.filter = ({ message }) => message.type !== 'commit';
    const tokens = clients.map((client, i) => client.submit(`op ${i}`));
    group.settle();
    for (const { replica } of group.members) expect(replica.pending.size).toBe(2);
    expect(clients.map(busyOf).filter((count) => count > 0)).toHaveLength(3);
    group.filter = undefined;
    group.until(() => clients.every((client, i) => client.outcomes.has(tokens[i]!)));
    for (const [i, client] of clients.entries())
      expect(client.outcomes.get(tokens[i]!)?.type).toBe('accepted');
    expect(
      journalOf(group, 0)
        .filter((line) => line.startsWith('op'))
        .sort(),
    ).toEqual(['op 0', 'op 1', 'op 2', 'op 3', 'op 4']);
  });

  it('counts bytes as well as requests', () => {
    const group = makeGroup({ local: { pendingBytesMax: 3_000 } });
    const [alice, bob] = ['a', 'b'].map((name) => makeClient(group, name));
    alice!.call('x');
    bob!.call('x');
    group.filter = ({ message }) => message.type !== 'commit';
    alice!.submit('y'.repeat(2_500));
    group.settle();
    const token = bob!.submit('z'.repeat(1_000));
    group.settle();
    expect(busyOf(bob!)).toBe(4);
    expect(group.members[0]!.replica.pendingBytes).toBeLessThanOrEqual(3_000);
    group.filter = undefined;
    group.until(() => bob!.outcomes.has(token));
    expect(bob!.outcomes.get(token)?.type).toBe('accepted');
  });

  it('counts the bytes of a newer request that takes the place of an older one', () => {
    const group = makeGroup({ local: { pendingBytesMax: 3_000 } });
    const mallory = makeHand(group, 'mallory');
    const opened = [0, 1, 2, 3].map((i) => mallory.begin(`n${i}`));
    group.filter = ({ message }) => message.type !== 'commit';
    for (const [timestamp, size] of [
      [1, 1],
      [2, 2_000],
    ] as const) {
      for (const { session, seen } of opened) {
        mallory.send(mallory.request(session, timestamp, ['x'.repeat(size)], seen));
      }
      group.settle();
    }
    for (const { replica } of group.members) {
      expect(replica.pendingBytes).toBeLessThanOrEqual(3_000);
      // What was there before stays, if the newer one does not fit.
      expect(replica.pending.size).toBe(4);
    }
    group.filter = undefined;
    group.until(() => group.members.every(({ replica }) => replica.pending.size === 0));
    expect(group.members[0]!.replica.pendingBytes).toBe(0);
  });

  it('is asked of one key alone that has too many waiting, in however many sessions', () => {
    const group = makeGroup({ local: { pendingPerKeyMax: 2 } });
    const hand = makeHand(group, 'mallory');
    const opened = [0, 1, 2].map((i) => hand.begin(`n${i}`));
    const bob = makeClient(group, 'bob');
    bob.call('x');
    group.filter = ({ message }) => message.type !== 'commit';
    for (const [i, { session, seen }] of opened.entries())
      hand.send(hand.request(session, 1, [`m${i}`], seen));
    const token = bob.submit('y');
    group.settle();
    const busy = hand.heard.filter(({ message }) => message.type === 'busy');
    expect(busy.map(({ from }) => from).sort()).toEqual([0, 1, 2, 3]);
    expect(group.members[0]!.replica.pending.size).toBe(3);
    expect(busyOf(bob)).toBe(0);
    group.filter = undefined;
    group.until(() => bob.outcomes.has(token));
  });

  it('meets requests of unknown sessions, OPENs among them, beyond a few for each key', () => {
    const group = makeGroup({ local: { unknownSessionsPerKeyMax: 3 } });
    const hand = makeHand(group, 'mallory');
    group.filter = ({ message }) => message.type !== 'pre-prepare' && message.type !== 'fetched';
    for (let i = 0; i < 10; i++) {
      hand.send(hand.request({ sequenceNumber: 1_000 + i, index: 0 }, 1, ['x'], genesisSeen(group)));
      hand.send(hand.open(`n${i}`));
    }
    group.settle();
    for (const { replica } of group.members) expect(replica.pending.size).toBe(3);
    const others = makeClient(group, 'bob');
    others.submit('y');
    group.settle();
    for (const { replica } of group.members) expect(replica.pending.size).toBe(4);
  });

  it('is never believed of f replicas: they cannot silence a client', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice', { limits: { repeatMs: 100, repeatMaxMs: 5_000 } });
    alice.call('a');
    group.filter = ({ from }) => from.kind === 'replica';
    alice.submit('b');
    const { flight } = alice.session;
    if (flight?.type !== 'request') throw new Error('a request is in flight');
    const busy: Message = { type: 'busy', reference: flight.digest, retryAfterMs: 4_000_000_000 };
    alice.input({ type: 'receive', from: 3, message: busy });
    expect(flight.repeatAtMs).toBe(group.nowMs + 100);
    alice.input({ type: 'receive', from: 2, message: busy });
    // Two of four contain a correct one; but nobody is believed beyond the longest wait.
    expect(flight.repeatAtMs).toBe(group.nowMs + 5_000);
  });
});

describe('a flood', () => {
  it('of one key starves nobody else: its share of the queue is bounded, and batches are filled from the oldest', () => {
    const group = makeGroup({
      local: { pendingPerKeyMax: 20, pendingRequestsMax: 40 },
      limits: { requestsPerBatchMax: 4, sessionsPerKeyMax: 64 },
    });
    const mallory = makeHand(group, 'mallory');
    const opened = Array.from({ length: 40 }, (_, i) => mallory.begin(`n${i}`));
    const bob = makeClient(group, 'bob');
    bob.call('b0');
    for (let round = 1; round <= 5; round++) {
      for (const { session, seen } of opened) {
        mallory.send(mallory.request(session, round, [`m${round}`], seen));
      }
      const token = bob.submit(`b${round}`);
      const startedMs = group.nowMs;
      group.until(() => bob.outcomes.has(token));
      // No repeat was needed: the request was taken in at once.
      expect(group.nowMs - startedMs).toBeLessThan(500);
    }
    expect(busyOf(bob)).toBe(0);
    expect(mallory.heard.some(({ message }) => message.type === 'busy')).toBe(true);
  });

  /** How many replicas suspect a primary that orders a queue of 60 at 100 ms each, if so many of the oldest have clocks. */
  function suspicionsOfSlowPrimary(clockedRequests: number): number {
    const group = makeGroup({
      limits: { pipelineWindow: 1, requestsPerBatchMax: 1, sessionsPerKeyMax: 64 },
      local: { requestTimeoutMs: 1_000, pendingPerKeyMax: 64, clockedRequests },
    });
    const mallory = makeHand(group, 'mallory');
    const opened = Array.from({ length: 60 }, (_, i) => mallory.begin(`n${i}`));
    let allowed = executedAt(group, 0);
    let held: (() => void)[] = [];
    group.filter = ({ from, to, message }) => {
      if (message.type !== 'commit' || message.sequenceNumber <= allowed || to.kind !== 'replica')
        return true;
      held.push(() => group.send(from, to.index, message));
      return false;
    };
    const startedMs = group.nowMs;
    for (const { session, seen } of opened) mallory.send(mallory.request(session, 1, ['m'], seen));
    for (let round = 0; round < 60; round++) {
      group.pass(100);
      allowed++;
      const due = held;
      held = [];
      for (const release of due) release();
      group.settle();
    }
    expect(journalOf(group, 1)).toHaveLength(60);
    expect(group.nowMs - startedMs).toBe(6_000);
    return [0, 1, 2, 3].filter((index) => eventsOf(group, index, 'suspected').length > 0).length;
  }

  it('cannot depose a correct primary: of a queue longer than T, only the oldest requests have clocks', () => {
    expect(suspicionsOfSlowPrimary(4)).toBe(0);
  });

  it('would depose it if all had clocks', () => {
    expect(suspicionsOfSlowPrimary(64)).toBeGreaterThan(0);
  });

  it('of READs that wait for what will never be there holds a bounded place, and none that others need', () => {
    const group = makeGroup({ local: { heldReadsMax: 4 } });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    const mallory = makeHand(group, 'mallory');
    const readAt = (byte: number, at: number): Message => {
      const seen = { sequenceNumber: 0, hashChainDigest: group.context.cluster.id };
      return {
        type: 'read',
        nonce: new Uint8Array(32).fill(byte),
        operation: utf8('journal'),
        seen,
        at,
        designated: 0,
      };
    };
    for (let i = 0; i < 40; i++) {
      group.send({ kind: 'client', key: mallory.signer.publicKey }, 0, readAt(i, 1_000_000));
    }
    group.settle();
    expect(group.members[0]!.replica.heldReads).toHaveLength(4);
    // Somebody else's read waits for the next batch, and is answered by it.
    const bob = makeHand(group, 'bob');
    group.send({ kind: 'client', key: bob.signer.publicKey }, 0, readAt(99, executedAt(group, 0) + 1));
    group.settle();
    alice.call('b');
    group.settle();
    expect(bob.heard.map(({ message }) => message.type)).toEqual(['read-reply']);
  });
});

describe('relayed requests', () => {
  it('a client that reaches only backups is served, without a view change', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice');
    alice.reaches = [1, 2];
    expect(told(alice.call('a'))).toBe('1');
    expect(told(alice.call('b'))).toBe('2');
    for (let index = 0; index < 4; index++) expect(eventsOf(group, index, 'viewLeft')).toEqual([]);
  });

  it('a client that reaches one correct backup is served', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice');
    alice.reaches = [3];
    expect(told(alice.call('a'))).toBe('1');
  });

  it('a primary that censors one client is deposed: relayed, not ordered, suspected', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice');
    const bob = makeClient(group, 'bob');
    // As if the primary heard neither her nor what is relayed for her; it orders everything else.
    const isHers = (message: Message) =>
      (message.type === 'request' || message.type === 'relay') &&
      message.request.client === alice.session.signer.publicKey;
    group.filter = (packet) => !(isTo(packet, 0) && isHers(packet.message));
    bob.call('b');
    const token = alice.submit('a');
    for (let i = 0; i < 5; i++) {
      bob.submit(`${i}`);
      group.pass(150);
    }
    group.until(() => alice.outcomes.has(token));
    expect(alice.outcomes.get(token)?.type).toBe('accepted');
    expect(eventsOf(group, 1, 'viewEntered').map(({ view }) => view)).toEqual([1]);
    expect(eventsOf(group, 1, 'suspected')).toMatchObject([{ view: 0 }]);
  });

  it('the primary keeps room for each backup’s relayed requests outside the limits on clients', () => {
    const group = makeGroup({ local: { pendingRequestsMax: 1 }, limits: { pipelineWindow: 1 } });
    const alice = makeClient(group, 'alice');
    const mallory = makeHand(group, 'mallory');
    alice.call('a');
    const { session, seen } = mallory.begin('n');
    // Mallory fills the primary's queue and keeps it full; alice reaches only backups that she does not bother.
    alice.reaches = [1, 2, 3];
    let timestamp = 0;
    const flood = () => mallory.send(mallory.request(session, ++timestamp, ['m'], seen), [0]);
    const token = alice.submit('mine');
    for (let i = 0; i < 200 && !alice.outcomes.has(token); i++) {
      flood();
      group.pass(10);
    }
    expect(alice.outcomes.get(token)?.type).toBe('accepted');
    for (let index = 0; index < 4; index++) expect(eventsOf(group, index, 'viewLeft')).toEqual([]);
  });

  it.each([1, 16])('what was relayed is not taken for an older request of its session, W = %i', (window) => {
    const group = makeGroup({ limits: { pipelineWindow: window }, local: { requestTimeoutMs: 1_000 } });
    const mallory = makeHand(group, 'mallory');
    const { session, seen } = mallory.begin('n');
    // Its first request goes to the primary, whose batch takes a while; the second one to the backups, who relay it meanwhile.
    group.filter = ({ message }) => message.type !== 'commit';
    mallory.send(mallory.request(session, 1, ['first'], seen), [0]);
    mallory.send(mallory.request(session, 2, ['second'], seen), [1, 2, 3]);
    group.pass(600);
    group.filter = undefined;
    group.pass(1_500);
    expect(group.members.map(({ replica }) => replica.pending.size)).toEqual([0, 0, 0, 0]);
    for (let index = 0; index < 4; index++) expect(eventsOf(group, index, 'suspected')).toEqual([]);
  });

  it('a backup that relays without end fills its own room alone', () => {
    const group = makeGroup({ local: { clockedRequests: 4 } });
    const mallory = makeHand(group, 'mallory');
    group.filter = (packet) => packet.message.type !== 'pre-prepare' && packet.message.type !== 'fetched';
    for (let i = 0; i < 20; i++) {
      group.send({ kind: 'replica', index: 3 }, 0, { type: 'relay', request: mallory.open(`n${i}`) });
    }
    group.settle();
    const refused = eventsOf(group, 0, 'refused').filter(({ message }) => message === 'relay');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toBe('TOO_MANY_RELAYED');
    expect(group.members[0]!.replica.relayed.get(3)!.size).toBeLessThanOrEqual(4);
  });

  it('relaying is for requests, not for rumours: unsigned ones are refused', () => {
    const group = makeGroup();
    const hand = makeHand(group, 'mallory');
    const open = hand.open('n');
    const request = { ...open, signature: open.signature.toReversed() };
    request.signature[0]! ^= 1;
    group.send({ kind: 'replica', index: 3 }, 0, { type: 'relay', request });
    group.settle();
    expect(eventsOf(group, 0, 'refused').at(-1)).toMatchObject({ reason: 'BAD_SIGNATURE' });
    expect(executedAt(group, 0)).toBe(0);
  });
});
