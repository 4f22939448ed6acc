/**
 * Archives that are written record by record, as a replica writes them, by a cluster whose keys are all known: honest ones, ones whose
 * records were changed before they were written, and two that were told two histories.
 */

import {
  type Archive,
  type AuditOptions,
  type AuditReport,
  auditArchives,
  openArchive,
} from '../../src/auditor/index.ts';
import { encode } from '../../src/codec/index.ts';
import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { formatRecord } from '../../src/node/format-replica.ts';
import { snapshotMetaSchema } from '../../src/node/snapshot-meta.ts';
import { makeCluster } from '../../src/protocol/genesis.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import {
  createLedger,
  executeBatch,
  type LedgerSnapshot,
  snapshotLedger,
  windowChunks,
} from '../../src/protocol/ledger.ts';
import { type Batch, batchDigest } from '../../src/protocol/messages/batch.ts';
import type { EntryContent } from '../../src/protocol/messages/entry.ts';
import { logLeaf } from '../../src/protocol/messages/reply.ts';
import type { SessionNumber } from '../../src/protocol/messages/request.ts';
import {
  type DurableRecord,
  encodeRecord,
  isPromise,
  recordSequenceNumber,
} from '../../src/protocol/records.ts';
import { encodeKvOperation, kv, kvService } from '../../src/services/kv/index.ts';
import type { Chunk } from '../../src/services/service.ts';
import { formatDataDirectory } from '../../src/storage/data-directory.ts';
import { type FileLayer, replaceFile } from '../../src/storage/file-layer.ts';
import { openLog } from '../../src/storage/log.ts';
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/memory-files.ts';
import { openSnapshots } from '../../src/storage/snapshots.ts';
import { concatBytes } from '../../src/types/bytes.ts';
import {
  batchOf,
  checkpointCertificate,
  commitCertificate,
  makeTestCluster,
  prepareCertificate,
  signCheckpoint,
  signCommit,
  signHeader,
  signOpen,
  signRequest,
  type TestCluster,
} from '../protocol/support.ts';

export const K = 4;

export function kvCluster(name = 'test'): TestCluster {
  return makeTestCluster(4, {
    name,
    service: 'kv/1',
    limits: { checkpointInterval: K, watermarkWindow: 16 },
  });
}

/** The same under real keys; its clients have none. */
export function realCluster(name: string): TestCluster {
  const { genesis } = kvCluster(name).context.cluster;
  const signers = [1, 2, 3, 4].map((byte) => signerFromSeed(new Uint8Array(32).fill(byte)));
  const replicas = signers.map(({ publicKey }) => publicKey);
  const cluster = makeCluster({ ...genesis, replicas }, sodiumCrypto);
  return { context: { cluster, crypto: sodiumCrypto }, signers };
}

export interface Told {
  readonly records: readonly DurableRecord[];
  readonly contents: readonly EntryContent[];
  /** Of the checkpoints. */
  readonly snapshots: readonly Taken[];
}

interface Taken {
  readonly snapshot: LedgerSnapshot;
  readonly windowChunks: readonly Chunk[];
}

export interface Story {
  readonly test: TestCluster;
  /** Whose archive. */
  readonly replica: number;
  readonly length: number;
  /** What the batch at s puts; the same name gives the same batch. */
  readonly value?: (s: number) => string;
  /** Batches hold no requests, but differ in their times where the values do. */
  readonly isIdle?: boolean;
  readonly viewOf?: (s: number) => number;
  /** Who votes for what is committed at s. */
  readonly votersOf?: (s: number) => readonly number[];
}

/** All records of one replica's log, from the first batch on. */
export function tell(story: Story): Told {
  const { test, replica, length, value = (s) => `value ${s}`, viewOf = () => 0 } = story;
  const { context } = test;
  const votersOf = story.votersOf ?? (() => [0, 1, 2]);
  const ledger = createLedger(context, kvService(context.crypto.hash), memoryLeafStore());
  const records: DurableRecord[] = [];
  const contents: EntryContent[] = [];
  const snapshots: Taken[] = [];
  const session: SessionNumber = { sequenceNumber: 1, index: 0 };
  for (let s = 1; s <= length; s++) {
    const batch =
      story.isIdle === true
        ? batchOf(1000 * s + value(s).length)
        : batchAt(test, s, session, ledger.executed, value(s));
    const view = viewOf(s);
    const voters = votersOf(s);
    const digest = batchDigest(context.cluster, context.crypto, batch);
    const hcd = extendHashChain(context.crypto, ledger.executed.hashChainDigest, digest);
    const { entry } = executeBatch(ledger, batch, hcd);
    const backups = voters.filter((index) => index !== view % 4).slice(0, 2);
    records.push(
      { type: 'body', sequenceNumber: s, batch },
      { type: 'accepted', header: signHeader(test, view, s, digest) },
      {
        type: 'prepared',
        certificate: prepareCertificate(test, view, s, digest, backups),
        vote: signCommit(test, replica, view, s, hcd),
      },
      {
        type: 'committed',
        after: s - 1,
        links: [digest],
        certificate: commitCertificate(test, view, s, hcd, [...voters]),
      },
      { type: 'executed', view, ...entry },
    );
    contents.push(entry);
    if (s % K !== 0) continue;
    const snapshot = snapshotLedger(ledger);
    snapshots.push({ snapshot, windowChunks: windowChunks(ledger) });
    const { stateDigest, summary } = snapshot;
    const { sequenceNumber, hashChainDigest, logRoot } = entry;
    const content = { sequenceNumber, hashChainDigest, logRoot, stateDigest };
    records.push(
      { type: 'checkpointed', checkpoint: signCheckpoint(test, replica, content) },
      { type: 'stable', certificate: checkpointCertificate(test, content, [...voters]), summary },
    );
  }
  return { records, contents, snapshots };
}

/** The first batch opens a session, each other puts something in it. */
function batchAt(
  test: TestCluster,
  s: number,
  session: SessionNumber,
  seen: EntryContent,
  value: string,
): Batch {
  if (s === 1) return batchOf(1000, signOpen(test, 'client', 1));
  const operations = [encodeKvOperation(kv.put(`key ${s % 3}`, value)), encodeKvOperation(kv.get('key 0'))];
  return batchOf(1000 + s, signRequest(test, 'client', session, s, seen, operations));
}

export interface Written {
  readonly files: MemoryFiles;
  readonly directory: string;
}

/** Writes a data directory that holds these records, in memory; a new segment begins where `rotateAt` says so. */
export async function writeArchive(
  test: TestCluster,
  replica: number,
  records: readonly DurableRecord[],
  { rotateAt = () => false }: { readonly rotateAt?: (index: number) => boolean } = {},
): Promise<Written> {
  const files = createMemoryFiles();
  const directory = `data-${replica}`;
  await writeDirectory(files, directory, test, replica, records, rotateAt);
  return { files, directory };
}

export async function writeDirectory(
  files: FileLayer,
  directory: string,
  { context }: TestCluster,
  replica: number,
  records: readonly DurableRecord[],
  rotateAt: (index: number) => boolean = () => false,
): Promise<void> {
  await formatDataDirectory(files, directory, formatRecord(context.cluster.genesis, replica), 7);
  const { log } = await openLog(files, `${directory}/log`, { durability: 'memory' });
  for (const [i, record] of records.entries()) {
    if (rotateAt(i)) log.rotate();
    const payload = encodeRecord(record);
    log.append({
      kind: payload[0]!,
      sequenceNumber: recordSequenceNumber(record),
      payload,
      mirrored: isPromise(record),
    });
  }
  await log.close();
}

/** The file of leaves, as the replica that executed this history has it. */
export async function writeLeaves(
  { files, directory }: Written,
  test: TestCluster,
  { contents }: Told,
): Promise<void> {
  const leaves = contents.map((entry) =>
    logLeaf(test.context.crypto, entry.hashChainDigest, entry.repliesRoot),
  );
  await replaceFile(files, `${directory}/leaves`, concatBytes(...leaves));
}

/** The snapshot at s; `change` may alter its description. */
export async function writeSnapshot(
  { files, directory }: Written,
  test: TestCluster,
  { snapshots }: Told,
  s: number,
  change: (entry: EntryContent) => EntryContent = (entry) => entry,
): Promise<void> {
  const { snapshot, windowChunks } = snapshots[s / K - 1]!;
  const store = await openSnapshots(files, `${directory}/snapshots`, (bytes) =>
    test.context.crypto.hash(bytes),
  );
  const { summary, chunks } = snapshot;
  const meta = encode(snapshotMetaSchema, {
    entry: change(snapshot.entry),
    summary,
    windowChunks: windowChunks.length,
  });
  await store.writeSnapshot({ sequenceNumber: s, meta, chunks: [...chunks, ...windowChunks] });
}

export async function auditFiles(
  test: TestCluster,
  directories: readonly { readonly files: FileLayer; readonly directory: string }[],
  options: Partial<AuditOptions> = {},
): Promise<AuditReport> {
  const { cluster, crypto } = test.context;
  const archives: Archive[] = [];
  for (const { files, directory } of directories) archives.push(await openArchive(files, directory, cluster));
  const service = kvService(crypto.hash);
  return auditArchives({ genesis: cluster.genesis, crypto, archives, service, ...options });
}

/** Writes and audits in one step. */
export async function auditRecords(
  test: TestCluster,
  records: readonly DurableRecord[],
  replica = 0,
): Promise<AuditReport> {
  return auditFiles(test, [await writeArchive(test, replica, records)]);
}
