/** A bit that flipped on a replica's disk while it was down. What is lost decides what it may still do. */

import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { cleanUp } from './support/cleanup.ts';
import { createCluster } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';
import { damage, middleRecord, recordsIn } from './support/log-damage.ts';

afterEach(cleanUp);

const HIT = 2;

async function clusterWithOneKilled(name: string) {
  const cluster = await createCluster(name);
  await cluster.startAll();
  const load = await startLoad(cluster);
  await load.progress(100);
  await cluster.kill(HIT);
  return { cluster, load };
}

test('a promise damaged in one copy is repaired from the other', async () => {
  const { cluster, load } = await clusterWithOneKilled('one-copy');
  for (const copy of ['main', 'mirror'] as const) {
    const record = middleRecord(cluster.data(HIT), copy, 'prepared');
    const whole = readFileSync(record.path);
    damage(record);
    cluster.start(HIT);
    await cluster.untilReady(HIT);
    expect(readFileSync(record.path).subarray(0, whole.length).equals(whole)).toBe(true);
    expect(await cluster.status(HIT)).toMatchObject({ silence: 'none' });
    await load.progress();
    await cluster.kill(HIT);
  }
  cluster.start(HIT);
  await cluster.untilReady(HIT);
  await judge(cluster, load);
});

test('a promise damaged in both copies: a learner, now and after the next start', async () => {
  const { cluster, load } = await clusterWithOneKilled('both-copies');
  const main = middleRecord(cluster.data(HIT), 'main', 'prepared');
  const mirror = recordsIn(cluster.data(HIT), 'mirror').find(({ position }) => position === main.position)!;
  expect(mirror.record).toEqual(main.record);
  damage(main);
  damage(mirror);
  for (let round = 0; round < 2; round++) {
    cluster.start(HIT);
    await cluster.until(HIT, 'is a learner', ({ silence }) => silence === 'learner');
    await load.progress();
    if (round === 0) await cluster.kill(HIT);
  }
  const readiness = await cluster.readiness(HIT);
  expect(readiness).toEqual({ ok: false, text: expect.stringContaining('needs a new key') });
  await judge(cluster, load);
});

test('a damaged body is fetched again', async () => {
  const { cluster, load } = await clusterWithOneKilled('body');
  damage(middleRecord(cluster.data(HIT), 'main', 'body'));
  damage(middleRecord(cluster.data(HIT), 'main', 'committed'));
  cluster.start(HIT);
  await cluster.untilReady(HIT);
  expect(await cluster.status(HIT)).toMatchObject({ silence: 'none' });
  await load.progress();
  await judge(cluster, load);
});
