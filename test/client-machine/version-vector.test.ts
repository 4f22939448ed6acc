import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { type Entry, sameEntry } from '../../src/protocol/messages/entry.ts';
import { currentOf, dominates, noteEntry, type VersionVector } from '../../src/protocol/version-vector.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';

const cluster = makeFakeCluster(7);
const contents = Array.from({ length: 4 }, () => cluster.idle(1));
const fork = makeFakeCluster(7, { history: 'fork' });
const forked = Array.from({ length: 4 }, () => fork.idle(1));

const anyEntry = fc
  .tuple(fc.nat(6), fc.nat(3), fc.nat(2), fc.boolean())
  .map(([replica, s, view, isForked]) => cluster.entry(replica, (isForked ? forked : contents)[s]!, view));

describe('dominance (BFT2F §4)', () => {
  it('is a partial order on the entries of one history', () => {
    fc.assert(
      fc.property(anyEntry, anyEntry, anyEntry, (a, b, c) => {
        expect(dominates(a, a)).toBe(true);
        if (dominates(a, b) && dominates(b, c)) expect(dominates(a, c)).toBe(true);
        if (dominates(a, b) && dominates(b, a)) expect([a.view, sameEntry(a, b)]).toEqual([b.view, true]);
      }),
    );
  });

  it('needs a view no lower, and equal digests at equal s', () => {
    const at = (s: number, view: number) => cluster.entry(0, contents[s]!, view);
    expect(dominates(at(2, 1), at(1, 1))).toBe(true);
    expect(dominates(at(2, 0), at(1, 1))).toBe(false);
    expect(dominates(at(1, 1), at(2, 1))).toBe(false);
    expect(dominates(at(1, 1), fork.entry(0, forked[1]!, 0))).toBe(false);
  });
});

describe('cur(V)', () => {
  it('is the entry of at least Q newest ones, if there is one', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 25 }), (entries) => {
        const vector: VersionVector = new Map();
        const newest = new Map<number, Entry>();
        for (const entry of entries) {
          noteEntry(vector, entry);
          const held = newest.get(entry.replica);
          if (held === undefined || held.sequenceNumber < entry.sequenceNumber)
            newest.set(entry.replica, entry);
        }
        for (const [replica, entry] of newest) expect(sameEntry(vector.get(replica)!, entry)).toBe(true);
        const counts = [...contents, ...forked].map(
          (content) => [...newest.values()].filter((entry) => sameEntry(entry, content)).length,
        );
        const head = currentOf(vector, 5);
        expect(head !== undefined).toBe(counts.some((count) => count >= 5));
        if (head !== undefined) expect(rejectHead(cluster.context, head)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('whatever the views', () => {
    const vector: VersionVector = new Map();
    for (let r = 0; r < 5; r++) noteEntry(vector, cluster.entry(r, contents[2]!, r));
    expect(currentOf(vector, 5)).toMatchObject(contents[2]!);
    expect(currentOf(vector, 6)).toBeUndefined();
  });
});
