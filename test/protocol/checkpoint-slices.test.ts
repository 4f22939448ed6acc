/** A checkpoint's digests are computed a slice at a time, and nobody waits for them (docs/protocol.md §6). */

import { expect, it } from 'vitest';
import { executed, makeCluster, put, stateOf, tick, until } from '../review/support.ts';

it('batches go on being executed while the digests of a frozen state are computed', () => {
  const cluster = makeCluster({
    genesisLimits: { checkpointInterval: 4 },
    localLimits: { checkpointSliceBytes: 1 },
  });
  tick(cluster, 300);
  // OPEN and three puts: s = 4.
  expect(put(cluster, 2)).toBe(true);
  expect(until(cluster, () => executed(cluster, 0) === 3)).toBe(true);
  expect(put(cluster, 1)).toBe(true);
  expect(stateOf(cluster, 0).frozen?.entry.sequenceNumber).toBe(4);
  expect(stateOf(cluster, 0).snapshots.size).toBe(0);
  expect(put(cluster, 1)).toBe(true);
  expect(until(cluster, () => [0, 1, 2, 3].every((i) => stateOf(cluster, i).stable === 4))).toBe(true);
  expect(stateOf(cluster, 0).frozen).toBeUndefined();
  expect(cluster.violations).toEqual([]);
});

it('a replica that crashes meanwhile takes the checkpoint again', () => {
  const cluster = makeCluster({
    genesisLimits: { checkpointInterval: 4 },
    localLimits: { checkpointSliceBytes: 1 },
  });
  tick(cluster, 300);
  expect(put(cluster, 3)).toBe(true);
  expect(stateOf(cluster, 0).frozen).toBeDefined();
  tick(cluster, 2);
  for (const i of [0, 1, 2, 3]) cluster.crash(i);
  for (const i of [0, 1, 2, 3]) cluster.restart(i);
  expect(until(cluster, () => [0, 1, 2, 3].every((i) => stateOf(cluster, i).stable === 4))).toBe(true);
  expect(cluster.violations).toEqual([]);
});
