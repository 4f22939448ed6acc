/**
 * What a replica starts from: the log, the newest whole snapshot, and the leaves that belong to it. Damage is judged here: what peers can
 * give again is left out, a promise that is lost makes the replica a learner.
 */

import { decode } from '../codec/index.ts';
import { createLogTree } from '../crypto/log-tree.ts';
import type { Crypto } from '../crypto/port.ts';
import type { Context } from '../protocol/context.ts';
import { manifestRootOf } from '../protocol/ledger.ts';
import { BODY_TAG, recordSchema } from '../protocol/records.ts';
import type { BodyStore } from '../protocol/replica/body-store.ts';
import type { Recovered, RecoveredSnapshot } from '../protocol/replica/index.ts';
import type { DataDirectory } from '../storage/data-directory.ts';
import type { FileLayer } from '../storage/file-layer.ts';
import { type LeafFile, openLeafFile } from '../storage/leaf-file.ts';
import { type Log, openLog } from '../storage/log.ts';
import type { LogRecord } from '../storage/log-record.ts';
import { openSnapshots, type SnapshotStore } from '../storage/snapshots.ts';
import { StorageError } from '../storage/storage-error.ts';
import { equalBytes } from '../types/bytes.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { NodeLogger } from './logging.ts';
import type { Durability } from './replica-config.ts';
import { snapshotMetaSchema } from './snapshot-meta.ts';

/** A replica's open files, and what they held. */
export interface Opened {
  readonly log: Log;
  readonly leaves: LeafFile;
  readonly snapshots: SnapshotStore;
  readonly recovered: Recovered;
}

export interface RecoverOptions {
  readonly files: FileLayer;
  readonly directory: DataDirectory;
  readonly context: Context;
  readonly durability: Durability;
  /** Whether the log is kept for ever. */
  readonly archive: boolean;
  readonly logger: NodeLogger;
  /** Called with each thing that is open, so that it is closed if a later one cannot be opened. */
  readonly onOpened: (close: () => Promise<void>) => void;
}

/** @throws StorageError */
export async function recoverFromDisk(options: RecoverOptions): Promise<Opened> {
  const { files, directory, context, durability, archive, logger, onOpened } = options;
  const { hash } = context.crypto;
  if (archive) await files.makeDirectory(directory.archiveDirectory);
  const opened = await openLog(files, directory.logDirectory, {
    durability,
    readable: BODY_TAG,
    archiveDirectory: archive ? directory.archiveDirectory : undefined,
  });
  onOpened(() => opened.log.close());
  const { damage, tornBytes } = opened.recovered;
  for (const piece of damage) {
    const text = piece.repaired ? 'damaged log record, repaired from its copy' : 'damaged log record';
    logger.warn({ event: 'logDamage', ...piece }, text);
  }
  if (tornBytes > 0)
    logger.info({ event: 'tornTail', bytes: tornBytes }, 'interrupted write cut from the log');
  const folded = decodeRecords(opened.recovered.records, logger);
  const snapshots = await openSnapshots(files, directory.snapshotDirectory, (bytes) => hash(bytes));
  const leaves = await openLeafFile(files, directory.leafPath);
  onOpened(() => leaves.close());
  const snapshot = await newestWholeSnapshot(snapshots, leaves, context, logger);
  // Later leaves come again with the batches that are executed again.
  leaves.truncate(snapshot?.sequenceNumber ?? 0);
  return {
    log: opened.log,
    leaves,
    snapshots,
    recovered: {
      snapshot,
      records: folded.records,
      bodies: bodiesIn(opened.log),
      promisesLost: folded.promisesLost || damage.some((piece) => piece.promiseLost),
      receivedChunks: await snapshots.receivedChunks(),
    },
  };
}

function decodeRecords(
  stored: readonly LogRecord[],
  logger: NodeLogger,
): Pick<Recovered, 'promisesLost' | 'records'> {
  const records: Recovered['records'][number][] = [];
  let promisesLost = false;
  for (const { kind, sequenceNumber, payload, mirrored } of stored) {
    const decoded = decode(recordSchema, payload);
    if (decoded.ok) {
      if (decoded.value.type !== 'body') records.push(decoded.value);
      continue;
    }
    promisesLost ||= mirrored;
    const { reason } = decoded.error;
    logger.warn({ event: 'logDamage', kind, sequenceNumber, mirrored, reason }, 'log record cannot be read');
  }
  return { records, promisesLost };
}

/** A record that does not decode is one that is damaged: peers have the body. */
function bodiesIn(log: Log): BodyStore {
  return {
    sequenceNumbers: () => log.readableSequenceNumbers(),
    *read(s) {
      for (const payload of log.read(s)) {
        const decoded = decode(recordSchema, payload);
        if (decoded.ok && decoded.value.type === 'body') yield decoded.value.batch;
      }
    },
  };
}

/** An older one than the newest is as good: the log or the peers lead on from it. */
async function newestWholeSnapshot(
  snapshots: SnapshotStore,
  leaves: LeafFile,
  context: Context,
  logger: NodeLogger,
): Promise<RecoveredSnapshot | undefined> {
  for (const sequenceNumber of (await snapshots.listSnapshots()).reverse()) {
    try {
      const snapshot = await readSnapshot(snapshots, sequenceNumber, context);
      checkLeaves(context.crypto, leaves, snapshot);
      return snapshot;
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'CORRUPT') throw error;
      logger.warn({ event: 'snapshotDamage', sequenceNumber, reason: error.message }, 'damaged snapshot');
    }
  }
  return undefined;
}

/** Whole, and as its own description says; who vouches for that is another matter. @throws StorageError CORRUPT */
export async function readSnapshot(
  snapshots: Pick<SnapshotStore, 'readSnapshot'>,
  sequenceNumber: SequenceNumber,
  context: Context,
): Promise<RecoveredSnapshot> {
  const stored = await snapshots.readSnapshot(sequenceNumber);
  const meta = stored === undefined ? undefined : decode(snapshotMetaSchema, stored.meta);
  if (stored === undefined || meta === undefined || !meta.ok) {
    throw new StorageError('CORRUPT', `snapshot ${sequenceNumber} has no legible description.`);
  }
  const { entry, summary, windowChunks } = meta.value;
  const stateChunks = stored.chunkDigests.length - windowChunks;
  const root = manifestRootOf(context, stored.chunkDigests.slice(0, Math.max(0, stateChunks)));
  if (
    entry.sequenceNumber !== sequenceNumber ||
    stateChunks !== summary.chunks ||
    !equalBytes(root, summary.manifestRoot)
  ) {
    throw new StorageError('CORRUPT', `snapshot ${sequenceNumber} does not fit its description.`);
  }
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < stored.chunkDigests.length; i++) chunks.push(await stored.readChunk(i));
  return {
    sequenceNumber,
    entry,
    summary,
    chunks: chunks.slice(0, stateChunks),
    windowChunks: chunks.slice(stateChunks),
  };
}

/** The leaf file has no checksums: the log root of the snapshot's entry says what its beginning must be. @throws StorageError CORRUPT */
function checkLeaves(crypto: Crypto, leaves: LeafFile, { sequenceNumber, entry }: RecoveredSnapshot): void {
  const isLongEnough = leaves.size >= sequenceNumber;
  const beginning = {
    size: sequenceNumber,
    read: (index: number) => leaves.read(index),
    append: () => undefined,
    truncate: () => undefined,
  };
  if (isLongEnough && equalBytes(createLogTree(crypto.hash, beginning).root(), entry.logRoot)) return;
  throw new StorageError('CORRUPT', `the file of leaves does not lead to snapshot ${sequenceNumber}.`);
}
