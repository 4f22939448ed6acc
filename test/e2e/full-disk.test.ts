/** A replica whose disk takes nothing more: it stops with a clear word, the others go on, and with room again it comes back. */

import { afterEach, expect, test } from 'vitest';
import { EXIT_STATUS } from '../../src/node/index.ts';
import { cleanUp } from './support/cleanup.ts';
import { createCluster } from './support/cluster.ts';
import { canMount, mountSmallDisk, withFileSizeLimit } from './support/disks.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';

afterEach(cleanUp);

const FULL = 0;

test.runIf(canMount())('the file system of the primary is full', async () => {
  const disk = mountSmallDisk();
  const cluster = await createCluster('full', { data: { [FULL]: disk.data } });
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress();
  const process = cluster.process(FULL);
  process.expectExit();
  disk.fill();
  const { code, words } = await process.exited;
  expect(code).toBe(EXIT_STATUS.STORAGE);
  expect(words).toMatch(/ENOSPC|no space/i);
  expect(words).toContain('Remove the cause, then start the process again.');
  await load.progress();
  // Without room it does not start either, and says so.
  const again = cluster.start(FULL);
  again.expectExit();
  await load.progress();
  disk.free();
  if (again.exit === undefined) again.signal('SIGTERM');
  await again.exited;
  cluster.start(FULL);
  await cluster.untilReady(FULL);
  await load.progress();
  await judge(cluster, load);
});

test('a file of the primary may not grow any more', async () => {
  const cluster = await createCluster('limited');
  const process = cluster.start(FULL, withFileSizeLimit(256 * 1024));
  process.expectExit();
  for (const index of cluster.indices.slice(1)) cluster.start(index);
  await Promise.all(cluster.indices.map((index) => cluster.untilReady(index)));
  const load = await startLoad(cluster, { valueBytes: 1_000 });
  const { code, words } = await process.exited;
  expect(code).toBe(EXIT_STATUS.STORAGE);
  expect(words).toMatch(/EFBIG|file too large/i);
  await load.progress();
  cluster.start(FULL);
  await cluster.untilReady(FULL);
  await load.progress();
  await judge(cluster, load);
});
