/** A replica that was away for longer than the others keep their logs: it takes the state over while the load goes on. */

import { afterEach, expect, test } from 'vitest';
import { cleanUp } from './support/cleanup.ts';
import { type Cluster, createCluster } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';

afterEach(cleanUp);

const AWAY = 3;
/** Checkpoints follow each other so closely that what is being transferred is outdated before it has arrived. */
const SHORT = { checkpointInterval: 8, watermarkWindow: 32 };

/** How often an event was counted since the process was started. */
async function eventsOf(cluster: Cluster, index: number, type: string): Promise<number> {
  const { host, port } = cluster.network.status(index);
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const line = text
    .split('\n')
    .find((it) => it.startsWith('bft2f_events_total{') && it.includes(`"${type}"`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

test('a replica far behind catches up under continuous load', async () => {
  const cluster = await createCluster('transfer', { limits: SHORT });
  await cluster.startAll();
  const load = await startLoad(cluster, { valueBytes: 500 });
  await load.progress();
  await cluster.kill(AWAY);
  const { stable } = await cluster.status(0);
  await cluster.until(0, 'has left it far behind', (status) => status.stable >= stable + 64);
  cluster.start(AWAY);
  await cluster.untilReady(AWAY);
  expect(await eventsOf(cluster, AWAY, 'transferred')).toBeGreaterThan(0);
  // It takes part again: a quorum without the one that is killed now needs it.
  const reached = await cluster.status(AWAY);
  await cluster.kill(1);
  await load.progress();
  await cluster.until(AWAY, 'goes on', (status) => status.executed > reached.executed);
  cluster.start(1);
  await cluster.untilReady(1);
  await judge(cluster, load);
});

test('a replica that is killed again and again while it catches up gets there all the same', async () => {
  const cluster = await createCluster('interrupted', { limits: SHORT });
  await cluster.startAll();
  const load = await startLoad(cluster, { valueBytes: 500 });
  await load.progress();
  await cluster.kill(AWAY);
  for (let round = 0; round < 4; round++) {
    const { stable } = await cluster.status(0);
    await cluster.until(0, 'has left it behind', (status) => status.stable >= stable + 40);
    cluster.start(AWAY);
    // At another point each time: first as soon as it answers at all.
    await cluster.until(AWAY, 'moves', (status) => round === 0 || status.stable >= stable - 40 + 8 * round);
    await cluster.kill(AWAY);
  }
  cluster.start(AWAY);
  await cluster.untilReady(AWAY);
  await load.progress();
  await judge(cluster, load);
});
