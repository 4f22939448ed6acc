/** A replica whose disk is gone: it must not speak under a key that may have promised something, and says what its operator must do. */

import { rmSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { ClientError, kv } from '../../src/client/index.ts';
import { EXIT_STATUS } from '../../src/node/index.ts';
import { cleanUp } from './support/cleanup.ts';
import { createCluster } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { connectTo, startLoad } from './support/load.ts';
import { bft2f } from './support/program.ts';

afterEach(cleanUp);

const LOST = 3;
const OTHER = 1;

test('an emptied data directory: no start; formatted anew: a learner, which no quorum counts', async () => {
  const cluster = await createCluster('lost', { limits: { checkpointInterval: 16, watermarkWindow: 64 } });
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress(100);
  await cluster.kill(LOST);
  rmSync(cluster.data(LOST), { recursive: true });

  const refused = cluster.start(LOST);
  refused.expectExit();
  const { code, words } = await refused.exited;
  expect(code).toBe(EXIT_STATUS.STORAGE);
  expect(words).toContain('its disk is lost and the replica needs a new key');

  await bft2f(['format', '--config', cluster.paths.replica(LOST).config]);
  cluster.start(LOST);
  await cluster.until(LOST, 'is a learner', ({ silence }) => silence === 'learner');
  await load.progress();
  const { executed } = await cluster.status(0);
  await cluster.until(LOST, 'has caught up', (status) => status.executed >= executed);
  const readiness = await cluster.readiness(LOST);
  expect(readiness).toEqual({ ok: false, text: expect.stringContaining('needs a new key') });
  const told = await bft2f(['status', '--directory', cluster.paths.directory]);
  expect(told.out).toContain('it signs nothing any more and needs a new key');
  await judge(cluster, load);

  // It counts as faulty: with one more away there is no quorum, however well it has caught up.
  await cluster.kill(OTHER);
  const client = await connectTo(cluster);
  const failure = await kv(client)
    .put('a', '1', { deadlineMs: 3_000 })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ClientError);
  expect(['NO_QUORUM', 'OUTCOME_UNKNOWN']).toContain((failure as ClientError).code);
  cluster.start(OTHER);
  await kv(client).put('b', '1');
  expect(await cluster.status(LOST)).toMatchObject({ silence: 'learner', guilty: [] });
  await client.close();
});

test('all of it again after a restart, and while it was killed in the middle', async () => {
  const cluster = await createCluster('lost-twice', {
    limits: { checkpointInterval: 16, watermarkWindow: 64 },
  });
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress(100);
  await cluster.kill(LOST);
  rmSync(cluster.data(LOST), { recursive: true });
  await bft2f(['format', '--config', cluster.paths.replica(LOST).config]);
  for (let round = 0; round < 2; round++) {
    cluster.start(LOST);
    await cluster.until(LOST, 'is a learner', ({ silence }) => silence === 'learner');
    await load.progress(20);
    await cluster.kill(LOST);
  }
  cluster.start(LOST);
  await cluster.until(LOST, 'is a learner', ({ silence }) => silence === 'learner');
  await judge(cluster, load);
});
