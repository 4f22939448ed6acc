/**
 * BFT2F’s fork* consistency (docs/protocol.md §1) with f < k ≤ 2f: here f = 1, and replicas 0 and 1 are faulty. They run twice, once with replica 2
 * and once with replica 3, and each world has its quorum: the cluster has forked, and no message tells one world of the other but what clients
 * carry in `seen`. Everything that the faulty replicas say is signed with their own keys; nothing that a correct one says is made up.
 */

import { describe, expect, it } from 'vitest';
import { judgeEvidence } from '../../src/protocol/accountability/evidence.ts';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { batchDigest } from '../../src/protocol/messages/batch.ts';
import { entryStatement, type Head } from '../../src/protocol/messages/entry.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { headerStatement, prepareStatement } from '../../src/protocol/messages/ordering.ts';
import { replyLeaf, resultsRootOf } from '../../src/protocol/messages/reply.ts';
import { requestDigest } from '../../src/protocol/messages/request.ts';
import { equalBytes, utf8 } from '../../src/types/bytes.ts';
import { type Client, genesisSeen, makeClient, makeHand, seenOf, told } from './clients.ts';
import {
  eventsOf,
  executedAt,
  type Group,
  isFrom,
  isTo,
  journalOf,
  makeGroup,
  replicaSigner,
  WALL_MS,
} from './group.ts';

interface Worlds {
  /** Replicas 0, 1 and 2. */
  readonly a: Group;
  /** Replicas 0, 1 and 3. */
  readonly b: Group;
}

/** Two worlds that have not forked yet: neither has executed anything. */
function makeWorlds(): Worlds {
  const [a, b] = [makeGroup(), makeGroup()];
  a.members[3]!.silent = true;
  b.members[2]!.silent = true;
  return { a, b };
}

/** Both worlds have executed the same, by which alice has a session in both; then bob writes in B alone. */
function forkAfterCommonPrefix(): Worlds & { readonly alice: Client; readonly bob: Client } {
  const worlds = makeWorlds();
  const { a, b } = worlds;
  const alice = makeClient(a, 'alice');
  // What alice does in A is done in B as well: the same requests in the same batches at the same time.
  a.filter = ({ from, to, message }) => {
    if (from.kind === 'client' && to.kind === 'replica') b.send(from, to.index, message);
    return true;
  };
  expect(told(alice.call('common'))).toBe('1');
  b.settle();
  expect(a.members[2]!.replica.ledger.executed).toEqual(b.members[3]!.replica.ledger.executed);
  a.filter = undefined;
  const bob = makeClient(b, 'bob');
  expect(told(bob.call('in B'))).toBe('2');
  return { ...worlds, alice, bob };
}

/** The session's messages go to the other world from now on. */
function move(client: Client, to: Group): void {
  to.nowMs = Math.max(to.nowMs, client.home.nowMs);
  client.home = to;
}

function headOf(client: Client): Head {
  const { accepted } = client.session;
  if (accepted === undefined) throw new Error('this client has accepted nothing yet');
  return accepted;
}

describe('docs/protocol.md §1, f < k ≤ 2f', () => {
  it('the faulty replicas can fork: each world is served, and neither knows of the other', () => {
    const { a, b } = makeWorlds();
    const alice = makeClient(a, 'alice');
    const bob = makeClient(b, 'bob');
    expect(told(alice.call('in A'))).toBe('1');
    expect(told(bob.call('in B'))).toBe('1');
    expect(journalOf(a, 2)).toEqual(['in A']);
    expect(journalOf(b, 3)).toEqual(['in B']);
    const [ours, theirs] = [headOf(alice), headOf(bob)];
    expect(equalBytes(ours.hashChainDigest, theirs.hashChainDigest)).toBe(false);
    // Two heads of one s: their signers in common are f+1, and guilty.
    expect(rejectHead(a.context, ours) ?? rejectHead(a.context, theirs)).toBeUndefined();
    const both = ours.votes.filter((vote) => theirs.votes.some((other) => other.replica === vote.replica));
    expect(both.map((vote) => vote.replica)).toEqual([0, 1]);
    for (const { replica } of both) {
      const entryIn = (head: Head) => ({ ...head, ...head.votes.find((vote) => vote.replica === replica)! });
      const evidence = { type: 'entries' as const, first: entryIn(ours), second: entryIn(theirs) };
      expect(judgeEvidence(a.context, evidence)).toEqual({ guilty: [replica], forked: false });
    }
  });

  describe('(1) legitimate request', () => {
    it('2f faulty replicas cannot make a client accept what no correct one executed', () => {
      const { a } = makeWorlds();
      const alice = makeClient(a, 'alice');
      alice.call('a');
      const token = alice.submit('b');
      const { request } = alice.session.flight?.type === 'request' ? alice.session.flight.message : never();
      const { context } = a;
      const resultsRoot = resultsRootOf(context.crypto, [utf8('lie')]);
      const digest = requestDigest(context.cluster, context.crypto, request);
      const leaf = replyLeaf(context.crypto, digest, 'OK', resultsRoot);
      const lie = (replica: number): Message => {
        const fields = {
          view: 0,
          sequenceNumber: 9,
          hashChainDigest: leaf,
          repliesRoot: leaf,
          logRoot: leaf,
        };
        const signature = replicaSigner(replica).sign(entryStatement(context.cluster, fields));
        return {
          type: 'reply',
          requestDigest: digest,
          status: 'OK',
          resultsRoot,
          results: [utf8('lie')],
          index: 0,
          size: 1,
          path: [],
          entry: { ...fields, replica, signature },
        };
      };
      for (const from of [0, 1, 0, 1]) alice.input({ type: 'receive', from, message: lie(from) });
      expect(told(alice.outcomes.get(token))).toBe('nothing yet');
      // Nor in the name of the correct one, without its key.
      const forged = lie(1);
      if (forged.type === 'reply') {
        alice.input({
          type: 'receive',
          from: 2,
          message: { ...forged, entry: { ...forged.entry, replica: 2 } },
        });
      }
      expect(told(alice.outcomes.get(token))).toBe('nothing yet');
      // The machinery counts three: with the third key, the lie would be believed.
      alice.input({ type: 'receive', from: 2, message: lie(2) });
      expect(told(alice.outcomes.get(token))).toBe('lie');
    });

    it('a batch with an operation that its client did not sign is prepared by no correct replica', () => {
      const { a } = makeWorlds();
      const hand = makeHand(a, 'alice');
      const { session, seen } = hand.begin('n');
      const request = { ...hand.request(session, 1, ['true'], seen), operations: [utf8('made up')] };
      const { cluster, crypto } = a.context;
      const batch = { timeMs: WALL_MS, requests: [request] };
      const fields = { view: 0, sequenceNumber: 2, batchDigest: batchDigest(cluster, crypto, batch) };
      const header = { ...fields, signature: replicaSigner(0).sign(headerStatement(cluster, fields)) };
      const signature = replicaSigner(1).sign(prepareStatement(cluster, fields));
      a.send({ kind: 'replica', index: 0 }, 2, { type: 'pre-prepare', header, batch });
      a.send({ kind: 'replica', index: 1 }, 2, { type: 'prepare', ...fields, replica: 1, signature });
      a.settle();
      expect(eventsOf(a, 2, 'refused').at(-1)).toMatchObject({ reason: 'BAD_REQUEST_SIGNATURE' });
      expect(
        a.members[2]!.records.some((it) => it.type === 'accepted' && it.header.sequenceNumber === 2),
      ).toBe(false);
    });
  });

  describe('(2) self-consistency', () => {
    it('a client is never shown a history without its own earlier operations', () => {
      const { a, b, alice } = forkAfterCommonPrefix();
      expect(told(alice.call('mine'))).toBe('2');
      move(alice, b);
      const read = alice.read('journal');
      const write = alice.submit('next');
      b.until(() => alice.outcomes.has(write));
      // Refused as a read, it was ordered, and travelled with the write.
      expect(told(alice.outcomes.get(read))).toBe('unknown FORKED');
      expect(told(alice.outcomes.get(write))).toBe('unknown FORKED');
      expect(alice.session.ended).toBe('FORKED');
      expect(journalOf(b, 3)).toEqual(['common', 'in B']);
      expect(journalOf(a, 2)).toEqual(['common', 'mine']);
    });

    it('nor is a new session of its key: OPEN, too, carries what the key has seen', () => {
      const { a, b } = makeWorlds();
      const alice = makeClient(a, 'alice');
      alice.call('mine');
      makeClient(b, 'bob').call('in B');
      const later = makeClient(b, 'alice', { seen: headOf(alice) });
      expect(told(later.call('next'))).toBe('rejected FORKED');
      expect(later.events.map(({ type }) => type)).toContain('forked');
      expect(journalOf(b, 3)).toEqual(['in B']);
    });
  });

  describe('(3) join at most once', () => {
    it('one operation may be applied in both histories; the next is applied in one, and refused by a quorum of the other', () => {
      const { a, b, alice } = forkAfterCommonPrefix();
      // The faulty replicas show alice's next request to both worlds: its `seen` lies before the fork.
      a.filter = ({ from, to, message }) => {
        if (from.kind === 'client' && to.kind === 'replica') b.send(from, to.index, message);
        return true;
      };
      expect(told(alice.call('joined'))).toBe('2');
      b.settle();
      expect(journalOf(a, 2)).toEqual(['common', 'joined']);
      expect(journalOf(b, 3)).toEqual(['common', 'in B', 'joined']);
      // She accepted A's answer: what she signs now is bound to A.
      expect(told(alice.call('bound'))).toBe('3');
      b.settle();
      expect(journalOf(a, 2)).toEqual(['common', 'joined', 'bound']);
      expect(journalOf(b, 3)).toEqual(['common', 'in B', 'joined']);
      const before = executedAt(b, 3);
      a.filter = undefined;
      move(alice, b);
      const token = alice.submit('moved');
      b.until(() => alice.outcomes.has(token));
      expect(told(alice.outcomes.get(token))).toBe('unknown FORKED');
      expect(executedAt(b, 3)).toBe(before + 1);
      expect(journalOf(b, 3)).toEqual(['common', 'in B', 'joined']);
      // The session is over, and she holds both heads.
      const forked = alice.events.find((event) => event.type === 'forked');
      if (forked?.type !== 'forked') throw new Error('she was not told of the fork');
      expect(rejectHead(a.context, forked.own!) ?? rejectHead(a.context, forked.theirs)).toBeUndefined();
      expect(told(alice.call('more'))).toBe('rejected FORKED');
    });

    it('a request that was shown to both worlds with the history of neither is refused in both', () => {
      const { a, b, bob } = forkAfterCommonPrefix();
      const { sequenceNumber, hashChainDigest } = headOf(bob);
      const hand = makeHand(a, 'carol');
      const open = hand.open('n', { sequenceNumber, hashChainDigest: hashChainDigest.toReversed() });
      expect(hand.ask(open).status).toBe('FORKED');
      const other = makeHand(b, 'carol');
      expect(other.ask(open).status).toBe('FORKED');
    });

    it('`seen` may not go back behind the session’s last applied request: GAP, or the two histories could part again', () => {
      const { a } = makeWorlds();
      const hand = makeHand(a, 'alice');
      const { session, seen } = hand.begin('n');
      const first = hand.ask(hand.request(session, 1, ['a'], seen));
      expect(first.status).toBe('OK');
      expect(hand.ask(hand.request(session, 2, ['b'], seen)).status).toBe('GAP');
      expect(hand.ask(hand.request(session, 3, ['b'], genesisSeen(a))).status).toBe('GAP');
      expect(hand.ask(hand.request(session, 4, ['b'], seenOf(first))).status).toBe('OK');
      expect(journalOf(a, 2)).toEqual(['a', 'b']);
    });
  });

  it('a correct replica that meets the other fork’s votes proves it, and orders nothing more', () => {
    const { a, b } = makeWorlds();
    makeClient(a, 'alice').call('in A');
    makeClient(b, 'bob').call('in B');
    const before = executedAt(a, 2);
    // Of replica 3, A hears B's votes and nothing else.
    a.members[3]!.silent = false;
    a.filter = (packet) =>
      !(isFrom(packet, 3) || isTo(packet, 3)) || (packet.message.type === 'commit' && isTo(packet, 2));
    for (const record of b.members[3]!.records) {
      if (record.type !== 'committed') continue;
      const { view, sequenceNumber, hashChainDigest, votes } = record.certificate;
      for (const { replica, signature } of votes) {
        const message = {
          type: 'commit' as const,
          view,
          sequenceNumber,
          hashChainDigest,
          replica,
          signature,
        };
        a.send({ kind: 'replica', index: replica }, 2, message);
      }
    }
    a.settle();
    const found = eventsOf(a, 2, 'evidence');
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found.flatMap(({ guilty }) => guilty))).toEqual(new Set([0, 1]));
    expect(eventsOf(a, 2, 'orderingStopped')).toHaveLength(1);
    const late = makeClient(a, 'carol');
    const token = late.submit('more');
    a.pass(3_000);
    // Its proof reaches the client, which stops as well: what it had not sent is certainly not applied.
    expect(late.outcomes.get(token)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(late.session.ended).toBe('FORKED');
    expect(executedAt(a, 2)).toBe(before);
  });
});

function never(): never {
  throw new Error('a request was expected in flight');
}
