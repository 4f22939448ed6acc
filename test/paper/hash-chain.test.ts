/** What BFT2F adds to PBFT’s normal case: the hash chain in commit votes, votes in order, version vectors, and the client’s quorum. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/crypto/sha256.ts';
import { chainOf, extendHashChain } from '../../src/protocol/hash-chain.ts';
import { commitStatement } from '../../src/protocol/messages/ordering.ts';
import { thresholds } from '../../src/protocol/quorum.ts';
import { dominates } from '../../src/protocol/version-vector.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { equalBytes, keyOf } from '../../src/types/bytes.ts';
import { makeClient, told } from './clients.ts';
import { contextOf, eventsOf, executedAt, isFrom, isTo, makeGroup, replicaSigner } from './group.ts';

const digest = (byte: number) => new Uint8Array(32).fill(byte);
const digests = fc.array(fc.integer({ min: 0, max: 2 }).map(digest), { maxLength: 6 });

describe('BFT2F: the hash chain (docs/protocol.md §2)', () => {
  it('two histories have one HCD only if they are the same batches in the same order', () => {
    const start = digest(9);
    const endOf = (links: readonly Uint8Array[]) => chainOf({ hash: sha256 }, start, links).at(-1) ?? start;
    fc.assert(
      fc.property(digests, digests, (a, b) => {
        const areSame = a.length === b.length && a.every((link, i) => equalBytes(link, b[i]!));
        expect(equalBytes(endOf(a), endOf(b))).toBe(areSame);
      }),
    );
  });

  it('the chain begins with the genesis configuration: another cluster, another chain', () => {
    const [one, other] = [contextOf(), contextOf({ quorum: 4 })];
    expect(equalBytes(one.cluster.id, other.cluster.id)).toBe(false);
    const link = digest(1);
    const extend = (start: Uint8Array) => extendHashChain({ hash: sha256 }, start, link);
    expect(equalBytes(extend(one.cluster.id), extend(other.cluster.id))).toBe(false);
  });

  it('every replica commits along one chain, whatever is lost on the way', () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = makeRandom(seed);
      const group = makeGroup();
      group.filter = ({ from, to }) => from.kind === 'client' || to.kind === 'client' || !random.chance(1, 4);
      const clients = ['a', 'b', 'c'].map((name) => makeClient(group, name));
      for (const client of clients) for (let i = 0; i < 4; i++) client.submit(`${i}`);
      group.pass(3_000);
      const known = new Map<number, string>();
      for (let index = 0; index < 4; index++) {
        for (const { sequenceNumber, hashChainDigest } of eventsOf(group, index, 'committed')) {
          const key = keyOf(hashChainDigest);
          expect(known.get(sequenceNumber) ?? key).toBe(key);
          known.set(sequenceNumber, key);
        }
      }
      expect(known.size).toBeGreaterThan(0);
    }
  });
});

describe('BFT2F: commit votes (docs/protocol.md §3.6)', () => {
  it('a replica votes in order: nothing for s+1 before s, though s+1 is prepared', () => {
    const group = makeGroup({ local: { batchDelayMs: 0 } });
    const [alice, bob] = ['alice', 'bob'].map((name) => makeClient(group, name));
    alice!.call('a');
    bob!.call('b');
    const first = executedAt(group, 0) + 1;
    // Replica 3 hears no PREPAREs for the first of two batches, and nobody's commit votes.
    group.filter = (packet) => {
      const { message } = packet;
      if (message.type === 'commit') return false;
      return !(message.type === 'prepare' && message.sequenceNumber === first && isTo(packet, 3));
    };
    alice!.submit('c');
    bob!.submit('d');
    group.settle();
    group.pass(5);
    const votes = () => eventsOf(group, 3, 'voted').map(({ sequenceNumber }) => sequenceNumber);
    const { slots } = group.members[3]!.replica;
    expect(slots.get(first)?.prepared).toBeUndefined();
    expect(slots.get(first + 1)?.prepared).toBeDefined();
    expect(votes()).not.toContain(first + 1);
    group.filter = ({ message }) => message.type !== 'commit';
    group.pass(1_000);
    expect(votes().slice(-2)).toEqual([first, first + 1]);
  });

  it('the votes of one view form one chain, and name the whole prefix', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    for (let i = 0; i < 5; i++) client.call(`${i}`);
    for (let index = 0; index < 4; index++) {
      let previous = group.context.cluster.id;
      for (const { sequenceNumber, hashChainDigest } of eventsOf(group, index, 'voted')) {
        const batch = group.members[index]!.replica.log.get(sequenceNumber)!.batchDigest;
        previous = extendHashChain(group.context.crypto, previous, batch);
        expect(hashChainDigest).toEqual(previous);
      }
    }
  });

  it('2f votes commit nothing, 2f+1 do; a second vote of one replica counts for nothing but evidence', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    const s = executedAt(group, 3) + 1;
    // Replica 3 counts its own vote and those that we hand it.
    group.filter = (packet) =>
      !(packet.message.type === 'commit' && isTo(packet, 3)) && packet.message.type !== 'status';
    client.call('b');
    const { hashChainDigest } = eventsOf(group, 0, 'committed').at(-1)!;
    const vote = (replica: number, content: Uint8Array) => {
      const fields = { view: 0, sequenceNumber: s, hashChainDigest: content };
      const signature = replicaSigner(replica).sign(commitStatement(group.context.cluster, fields));
      group.filter = undefined;
      group.send({ kind: 'replica', index: replica }, 3, { type: 'commit', ...fields, replica, signature });
      group.settle();
    };
    vote(1, hashChainDigest);
    expect(group.members[3]!.replica.committed).toBe(s - 1);
    vote(1, hashChainDigest);
    vote(1, digest(7));
    expect(group.members[3]!.replica.committed).toBe(s - 1);
    expect(eventsOf(group, 3, 'evidence')).toMatchObject([{ guilty: [1], evidence: { type: 'commits' } }]);
    vote(2, hashChainDigest);
    expect(group.members[3]!.replica.committed).toBe(s);
  });
});

describe('BFT2F: version vectors (docs/protocol.md §2)', () => {
  const entry = fc.record({
    view: fc.integer({ min: 0, max: 2 }),
    sequenceNumber: fc.integer({ min: 0, max: 2 }),
    hashChainDigest: fc.integer({ min: 0, max: 1 }).map(digest),
  });

  it('entry a dominates b iff its view is no lower and it is above b, or at the same s with the same HCD', () => {
    const at = (view: number, sequenceNumber: number, content: number) => ({
      view,
      sequenceNumber,
      hashChainDigest: digest(content),
    });
    expect(dominates(at(1, 5, 1), at(1, 5, 1))).toBe(true);
    expect(dominates(at(2, 5, 1), at(1, 5, 1))).toBe(true);
    expect(dominates(at(1, 5, 1), at(1, 5, 2))).toBe(false);
    expect(dominates(at(1, 6, 1), at(1, 5, 2))).toBe(true);
    expect(dominates(at(1, 6, 1), at(2, 5, 1))).toBe(false);
  });

  it('dominance is a partial order but for views: reflexive, transitive, and mutual only at one (s, HCD, view)', () => {
    fc.assert(
      fc.property(entry, entry, entry, (a, b, c) => {
        expect(dominates(a, a)).toBe(true);
        if (dominates(a, b) && dominates(b, c)) expect(dominates(a, c)).toBe(true);
        if (dominates(a, b) && dominates(b, a)) expect(a).toEqual(b);
      }),
    );
  });
});

describe('BFT2F: the client (docs/protocol.md §3.10)', () => {
  it('it accepts on 2f+1 matching replies; f+1, which PBFT accepts on, are not enough', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice');
    alice.call('a');
    let through: readonly number[] = [];
    group.filter = (packet) =>
      packet.message.type !== 'reply' || through.some((index) => isFrom(packet, index));
    const token = alice.submit('b');
    group.settle();
    for (const [replicas, outcome] of [
      [[], 'nothing yet'],
      [[1], 'nothing yet'],
      [[1, 3], 'nothing yet'],
      [[1, 3, 0], '2'],
    ] as const) {
      through = replicas;
      alice.input({ type: 'connected', replica: replicas.at(-1) ?? 0 });
      group.settle();
      expect({ replicas, told: told(alice.outcomes.get(token)) }).toEqual({ replicas, told: outcome });
    }
  });

  it('two quorums share f+1 replicas, so with k ≤ f they share a correct one, and with k ≤ 2f each holds one', () => {
    for (let f = 0; f <= 10; f++) {
      const n = 3 * f + 1;
      for (let q = 2 * f + 1; q <= n; q++) {
        const { linearizableWhile, forkStarWhile, liveWhile, suspicionSize, beliefSize } = thresholds(n, q);
        // 2q−n replicas are in any two quorums: one more than may be faulty.
        expect(2 * q - n).toBe(linearizableWhile + 1);
        expect(q).toBe(forkStarWhile + 1);
        expect(n - q).toBe(liveWhile);
        // Those that may fail while it is live cannot start a view change, and the rest can agree on one.
        expect(suspicionSize).toBe(liveWhile + 1);
        expect(n - liveWhile).toBeGreaterThanOrEqual(q);
        expect(beliefSize).toBe(linearizableWhile + 1);
        if (q === 2 * f + 1) expect([linearizableWhile, forkStarWhile, liveWhile]).toEqual([f, 2 * f, f]);
      }
    }
  });
});
