import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareHeads, judgeEvidence } from '../../src/protocol/accountability/index.ts';
import { headAt, historyOf, proofOf } from './support.ts';

/** n = 7, f = 2, Q = 5: two histories of equal first 10 batches. */
const [one, other] = [historyOf('one', 10, 40), historyOf('other', 10, 40)];
const { context } = one.cluster;
const [low, high] = [
  [0, 1, 2, 3, 4],
  [2, 3, 4, 5, 6],
];

describe('comparing two heads', () => {
  it('of one content: CONSISTENT, whoever signed them', () => {
    expect(compareHeads(context, headAt(one, 20, low), headAt(one, 20, high))).toEqual({
      type: 'CONSISTENT',
    });
    expect(compareHeads(context, headAt(one, 10, low), headAt(other, 10, high)).type).toBe('CONSISTENT');
  });

  it('of one s and different content: FORK without a proof; who signed both is guilty', () => {
    const compared = compareHeads(context, headAt(one, 20, low), headAt(other, 20, high));
    if (compared.type !== 'FORK') throw new Error(compared.type);
    expect(judgeEvidence(context, compared.evidence)).toEqual({ guilty: [2, 3, 4], forked: true });
  });

  it('of different s: needs the proof between them, in either order', () => {
    const [a, b] = [headAt(one, 16, low), headAt(one, 33, high)];
    const lacking = { type: 'NEEDS-PROOF', from: 16, to: 33 };
    expect(compareHeads(context, a, b)).toEqual(lacking);
    expect(compareHeads(context, b, a)).toEqual(lacking);
    const proof = proofOf(one, 16, 33);
    expect(compareHeads(context, a, b, proof)).toMatchObject({ type: 'EXTENDS', earlier: a, later: b });
    expect(compareHeads(context, b, a, proof)).toMatchObject({ type: 'EXTENDS', earlier: a, later: b });
    // A proof of other sizes or of another history proves neither.
    expect(compareHeads(context, a, b, proofOf(one, 15, 33))).toEqual(lacking);
    expect(compareHeads(context, a, b, proofOf(other, 16, 33))).toEqual(lacking);
  });

  it('at every pair of sizes: EXTENDS before the fork, FORK after it, with the later history’s own proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 39 }), fc.integer({ min: 1, max: 40 }), (from, by) => {
        const to = Math.min(from + by, 40);
        const [earlier, later] = [headAt(one, from, low), headAt(other, to, high)];
        const compared = compareHeads(context, earlier, later, proofOf(other, from, to));
        if (from <= 10) expect(compared.type).toBe('EXTENDS');
        else {
          if (compared.type !== 'FORK') throw new Error(`${compared.type} from ${from} to ${to}`);
          expect(judgeEvidence(context, compared.evidence)).toEqual({ guilty: [2, 3, 4], forked: true });
        }
        // The same history never gives a fork, whatever proof is brought.
        const same = headAt(one, to, high);
        for (const proof of [proofOf(one, from, to), proofOf(other, from, to)]) {
          expect(compareHeads(context, earlier, same, proof).type).not.toBe('FORK');
        }
      }),
      { numRuns: 200 },
    );
  });
});
