/** Real replicas that archive, audited while they run and after, through the library and the command line. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { writeGenesisFile } from '../../src/node/index.ts';
import { formatHead } from '../../src/protocol/accountability/index.ts';
import { makeCluster } from '../../src/protocol/genesis.ts';
import { encodeKvOperation, kv } from '../../src/services/kv/index.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { bft2f } from '../cli/support.ts';
import {
  cleanUp,
  createClient,
  createCluster,
  startAll,
  type TestCluster,
  temporaryDirectory,
} from '../node/support.ts';
import { headOfReplicas, signHeader } from '../protocol/support.ts';
import { realCluster, tell, writeDirectory } from './support.ts';

afterEach(cleanUp);

/** Small enough that a few writes fill segments, which are then archived. */
const SHORT = { checkpointInterval: 4, watermarkWindow: 16 };

async function archivingCluster(): Promise<TestCluster> {
  const cluster = await createCluster(4, SHORT, { archive: true, smallLogBytes: 0 });
  await writeGenesisFile(join(cluster.directory, 'genesis.json'), cluster.genesis);
  await startAll(cluster);
  return cluster;
}

async function executedEverywhere(cluster: TestCluster): Promise<void> {
  const most = Math.max(...cluster.nodes.map((node) => node?.status().executed ?? 0));
  await Promise.all(cluster.nodes.map((_, i) => cluster.until(i, (status) => status.executed >= most)));
}

function auditOf(cluster: TestCluster, ...args: readonly string[]) {
  return bft2f(['audit', ...args, '--genesis', join(cluster.directory, 'genesis.json'), '--json']);
}

test('four replicas keep everything from the first batch on, through checkpoints, a change of view and a restart', async () => {
  const cluster = await archivingCluster();
  const client = createClient(cluster);
  for (let i = 0; i < 20; i++) await client.put(`key ${i}`, `value ${i}`);
  await cluster.stop(0);
  for (let i = 20; i < 30; i++) await client.put(`key ${i}`, `value ${i}`);
  await cluster.start(0);
  for (let i = 30; i < 34; i++) await client.put(`key ${i}`, `value ${i}`);
  await executedEverywhere(cluster);

  // While they run.
  const directories = [1, 2, 3].map((i) => join(cluster.directory, String(i)));
  const run = await auditOf(cluster, ...directories);
  const { outcome, archives, comparison } = JSON.parse(run.out);
  expect([run.code, outcome, archives.map((each: { findings: unknown }) => each.findings)]).toEqual([
    0,
    'clean',
    [[], [], []],
  ]);
  for (const each of archives) {
    expect(each.operations).toBe(34);
    expect(each.executed).toBe(each.committed);
    expect(each.checkpoints).toBeGreaterThan(4);
    expect(each.gaps).toEqual([]);
    expect(each.newViews).toBeGreaterThan(0);
  }
  expect(comparison).toEqual({ type: 'EQUAL_UP_TO', sequenceNumber: archives[0].committed });
  const { length } = await nodeFiles.list(join(cluster.directory, '1', 'archive'));
  expect(length).toBeGreaterThan(2);
});

test('all four are stopped and started again, twice: every archive holds from the first batch on', async () => {
  const cluster = await archivingCluster();
  for (let round = 0; round < 3; round++) {
    const client = createClient(cluster, 100 + round);
    for (let i = 0; i < 7; i++) await client.put(`key ${i}`, `round ${round}`);
    await executedEverywhere(cluster);
    for (let i = 0; i < 4; i++) await cluster.stop(i);
    if (round < 2) await startAll(cluster);
  }
  const run = await auditOf(cluster, ...[0, 1, 2, 3].map((i) => join(cluster.directory, String(i))));
  const { archives, comparison, evidence } = JSON.parse(run.out);
  for (const each of archives) {
    expect(each).toMatchObject({ findings: [], gaps: [], operations: 21 });
    expect(each.executed).toBe(each.committed);
  }
  expect(comparison.type).toBe('EQUAL_UP_TO');
  expect([run.code, evidence]).toEqual([0, []]);
});

test('a replica that took the state over says which batches it never saw', async () => {
  const cluster = await archivingCluster();
  const client = createClient(cluster);
  await client.put('before', '1');
  await executedEverywhere(cluster);
  await cluster.stop(3);
  for (let i = 0; i < 40; i++) await client.put(`key ${i}`, `value ${i}`);
  await cluster.start(3);
  await client.put('after', '1');
  await executedEverywhere(cluster);
  const outcome = await client.submit(encodeKvOperation(kv.put('head', '1')));
  if (outcome.type !== 'accepted') throw new Error(outcome.type);
  await client.put('above the head', '1');
  await executedEverywhere(cluster);
  for (let i = 0; i < 4; i++) await cluster.stop(i);

  const run = await auditOf(cluster, join(cluster.directory, '3'));
  const { archives } = JSON.parse(run.out);
  expect(archives[0]).toMatchObject({ findings: [], findingCount: 0 });
  const [gap] = archives[0].gaps;
  expect(gap.to).toBeGreaterThan(gap.after);
  expect(archives[0].committed).toBeGreaterThanOrEqual(gap.to);
  expect(archives[0].executed).toBe(gap.after);

  // From a head above the gap, the state comes from the snapshot that the replica took over or one of its own.
  const { head } = outcome.receipt;
  const context = { cluster: makeCluster(cluster.genesis, sodiumCrypto), crypto: sodiumCrypto };
  await writeFile(join(cluster.directory, 'kept.head'), formatHead(context, head));
  const from = await auditOf(
    cluster,
    join(cluster.directory, '3'),
    '--from',
    join(cluster.directory, 'kept.head'),
  );
  const [later] = JSON.parse(from.out).archives;
  expect(later).toMatchObject({ from: head.sequenceNumber, gaps: [], findings: [] });
  expect(later.committed).toBeGreaterThan(head.sequenceNumber);
  expect([from.code, later.notExecuted, later.executed]).toEqual([0, undefined, later.committed]);
});

test('the command names damage and guilt in words, writes the evidence, and ends with a code of its own for each', async () => {
  const directory = await temporaryDirectory();
  const at = (name: string) => join(directory, name);
  const four = realCluster('told');
  await writeGenesisFile(at('genesis.json'), four.context.cluster.genesis);
  const audit = (...args: readonly string[]) =>
    bft2f(['audit', ...args, '--genesis', at('genesis.json'), '--out', at('proof-')]);
  const story = { test: four, length: 6, isIdle: true };
  const ours = tell({ ...story, replica: 0, votersOf: () => [0, 2, 3] });
  const value = (s: number) => (s < 5 ? `value ${s}` : 'another one');
  const theirs = tell({ ...story, replica: 1, value, votersOf: () => [1, 2, 3] });
  const lie = { type: 'accepted', header: signHeader(four, 0, 5, new Uint8Array(32)) } as const;
  await writeDirectory(nodeFiles, at('a'), four, 0, ours.records);
  await writeDirectory(nodeFiles, at('b'), four, 1, theirs.records);
  await writeDirectory(nodeFiles, at('lie'), four, 0, [...ours.records, lie]);
  await writeDirectory(nodeFiles, at('damaged'), four, 0, ours.records);
  const bytes = await readFile(`${at('damaged')}/log/main-0000000001.log`);
  bytes[100]! ^= 1;
  await writeFile(`${at('damaged')}/log/main-0000000001.log`, bytes);

  const { context } = four;
  await writeFile(at('fourth.head'), formatHead(context, headOfReplicas(four, ours.contents[3]!, [0, 2, 3])));
  const later = await audit(at('a'), '--from', at('fourth.head'));
  expect([later.code, later.err]).toEqual([0, '']);
  expect(later.out).toContain('begun       at the head of batch 4');
  expect(later.out).toContain('batches 5 to 6 are certified');
  const fromJson = JSON.parse((await audit(at('a'), '--from', at('fourth.head'), '--json')).out);
  expect(fromJson.archives[0]).toMatchObject({ from: 4, committed: 6, executed: 0 });
  expect(fromJson.archives[0].notExecuted).toContain('leaves');
  await writeFile(
    at('foreign.head'),
    formatHead(context, headOfReplicas(four, theirs.contents[4]!, [1, 2, 3])),
  );
  const foreign = await audit(at('a'), '--from', at('foreign.head'));
  expect(foreign.code).toBe(13);
  expect(foreign.out).toContain('the commit certificate is of another history than the head');

  const clean = await audit(at('a'));
  expect([clean.code, clean.err]).toEqual([0, '']);
  expect(clean.out).toContain('batches 1 to 6 are certified, in views 0 to 0');
  expect(clean.out).toContain('everything holds');

  const damaged = await audit(at('damaged'));
  expect(damaged.code).toBe(15);
  expect(damaged.out).toContain(
    'batch 1: a record is damaged: its checksum does not match (main-0000000001.log, byte 48)',
  );

  const lied = await audit(at('lie'));
  expect(lied.code).toBe(16);
  expect(lied.out).toContain('Guilty: replica 0');

  const forked = await audit(at('a'), at('b'));
  expect(forked.code).toBe(13);
  expect(forked.out).toContain('FORK: the histories differ from batch 5 on');
  expect(forked.out).toContain(`evidence written to ${at('proof-1.evidence')}`);
  const verified = await bft2f([
    'evidence',
    'verify',
    at('proof-1.evidence'),
    '--genesis',
    at('genesis.json'),
  ]);
  expect(verified.code).toBe(0);

  const none = await audit(at('nowhere'));
  expect([none.code, none.out]).toEqual([2, '']);
  expect(none.err).toContain('is not a replica');
});
