import { describe, expect, it } from 'vitest';
import { kthHighest, REPLICAS_MAX, thresholds } from '../../src/protocol/quorum.ts';
import { randomFrom } from './support.ts';

/** Every (n, q) that a cluster may have. */
const clusters = Array.from({ length: (REPLICAS_MAX - 1) / 3 + 1 }, (_, f) => 3 * f + 1).flatMap((n) =>
  Array.from({ length: n - (2 * (n - 1)) / 3 }, (_, i) => ({ n, q: (2 * (n - 1)) / 3 + 1 + i })),
);

/** The fewest replicas that two quorums of q out of n share, by laying them as far apart as they go. */
function fewestShared(n: number, q: number): number {
  const first = new Set(Array.from({ length: q }, (_, i) => i));
  const second = Array.from({ length: q }, (_, i) => n - 1 - i);
  return second.filter((replica) => first.has(replica)).length;
}

describe('docs/protocol.md §1: thresholds of (n, q)', () => {
  it.each(clusters)('n = $n, q = $q: against counting', ({ n, q }) => {
    const t = thresholds(n, q);
    const shared = fewestShared(n, q);
    expect(shared).toBe(2 * q - n);
    // Linearizable while any two quorums share a correct replica; fork* while a quorum has one; live while the rest is a quorum.
    for (let k = 0; k <= n; k++) {
      expect(k <= t.linearizableWhile).toBe(shared > k);
      expect(k <= t.forkStarWhile).toBe(q > k);
      expect(k <= t.liveWhile).toBe(n - k >= q);
      expect(t.beliefSize > k).toBe(k <= t.linearizableWhile);
      expect(t.suspicionSize > k).toBe(k <= t.liveWhile);
    }
    // Q replicas can suspect together, and those who suspect enough to be joined cannot all be faulty while the service is live.
    expect(t.suspicionSize).toBeLessThanOrEqual(q);
  });

  it.each(clusters.filter(({ n, q }) => q === (2 * (n - 1)) / 3 + 1))(
    'PBFT: n = 3f+1 = $n gives Q = 2f+1 and weak quorums of f+1',
    ({ n, q }) => {
      const f = (n - 1) / 3;
      expect(thresholds(n)).toEqual({
        replicaCount: n,
        maxFaulty: f,
        quorumSize: q,
        beliefSize: f + 1,
        suspicionSize: f + 1,
        linearizableWhile: f,
        forkStarWhile: 2 * f,
        liveWhile: f,
      });
    },
  );

  it.each([
    [0, undefined],
    [2, undefined],
    [3, undefined],
    [34, undefined],
    [4.5, undefined],
    [4, 2],
    [4, 5],
    [4, 3.5],
    [Number.NaN, undefined],
  ])('refuses n = %s, q = %s and says what is expected', (n, q) => {
    expect(() => thresholds(n, q)).toThrow(/must be/);
  });

  it('kthHighest against counting', () => {
    const random = randomFrom(1);
    for (let run = 0; run < 300; run++) {
      const values = Array.from({ length: random(8) }, () => random(5));
      for (let k = 1; k <= 8; k++) {
        const expected = [4, 3, 2, 1, 0].find((value) => values.filter((it) => it >= value).length >= k);
        expect(kthHighest(values, k)).toBe(expected);
      }
    }
  });
});
