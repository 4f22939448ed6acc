/** Sessions: how they begin, end, and what of them may never come back (docs/protocol.md §3.8, §8). */

import { describe, expect, it } from 'vitest';
import { readSessionNumber } from '../../src/protocol/client/open.ts';
import { batchDigest } from '../../src/protocol/messages/batch.ts';
import { headerStatement } from '../../src/protocol/messages/ordering.ts';
import type { ClientRequest } from '../../src/protocol/messages/request.ts';
import { genesisSeen, type Hand, makeClient, makeHand, seenOf, told } from '../paper/clients.ts';
import {
  eventsOf,
  executedAt,
  type Group,
  isFrom,
  isTo,
  journalOf,
  makeGroup,
  replicaSigner,
  signerOf,
  WALL_MS,
} from '../paper/group.ts';

function sessionCount(group: Group): number {
  const counts = new Set(group.members.map(({ replica }) => replica.ledger.sessions.byAge.size));
  expect(counts.size).toBe(1);
  return [...counts][0]!;
}

/** Lets `count` batches pass that have nothing to do with anything. */
function letBatchesPass(group: Group, count: number): void {
  // A key of its own each time: the same one would draw the same nonces again.
  const idle = makeClient(group, `idle since ${executedAt(group, 0)}`);
  for (let i = 0; i < count; i++) idle.call('idle');
}

/** Sends what was recorded to all, as an attacker does that has no key, and waits until it has had its effect. */
function replay(group: Group, hand: Hand, request: ClientRequest): void {
  hand.send(request);
  group.pass(1_500);
}

describe('the session table', () => {
  const limits = { chainWindow: 8, sessionsMax: 4, sessionsPerKeyMax: 3 };

  it('evicts the least recently executed session that has been idle for the chain window', () => {
    const group = makeGroup({ limits });
    const hands = ['a', 'b', 'c'].map((name) => makeHand(group, name));
    const opened = hands.map((hand) => hand.begin('n'));
    letBatchesPass(group, 8);
    // The first one acts again; the second one is the oldest now.
    expect(hands[0]!.ask(hands[0]!.request(opened[0]!.session, 1, ['x'], genesisSeen(group))).status).toBe(
      'GAP',
    );
    expect(sessionCount(group)).toBe(4);
    expect(makeHand(group, 'd').begin('n').session).toBeDefined();
    expect(sessionCount(group)).toBe(4);
    const statuses = hands.map((hand, i) => {
      const { session, seen } = opened[i]!;
      return hand.ask(hand.request(session, 2, ['y'], seen)).status;
    });
    expect(statuses[1]).toBe('NO-SESSION');
    expect(statuses[0]).not.toBe('NO-SESSION');
    expect(statuses[2]).not.toBe('NO-SESSION');
  });

  it('is FULL while every session has been active within the window; the client is told so, and may try later', () => {
    const group = makeGroup({ limits });
    for (const name of ['a', 'b', 'c', 'd']) makeHand(group, name).begin('n');
    const late = makeClient(group, 'late');
    expect(told(late.call('x'))).toBe('rejected FULL');
    // Each refused OPEN is a batch, too: time passes, and the oldest session has been idle long enough.
    const answers = Array.from({ length: 8 }, () => told(late.call('x')));
    expect(answers.at(-1)).toMatch(/^\d+$/);
    expect(answers.filter((answer) => answer === 'rejected FULL').length).toBeGreaterThan(0);
  });

  it('takes a key’s own least recently executed session when that key has too many, whatever room there is', () => {
    const group = makeGroup({ limits: { sessionsPerKeyMax: 3 } });
    const hand = makeHand(group, 'a');
    const other = makeHand(group, 'b');
    const others = other.begin('n');
    const opened = [0, 1, 2].map((i) => hand.begin(`n${i}`));
    const used = hand.ask(hand.request(opened[0]!.session, 1, ['x'], opened[0]!.seen));
    const fourth = hand.begin('n3');
    expect(sessionCount(group)).toBe(4);
    expect(hand.ask(hand.request(opened[1]!.session, 1, ['y'], opened[1]!.seen)).status).toBe('NO-SESSION');
    expect(hand.ask(hand.request(opened[0]!.session, 2, ['y'], seenOf(used))).status).toBe('OK');
    expect(hand.ask(hand.request(fourth.session, 1, ['y'], fourth.seen)).status).toBe('OK');
    expect(other.ask(other.request(others.session, 1, ['y'], others.seen)).status).toBe('OK');
  });

  it('keeps places for listed keys that others cannot take', () => {
    const listed = signerOf('vip');
    const group = makeGroup({
      limits: { sessionsMax: 4, sessionsReservedPerListedKey: 2, chainWindow: 64 },
      listed: [listed],
    });
    for (const name of ['a', 'b']) makeHand(group, name).begin('n');
    const stranger = makeHand(group, 'c');
    expect(stranger.ask(stranger.open('n')).status).toBe('FULL');
    const vip = makeHand(group, 'vip');
    vip.begin('n0');
    vip.begin('n1');
    // Beyond what is reserved for it, the listed key is like any other.
    expect(vip.ask(vip.open('n2')).status).toBe('FULL');
  });

  it('drops the bytes of the oldest results beyond its limit, and still knows that they were executed', () => {
    const group = makeGroup({ limits: { sessionResultBytesMax: 3_000 } });
    const hand = makeHand(group, 'a');
    const opened = [0, 1, 2].map((i) => hand.begin(`n${i}`));
    const requests = opened.map(({ session, seen }) => hand.request(session, 1, ['large 1500'], seen));
    for (const request of requests) hand.ask(request);
    for (const { replica } of group.members)
      expect(replica.ledger.sessions.resultBytes).toBeLessThanOrEqual(3_000);
    hand.heard.length = 0;
    replay(group, hand, requests[0]!);
    const [answer] = hand.replies(requests[0]!);
    expect(answer).toMatchObject({ status: 'OK', results: undefined });
    expect(journalOf(group, 0)).toHaveLength(3);
  });

  it('is the same after the state was transferred: who is evicted next depends on nothing else', () => {
    const group = makeGroup({
      limits: { ...limits, pipelineWindow: 2, checkpointInterval: 4, watermarkWindow: 8 },
    });
    group.members[3]!.silent = true;
    for (const name of ['a', 'b', 'c']) makeHand(group, name).begin('n');
    letBatchesPass(group, 20);
    group.members[3]!.silent = false;
    group.until(() => executedAt(group, 3) === executedAt(group, 0));
    expect(eventsOf(group, 3, 'transferred').length).toBeGreaterThan(0);
    // From here replica 3 must be one of the three that answer.
    group.members[2]!.silent = true;
    for (const name of ['e', 'f', 'g']) makeHand(group, name).begin('n');
    const tables = [0, 1, 3].map((index) => [...group.members[index]!.replica.ledger.sessions.byAge.keys()]);
    expect(tables[1]).toEqual(tables[0]);
    expect(tables[2]).toEqual(tables[0]);
  });
});

describe('listed admission', () => {
  it('lets only the keys of the configuration open sessions; others are told DENIED', () => {
    const group = makeGroup({ listedOnly: true, listed: [signerOf('alice')] });
    expect(told(makeClient(group, 'alice').call('a'))).toBe('1');
    const bob = makeClient(group, 'bob');
    expect(told(bob.call('b'))).toBe('rejected DENIED');
    expect(told(bob.call('b'))).toBe('rejected DENIED');
    expect(journalOf(group, 0)).toEqual(['a']);
  });
});

describe('OPEN', () => {
  it('that was recorded makes no second session within the window, and its repeat gets the first answer', () => {
    const group = makeGroup({ limits: { chainWindow: 16 } });
    const hand = makeHand(group, 'alice');
    const open = hand.open('n');
    const first = readSessionNumber(hand.ask(open).results!);
    const before = sessionCount(group);
    replay(group, hand, open);
    const again = hand.replies(open).map(({ results }) => readSessionNumber(results!));
    expect(again).toEqual([first, first, first, first]);
    expect(sessionCount(group)).toBe(before);
    letBatchesPass(group, 10);
    replay(group, hand, open);
    expect(sessionCount(group)).toBe(before + 1); // The idle client's.
  });

  it('that was recorded makes none after its session was evicted either, as long as its nonce is remembered', () => {
    const group = makeGroup({ limits: { chainWindow: 64, sessionsPerKeyMax: 1 } });
    const hand = makeHand(group, 'alice');
    const open = hand.open('n0');
    hand.ask(open);
    const { session, seen } = hand.begin('n1');
    replay(group, hand, open);
    expect(hand.ask(hand.request(session, 1, ['x'], seen)).status).toBe('OK');
    expect(sessionCount(group)).toBe(1);
  });

  it('whose session was evicted before its answer arrived is answered NO-SESSION, each time anew', () => {
    const group = makeGroup({ limits: { chainWindow: 64, sessionsPerKeyMax: 1 } });
    const alice = makeClient(group, 'alice');
    group.filter = ({ to }) => to.kind !== 'client';
    const token = alice.submit('a');
    group.until(() => group.members.every((_, index) => executedAt(group, index) === 1));
    const hand = makeHand(group, 'alice');
    group.filter = undefined;
    hand.begin('of another process');
    // The client repeats its OPEN, and what waits for it was certainly not applied.
    group.until(() => alice.outcomes.has(token));
    expect(told(alice.outcomes.get(token))).toBe('rejected NO-SESSION');
    expect(sessionCount(group)).toBe(1);
    expect(told(alice.call('b'))).toMatch(/^\d+$/);
    for (const index of group.members.keys()) expect(journalOf(group, index)).toEqual(['b']);
    for (const { replica } of group.members) expect(replica.pending.size).toBe(0);
  });

  it('beyond the window is STALE or off the chain by its own `seen`, unless that is genesis', () => {
    const group = makeGroup({ limits: { chainWindow: 8 } });
    letBatchesPass(group, 1);
    const hand = makeHand(group, 'alice');
    const { seen } = hand.begin('n');
    const later = hand.open('later', seen);
    const number = readSessionNumber(hand.ask(later).results!);
    letBatchesPass(group, 12);
    const before = sessionCount(group);
    replay(group, hand, later);
    expect(hand.replies(later).map(({ status }) => status)).toEqual(['STALE', 'STALE', 'STALE', 'STALE']);
    expect(sessionCount(group)).toBe(before);
    expect(number).toBeDefined();
  });

  it('may be repeated without end by one key: the nonces that are remembered of it are bounded', () => {
    const group = makeGroup({ limits: { sessionsPerKeyMax: 1, chainWindow: 1_000 } });
    const hand = makeHand(group, 'mallory');
    const statuses = Array.from({ length: 20 }, (_, i) => hand.ask(hand.open(`n${i}`)).status);
    expect(statuses.filter((status) => status === 'OK')).toHaveLength(16);
    expect(statuses.at(-1)).toBe('FULL');
    expect(group.members[0]!.replica.ledger.sessions.nonces.size).toBe(16);
    // Nobody else is in its way.
    expect(told(makeClient(group, 'bob').call('x'))).toBe('1');
  });
});

describe('an evicted session', () => {
  it('never revives: requests of it that were recorded are answered NO-SESSION for ever and execute nothing', () => {
    const group = makeGroup({ limits: { sessionsPerKeyMax: 1 } });
    const hand = makeHand(group, 'alice');
    const { session, seen } = hand.begin('n0');
    const executed = hand.request(session, 1, ['transfer 100'], seen);
    const reply = hand.ask(executed);
    const unsent = hand.request(session, 2, ['transfer 200'], seenOf(reply));
    const next = hand.begin('n1');
    const journal = journalOf(group, 0);
    for (const request of [executed, unsent]) {
      hand.heard.length = 0;
      replay(group, hand, request);
      expect(hand.replies(request).map(({ status }) => status)).toEqual(Array(4).fill('NO-SESSION'));
    }
    expect(journalOf(group, 0)).toEqual(journal);
    // The key's later sessions have other numbers, so the recorded requests name none of them.
    expect(next.session).not.toEqual(session);
    letBatchesPass(group, 3);
    replay(group, hand, executed);
    expect(journalOf(group, 0).filter((line) => line.startsWith('transfer'))).toEqual(['transfer 100']);
  });

  it('means for its client that the outcome is unknown; then it opens another by itself', () => {
    const group = makeGroup({ limits: { sessionsPerKeyMax: 1 } });
    const alice = makeClient(group, 'alice');
    expect(told(alice.call('a'))).toBe('1');
    makeHand(group, 'alice').begin('from elsewhere', {
      sequenceNumber: alice.session.accepted!.sequenceNumber,
      hashChainDigest: alice.session.accepted!.hashChainDigest,
    });
    expect(told(alice.call('b'))).toBe('unknown NO-SESSION');
    expect(told(alice.call('c'))).toBe('2');
    expect(journalOf(group, 0)).toEqual(['a', 'c']);
  });

  it('of another key looks like none', () => {
    const group = makeGroup();
    const alice = makeHand(group, 'alice');
    const { session, seen } = alice.begin('n');
    const mallory = makeHand(group, 'mallory');
    expect(mallory.ask(mallory.request(session, 1, ['x'], seen)).status).toBe('NO-SESSION');
    expect(alice.ask(alice.request(session, 1, ['y'], seen)).status).toBe('OK');
    expect(journalOf(group, 0)).toEqual(['y']);
  });
});

describe('STALE', () => {
  it('is healed by a proof that the client’s history is a beginning of the cluster’s', () => {
    const group = makeGroup({ limits: { chainWindow: 8 } });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    const reader = makeClient(group, 'alice', { seen: alice.session.accepted! });
    letBatchesPass(group, 20);
    expect(told(reader.call('b'))).toBe('22');
    expect(reader.events.map(({ type }) => type)).toContain('healing');
    expect(reader.events.find((event) => event.type === 'advanced' && event.by === 'STALE')).toBeDefined();
  });

  it('is not for a session’s own last entry, however old: a client that slept goes on where it was', () => {
    const group = makeGroup({ limits: { chainWindow: 8 } });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    letBatchesPass(group, 20);
    expect(told(alice.call('b'))).toBe('22');
    expect(alice.events.some(({ type }) => type === 'healing')).toBe(false);
  });

  it('asks on while replicas give no proof, or bad ones', () => {
    const group = makeGroup({ limits: { chainWindow: 8 } });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    const reader = makeClient(group, 'alice', { seen: alice.session.accepted! });
    letBatchesPass(group, 20);
    // Replica 0 gives false proofs, replica 1 none.
    group.filter = (packet) => {
      const { message } = packet;
      if (message.type !== 'fetched' || packet.to.kind !== 'client') return true;
      if (isFrom(packet, 1)) return false;
      if (!isFrom(packet, 0) || message.payload.type !== 'proof') return true;
      const path = message.payload.path.map((node) => node.toReversed());
      return { ...message, payload: { ...message.payload, path } };
    };
    expect(told(reader.call('b'))).toBe('22');
    const refusals = reader.events.flatMap((event) => (event.type === 'refused' ? [event.reason] : []));
    expect(refusals).toContain('BAD_PROOF');
  });
});

describe('one client’s two contents under one timestamp', () => {
  it('sent to different replicas: exactly one is executed, everywhere the same', () => {
    for (let split = 0; split < 16; split++) {
      const group = makeGroup();
      const hand = makeHand(group, 'mallory');
      const { session, seen } = hand.begin('n');
      const [one, two] = ['one', 'two'].map((operation) => hand.request(session, 1, [operation], seen));
      for (let index = 0; index < 4; index++) hand.send((split >> index) & 1 ? one! : two!, [index]);
      group.pass(3_000);
      const journals = group.members.map((_, index) => journalOf(group, index));
      expect(journals[0]).toHaveLength(1);
      for (const journal of journals) expect(journal).toEqual(journals[0]);
      for (const { replica } of group.members) expect(replica.pending.size).toBe(0);
      for (let index = 0; index < 4; index++) expect(eventsOf(group, index, 'viewLeft')).toEqual([]);
    }
  });

  it('in one batch of a faulty primary: the first is executed, the second is skipped', () => {
    const group = makeGroup();
    const hand = makeHand(group, 'mallory');
    const { session, seen } = hand.begin('n');
    const requests = ['one', 'two'].map((operation) => hand.request(session, 1, [operation], seen));
    const { cluster, crypto } = group.context;
    const batch = { timeMs: WALL_MS, requests };
    const fields = { view: 0, sequenceNumber: 2, batchDigest: batchDigest(cluster, crypto, batch) };
    const header = { ...fields, signature: replicaSigner(0).sign(headerStatement(cluster, fields)) };
    for (const to of [1, 2, 3])
      group.send({ kind: 'replica', index: 0 }, to, { type: 'pre-prepare', header, batch });
    group.until(() => [1, 2, 3].every((index) => executedAt(group, index) >= 2));
    for (const index of [1, 2, 3]) expect(journalOf(group, index)).toEqual(['one']);
    expect(hand.replies(requests[1]!)).toEqual([]);
  });

  it('in turn, without end: what waits is replaced by what is newer, never added to', () => {
    const group = makeGroup();
    const hand = makeHand(group, 'mallory');
    const { session, seen } = hand.begin('n');
    group.filter = (packet) => !(packet.message.type === 'commit' && !isTo(packet, 0));
    for (let timestamp = 1; timestamp <= 50; timestamp++)
      hand.send(hand.request(session, timestamp, ['x'], seen));
    group.settle();
    for (const { replica } of group.members) expect(replica.pending.size).toBeLessThanOrEqual(1);
  });
});
