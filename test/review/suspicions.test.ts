/** Suspicions that others lead: how fast they may take a replica from view to view. */

import { describe, expect, it } from 'vitest';
import { inject, makeCluster, stateOf, suspectOf, tick } from './support.ts';

describe('suspicion', () => {
  /**
   * Two liars of four suspected one view after the other, and the correct replicas followed as fast as messages arrived: two records for each view,
   * which stay until there is a stable checkpoint, and there was none. A disk fills up so.
   */
  it('is joined once in T/4, however many views more than f suspect meanwhile', () => {
    const cluster = makeCluster({ faulty: [2, 3] });
    tick(cluster, 300);
    const replica = stateOf(cluster, 0);
    const before = cluster.disks[0]!.appended;
    for (let view = 0; view < 400; view++) {
      for (const liar of [2, 3]) {
        const { suspectedView } = replica;
        const suspect = suspectOf(cluster, liar, Math.max(view, suspectedView + 1));
        for (const to of [0, 1]) inject(cluster, liar, to, { type: 'suspect', ...suspect });
      }
      tick(cluster, 10);
    }
    // T doubles from 1 s with each view left: 0, 0.5, 1.5 and 3.5 s after the first.
    expect(replica.view).toBeGreaterThan(0);
    expect(cluster.disks[0]!.appended - before).toBeLessThan(20);
  });
});
