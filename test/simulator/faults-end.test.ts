/** After the faults have ended everything runs, also what they bring down only later. */

import { expect, it } from 'vitest';
import { endFaults } from '../../src/simulator/inflict.ts';
import { CALM } from '../../src/simulator/network.ts';
import { executed, makeCluster, put, stateOf, tick, until } from '../review/support.ts';

/**
 * A snapshot found no room, and the sync after which the process was to end took longer than the faults: it ended when the others had been started
 * again, and stayed down. Ten replicas, three of them withholding proposals, seed 32: "every replica catches up".
 */
it('a process whose slow disk brings it down after the end is started again', () => {
  const cluster = makeCluster({
    genesisLimits: { checkpointInterval: 4, watermarkWindow: 16 },
    faulty: [],
  });
  tick(cluster, 300);
  expect(put(cluster, 2)).toBe(true);
  const disk = cluster.disks[3]!;
  disk.trouble = 'full-for-snapshots';
  disk.slowUs = 2_000_000;
  expect(put(cluster, 2)).toBe(true);
  // It has asked for another primary while it can still be said, and waits for its last sync.
  expect(until(cluster, () => stateOf(cluster, 3).suspectedView === 0)).toBe(true);
  endFaults(cluster, CALM);
  expect(until(cluster, () => cluster.replicas[3]!.state === 'down')).toBe(true);
  expect(until(cluster, () => cluster.replicas[3]!.state === 'up')).toBe(true);
  expect(put(cluster, 1)).toBe(true);
  expect(until(cluster, () => executed(cluster, 3) === executed(cluster, 0))).toBe(true);
});
