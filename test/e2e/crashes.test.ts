/** Processes that die or are stopped under load, and come back. */

import { afterEach, expect, test } from 'vitest';
import { cleanUp } from './support/cleanup.ts';
import { createCluster, REPLICAS } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';

afterEach(cleanUp);

test('the primary is killed under load: another view goes on, and it comes back', async () => {
  const cluster = await createCluster('primary');
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress();
  const { index, view } = await cluster.primary();
  await cluster.kill(index);
  await load.progress();
  expect((await cluster.primary()).view).toBeGreaterThan(view);
  cluster.start(index);
  await cluster.untilReady(index);
  await load.progress();
  await judge(cluster, load);
});

test('a backup is killed under load: the view stays, and it comes back', async () => {
  const cluster = await createCluster('backup');
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress();
  const { index } = await cluster.primary();
  const backup = (index + 2) % REPLICAS;
  await cluster.kill(backup);
  await load.progress();
  cluster.start(backup);
  await cluster.untilReady(backup);
  await load.progress();
  await judge(cluster, load);
});

test('all four are killed at once under load, several times, and go on from their disks', async () => {
  const cluster = await createCluster('all');
  await cluster.startAll();
  const load = await startLoad(cluster);
  for (let round = 0; round < 3; round++) {
    await load.progress();
    await Promise.all(cluster.indices.map((index) => cluster.kill(index)));
    await cluster.startAll();
  }
  await load.progress();
  await judge(cluster, load);
});

test('view after view: each primary in turn is killed', async () => {
  const cluster = await createCluster('views');
  await cluster.startAll();
  const load = await startLoad(cluster);
  const primaries = new Set<number>();
  while (primaries.size < REPLICAS) {
    await load.progress();
    const { index, view } = await cluster.primary();
    primaries.add(index);
    await cluster.kill(index);
    await load.progress();
    expect((await cluster.primary()).view).toBeGreaterThan(view);
    cluster.start(index);
    await cluster.untilReady(index);
  }
  await judge(cluster, load);
});

test('SIGTERM ends each with 0 under load, and each can be started again at once', async () => {
  const cluster = await createCluster('terminated');
  await cluster.startAll();
  const load = await startLoad(cluster);
  for (const index of cluster.indices) {
    await load.progress(20);
    const { code, signal, words } = await cluster.stop(index);
    expect({ code, signal, words }).toEqual({ code: 0, signal: null, words: '' });
    cluster.start(index);
    await cluster.untilReady(index);
  }
  await load.progress();
  const exits = await Promise.all(cluster.indices.map((index) => cluster.stop(index)));
  expect(exits.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  await cluster.startAll();
  await load.progress();
  await judge(cluster, load);
});
