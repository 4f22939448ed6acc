/** Four replicas over loopback, on real files: writes, restarts, catching up, refusals to start. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanUp, createClient, createCluster, startAll, type TestCluster } from './support.ts';

afterEach(cleanUp);

/** Small enough that a few writes make stable checkpoints. */
const SHORT = { checkpointInterval: 4, watermarkWindow: 16 };

async function agreement(cluster: TestCluster): Promise<void> {
  const most = Math.max(...cluster.nodes.map((node) => node?.status().executed ?? 0));
  const statuses = await Promise.all(
    cluster.nodes.map((_, i) => cluster.until(i, (status) => status.executed >= most)),
  );
  expect(new Set(statuses.map((status) => status.hashChainDigest)).size).toBe(1);
  expect(new Set(statuses.map((status) => status.stateDigest)).size).toBe(1);
}

test('a cluster of four executes writes and becomes ready', async () => {
  const cluster = await createCluster(4);
  await startAll(cluster);
  const client = createClient(cluster);
  await client.put('a', '1');
  await client.put('b', '2');
  expect(await client.get('a')).toBe('1');
  expect(await client.get('c')).toBeUndefined();
  for (let i = 0; i < 4; i++) await cluster.until(i, (status) => status.ready);
  await agreement(cluster);
});

test('a cluster of one executes writes and remembers them', async () => {
  const cluster = await createCluster(1, {}, { durability: 'disk' });
  await cluster.start(0);
  await createClient(cluster).put('a', '1');
  await cluster.stop(0);
  await cluster.start(0);
  expect(await createClient(cluster, 101).get('a')).toBe('1');
});

test('all four are stopped and started again, on synced disks, and know every write', async () => {
  const cluster = await createCluster(4, SHORT, { durability: 'disk' });
  await startAll(cluster);
  const client = createClient(cluster);
  for (let i = 0; i < 11; i++) await client.put(`key ${i}`, `value ${i}`);
  for (let i = 0; i < 4; i++) await cluster.stop(i);
  await startAll(cluster);
  const later = createClient(cluster, 101);
  for (let i = 0; i < 11; i++) expect(await later.get(`key ${i}`)).toBe(`value ${i}`);
  await agreement(cluster);
});

test('a backup that was away takes the state over and catches up', async () => {
  const cluster = await createCluster(4, SHORT);
  await startAll(cluster);
  const client = createClient(cluster);
  await client.put('before', '1');
  await cluster.stop(3);
  for (let i = 0; i < 40; i++) await client.put(`key ${i}`, 'x'.repeat(100));
  const events: string[] = [];
  await cluster.start(3, { onEvent: (event) => events.push(event.type) });
  await cluster.until(3, (status) => status.executed >= 40 && events.includes('transferred'));
  await cluster.until(3, (status) => status.ready);
  // And again from its own snapshot.
  await cluster.stop(3);
  await cluster.start(3);
  await cluster.until(3, (status) => status.ready && status.executed >= 40);
  await client.put('after', '1');
  await agreement(cluster);
});

test('the primary is stopped: another view goes on, and it joins when it is back', async () => {
  const cluster = await createCluster(4, {}, { limits: { requestTimeoutMs: 300 } });
  await startAll(cluster);
  const client = createClient(cluster);
  await client.put('a', '1');
  await cluster.stop(0);
  await client.put('b', '2');
  expect(cluster.nodes[1]!.status().view).toBeGreaterThan(0);
  await cluster.start(0);
  await cluster.until(0, (status) => status.ready && status.view > 0);
  await client.put('c', '3');
  await agreement(cluster);
});

test('old segments and snapshots go, and what is left is enough', async () => {
  const cluster = await createCluster(4, SHORT, { smallLogBytes: 1 });
  await startAll(cluster);
  const data = join(cluster.directory, '1');
  const firstSegment = (await readdir(join(data, 'log'))).sort()[0]!;
  const isThere = async () => (await readdir(join(data, 'log'))).includes(firstSegment);
  const client = createClient(cluster);
  let last = 0;
  while (last < 30 || (await isThere())) await client.put('key', `value ${++last}`);
  const { executed } = cluster.nodes[1]!.status();
  for (let i = 0; i < 4; i++) await cluster.stop(i);
  const manifests = (await readdir(join(data, 'snapshots'))).filter((name) => name.startsWith('manifest'));
  expect(manifests.length).toBeLessThan(last / 8);
  await startAll(cluster);
  expect(await createClient(cluster, 101).get('key')).toBe(`value ${last}`);
  await cluster.until(1, (status) => status.executed > executed);
});
