/** Garbage, oversized frames, half-said words and wrong keys on the port, while the cluster has work to do. */

import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { cleanUp } from './support/cleanup.ts';
import { createCluster } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';
import { sendStrangers } from './support/strangers.ts';

afterEach(cleanUp);

const MIB = 1024 * 1024;

/** The most memory that the process has ever had, in bytes; 0 where the system does not tell. */
function peakMemory(pid: number): number {
  if (process.platform !== 'linux') return 0;
  const kibibytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}

test('strangers cost neither service nor memory, and keep nobody from coming back', async () => {
  const cluster = await createCluster('strangers');
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress(100);
  const { view, clusterId } = await cluster.status(0);
  const before = cluster.indices.map((index) => peakMemory(cluster.process(index).pid));
  const strangers = sendStrangers(cluster.network.replicas.map((address) => ({ ...address, clusterId })));
  await strangers.rounds(2);
  await load.progress(100);
  for (const index of cluster.indices) {
    const grown = peakMemory(cluster.process(index).pid) - before[index]!;
    expect(grown, `growth of replica ${index} in bytes`).toBeLessThan(128 * MIB);
  }
  // Who was away finds a place among those who hold on to theirs.
  const backup = (view + 1) % cluster.indices.length;
  await cluster.kill(backup);
  cluster.start(backup);
  await cluster.untilReady(backup);
  await load.progress();
  await strangers.stop();
  await judge(cluster, load);
});
