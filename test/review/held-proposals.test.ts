/** A replica whose clock is behind holds every proposal; the others do not wait for it. */

import { expect, it } from 'vitest';
import { makeCluster, put, stateOf, tick } from './support.ts';

it('what is committed meanwhile is held no longer', () => {
  const cluster = makeCluster({
    genesisLimits: { pipelineWindow: 1, checkpointInterval: 4, watermarkWindow: 16 },
  });
  tick(cluster, 300);
  cluster.replicas[1]!.clockJumpMs = -3_600_000;
  let most = 0;
  for (let i = 0; i < 40; i++) {
    expect(put(cluster, 1)).toBe(true);
    most = Math.max(most, stateOf(cluster, 1).heldProposals.size);
  }
  expect(most).toBeLessThanOrEqual(2);
  expect(cluster.violations).toEqual([]);
});
