/**
 * Forks that are found while the cluster runs: n = 4, replicas 0 and 1 are faulty and run twice, once with replica 2 and once with replica 3. When
 * a word passes between the two correct ones, both hold proof, and it names 0 and 1.
 */

import { describe, expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import { evidenceSchema, judgeEvidence } from '../../src/protocol/accountability/evidence.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { makeClient, told } from '../paper/clients.ts';
import { eventsOf, type Group, isFrom, isTo, makeGroup } from '../paper/group.ts';

/** Worlds A (0, 1, 2) and B (0, 1, 3) with histories of these many writes. */
function forked(writesInA: number, writesInB: number): { readonly a: Group; readonly b: Group } {
  const [a, b] = [makeGroup(), makeGroup()];
  a.members[3]!.silent = true;
  b.members[2]!.silent = true;
  const alice = makeClient(a, 'alice');
  for (let i = 1; i <= writesInA; i++) expect(told(alice.call(`a${i}`))).toBe(String(i));
  const bob = makeClient(b, 'bob');
  for (let i = 1; i <= writesInB; i++) expect(told(bob.call(`b${i}`))).toBe(String(i));
  a.pass(2_000);
  b.pass(2_000);
  return { a, b };
}

/** From now on replica 2 of A and replica 3 of B hear each other, as far as `mayPass` lets them, for this long. */
function connect(a: Group, b: Group, ms: number, mayPass: (message: Message) => boolean): void {
  const passed = new Set<Message>();
  const bridge = (here: Group, there: Group, mine: number, theirs: number): Group['filter'] => {
    here.members[theirs]!.silent = false;
    return (packet) => {
      if (isFrom(packet, theirs)) return isTo(packet, mine) && passed.has(packet.message);
      if (!isTo(packet, theirs)) return true;
      if (isFrom(packet, mine) && mayPass(packet.message)) {
        passed.add(packet.message);
        there.send(packet.from, theirs, packet.message);
      }
      return false;
    };
  };
  b.nowMs = a.nowMs = Math.max(a.nowMs, b.nowMs);
  a.filter = bridge(a, b, 2, 3);
  b.filter = bridge(b, a, 3, 2);
  for (let i = 0; i < ms / 50; i++) {
    a.pass(50);
    b.pass(50);
  }
}

const found = (group: Group, index: number) => eventsOf(group, index, 'evidence');

function expectGuilty(group: Group, index: number): void {
  expect(found(group, index).some(({ guilty, forked: isFork }) => isFork && guilty.length > 1)).toBe(true);
  for (const { guilty } of found(group, index)) for (const each of guilty) expect(each).toBeLessThan(2);
  expect(group.members[index]!.replica.silence).toBe('ordering');
}

describe('two correct replicas on two histories', () => {
  it.each([
    [3, 3],
    [2, 5],
    [6, 3],
  ])('of %i and %i writes prove the fork by their heads alone, and name 0 and 1', (inA, inB) => {
    const { a, b } = forked(inA, inB);
    connect(a, b, 8_000, ({ type, ...rest }) => {
      if (type === 'status' || type === 'evidence') return true;
      if (type === 'fetch') return 'want' in rest && rest.want.type === 'head';
      return type === 'fetched';
    });
    expectGuilty(a, 2);
    expectGuilty(b, 3);
    const kinds = new Set([...found(a, 2), ...found(b, 3)].map(({ evidence }) => evidence.type));
    expect(kinds).toEqual(new Set(['histories']));
  });
});

describe('a replica that the faulty have told of the other history', () => {
  /**
   * V holds the newest entry of each replica, so those of 0 and 1 were soon of the longer history, whose head then passed for replica 2's own; its
   * true one was known to nobody any more, and the fork could not be proved (twins, seed 35).
   */
  it('still shows the head of its own', () => {
    const { a, b } = forked(2, 5);
    const own = a.members[2]!.replica.head!;
    expect(own.sequenceNumber).toBe(a.members[2]!.replica.ledger.executed.sequenceNumber);
    const shown = new Map<number, Message>();
    b.filter = (packet) => {
      for (const index of [0, 1]) {
        if (isFrom(packet, index) && packet.message.type === 'status') shown.set(index, packet.message);
      }
      return true;
    };
    b.pass(2_000);
    for (const [index, message] of shown) a.send({ kind: 'replica', index }, 2, message);
    a.pass(2_000);
    const { versionVector, head } = a.members[2]!.replica;
    expect(versionVector.get(0)!.sequenceNumber).toBeGreaterThan(own.sequenceNumber);
    expect(head).toEqual(own);
    connect(a, b, 8_000, () => true);
    expectGuilty(b, 3);
  });
});

describe('EVIDENCE', () => {
  /** A piece that replica 3, whose history is longer, has found. */
  function proof() {
    const { a, b } = forked(2, 4);
    connect(a, b, 4_000, ({ type }) => type !== 'evidence');
    const evidence = found(b, 3).find((each) => each.forked)!;
    return { a, b, evidence: evidence.evidence };
  }

  it('is judged, kept, told to the operator, and passed on to every peer', () => {
    const { evidence } = proof();
    const group = makeGroup();
    const message = { type: 'evidence', evidence: encode(evidenceSchema, evidence) } as const;
    group.send({ kind: 'replica', index: 0 }, 1, message);
    group.pass(5_000);
    for (const index of [1, 2, 3]) {
      expect(found(group, index)).toEqual([
        { type: 'evidence', evidence, ...judgeEvidence(group.context, evidence) },
      ]);
      expect(group.members[index]!.records.filter(({ type }) => type === 'evidence')).toHaveLength(1);
    }
  });

  it('from a client counts as well, and tells a client why nothing is ordered', () => {
    const { evidence } = proof();
    const group = makeGroup();
    const client = makeClient(group, 'carol');
    expect(told(client.call('x'))).toBe('1');
    const told1: Message[] = [];
    const listen = group.listeners;
    for (const [key, listeners] of listen) {
      listen.set(
        key,
        listeners.map((listener) => ({
          get wakeAtMs() {
            return listener.wakeAtMs;
          },
          tick: () => listener.tick(),
          receive(from: number, message: Message) {
            told1.push(message);
            listener.receive(from, message);
          },
        })),
      );
    }
    const key = client.session.signer.publicKey;
    const message = { type: 'evidence', evidence: encode(evidenceSchema, evidence) } as const;
    for (const index of [0, 1, 2, 3]) group.send({ kind: 'client', key }, index, message);
    group.settle();
    for (const index of [0, 1, 2, 3]) expect(group.members[index]!.replica.silence).toBe('ordering');
    client.submit('y');
    group.pass(5_000);
    expect(told1.some(({ type }) => type === 'evidence')).toBe(true);
  });

  it('that proves nothing, is malformed or comes too fast is refused and counted', () => {
    const { evidence } = proof();
    const group = makeGroup();
    group.members[0]!.silent = true;
    const send = (bytes: Uint8Array) => {
      group.members[0]!.silent = false;
      group.send({ kind: 'replica', index: 0 }, 2, { type: 'evidence', evidence: bytes });
      group.settle();
      group.members[0]!.silent = true;
    };
    const reasons = () =>
      eventsOf(group, 2, 'refused').flatMap(({ message, reason }) =>
        message === 'evidence' ? [reason] : [],
      );
    send(new Uint8Array(3));
    group.pass(1_000);
    const bytes = encode(evidenceSchema, evidence);
    const forged = bytes.slice();
    forged[forged.length - 1]! ^= 1;
    send(forged);
    send(bytes);
    expect(reasons()).toEqual(['MALFORMED_EVIDENCE', 'NOTHING_NEW_PROVED', 'TOO_MUCH_EVIDENCE']);
    expect(found(group, 2)).toEqual([]);
    group.pass(1_000);
    send(bytes);
    expect(found(group, 2)).toHaveLength(1);
  });
});
