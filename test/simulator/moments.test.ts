/** Faults that are aimed at the phases of the protocol: whole rounds that are lost, and faults that wait for an event. */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages/index.ts';
import { makeAmbushes } from '../../src/simulator/ambush.ts';
import { loseRounds } from '../../src/simulator/rounds.ts';

const vote = (view: number, sequenceNumber: number): Message => ({
  type: 'commit',
  view,
  sequenceNumber,
  hashChainDigest: new Uint8Array(32),
  replica: 0,
  signature: new Uint8Array(64),
});

describe('rounds', () => {
  const rounds = { salt: 1, perMille: 500, bySequence: true, kinds: ['commit'] } as const;
  const packet = (from: number, to: number, message: Message) => ({ from, to, message });

  it('a repeated packet meets the same fate, whoever asks and in whatever order', () => {
    const [one, other] = [loseRounds(rounds, 4), loseRounds(rounds, 4)];
    const packets = Array.from({ length: 200 }, (_, i) => packet(i % 4, (i >> 2) % 4, vote(i % 3, i % 11)));
    const fates = packets.map(one);
    expect(packets.map(one)).toEqual(fates);
    expect([...packets].reverse().map(other).reverse()).toEqual(fates);
    expect(new Set(fates).size).toBe(2);
  });

  it('only messages of the kinds named, and none to clients', () => {
    const loses = loseRounds({ ...rounds, perMille: 1000 }, 4);
    for (let s = 1; s < 50; s++) {
      expect(loses(packet(0, 4, vote(0, s)))).toBe(false);
      expect(loses(packet(0, 1, { ...vote(0, s), type: 'prepare' } as Message))).toBe(false);
    }
  });
});

describe('ambushes', () => {
  it('spring once, after the events that they let pass, unless they are lifted before', () => {
    const ambushes = makeAmbushes();
    const sprung: number[] = [];
    ambushes.lay({ event: 'stable', skip: 1, spring: (replica) => sprung.push(replica) });
    const stable = { type: 'stable', sequenceNumber: 1 } as const;
    ambushes.onEvent?.(0, { type: 'viewLeft', view: 0, next: 1 });
    for (const replica of [1, 2, 3]) ambushes.onEvent?.(replica, stable);
    expect(sprung).toEqual([2]);
    ambushes.lay({ event: 'stable', skip: 0, spring: (replica) => sprung.push(replica) });
    ambushes.lift();
    ambushes.onEvent?.(0, stable);
    expect(sprung).toEqual([2]);
  });
});
