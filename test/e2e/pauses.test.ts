/** Processes that stand still (SIGSTOP) for longer than every timeout, and go on as if nothing had been. */

import { setTimeout as elapse } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { cleanUp } from './support/cleanup.ts';
import { createCluster, REPLICAS } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';

afterEach(cleanUp);

/** The pause is what is tested: it ends by the clock, not when something has come about. */
const MINUTE_MS = 60_000;
/** How long a request may wait, where no view may end: so long that only a clock that runs on during a pause can end one. */
const TIMEOUT_MS = 8_000;
const PAUSE_MS = 12_000;

test('the primary stands still for a minute', async () => {
  const cluster = await createCluster('paused-primary');
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress();
  const { index, view } = await cluster.primary();
  cluster.pause(index);
  await load.progress();
  await elapse(MINUTE_MS);
  await load.progress();
  cluster.resume(index);
  await cluster.until(index, 'is in the new view', (status) => status.ready && status.view > view);
  await load.progress();
  await judge(cluster, load);
});

test('a backup stands still, and then all of them: nobody is deposed', async () => {
  const cluster = await createCluster('paused-others', { localLimits: { requestTimeoutMs: TIMEOUT_MS } });
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress();
  const { index, view } = await cluster.primary();
  const backup = (index + 1) % REPLICAS;
  cluster.pause(backup);
  await elapse(PAUSE_MS);
  await load.progress();
  cluster.resume(backup);
  await cluster.untilReady(backup);
  await load.progress();

  for (const other of cluster.indices) cluster.pause(other);
  await elapse(PAUSE_MS);
  for (const other of cluster.indices) cluster.resume(other);
  await load.progress();
  expect((await cluster.primary()).view).toBe(view);
  await judge(cluster, load);
});
