/**
 * The state at a trusted head, from which an audit executes on: the newest snapshot at or below it that a stable checkpoint of the archive certifies,
 * and the batches from there to the head executed again. What comes out must be the head's entry, so nothing on the way need be believed.
 */

import { readSnapshot } from '../node/recover.ts';
import { rejectCheckpointCertificate, rejectCommitCertificate } from '../protocol/certificates.ts';
import type { Context } from '../protocol/context.ts';
import {
  createLedger,
  type Ledger,
  readWindowChunks,
  restoreLedger,
  snapshotLedger,
  stateDigestOf,
  type WindowEntry,
} from '../protocol/ledger.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import { type EntryContent, type Head, sameEntry } from '../protocol/messages/entry.ts';
import { logLeaf } from '../protocol/messages/reply.ts';
import type { DurableRecord } from '../protocol/records.ts';
import type { RecoveredSnapshot } from '../protocol/replica/index.ts';
import type { ServiceFactory } from '../services/service.ts';
import { snapshotReader } from '../storage/snapshots.ts';
import { isStorageError } from '../storage/storage-error.ts';
import { equalBytes } from '../types/bytes.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { Archive } from './archive.ts';
import { createHistory, extendHistory } from './history.ts';
import type { Leaves } from './leaves.ts';
import { createReplay, offerBody, offerCommitted, takeNext } from './replay.ts';

/**
 * Precondition: the leaves lead to the head. Answers in words why there is no state, if there is none.
 *
 * @throws StorageError if the archive cannot be read
 */
export async function stateAt(
  context: Context,
  archive: Archive,
  head: Head,
  service: ServiceFactory,
  leaves: Leaves,
): Promise<Ledger | string> {
  const snapshots = snapshotReader(archive.files, `${archive.directory}/snapshots`, context.crypto.hash);
  const numbers = (await snapshots.listSnapshots()).filter((at) => at <= head.sequenceNumber);
  if (numbers.length === 0) return 'the data directory has no snapshot at or below the head';
  const certificates = await certificatesOf(context, archive, new Set(numbers));
  let reason = 'no stable checkpoint in the archive certifies a snapshot at or below the head';
  for (const at of numbers.sort((a, b) => b - a)) {
    const certificate = certificates.get(at);
    if (certificate === undefined) continue;
    try {
      const snapshot = await readSnapshot(snapshots, at, context);
      const ledger = restore(context, service, certificate, snapshot, leaves);
      if (typeof ledger === 'string') reason = `the snapshot of batch ${at} cannot be used: ${ledger}`;
      else if (await executeUpTo(context, archive, ledger, head)) return ledger;
      else reason = `executing batches from the snapshot of batch ${at} on does not lead to the head`;
    } catch (error) {
      if (isStorageError(error, 'IO')) throw error;
      reason = `the snapshot of batch ${at} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return reason;
}

/** Of the stable checkpoints at these places those whose signatures hold. */
async function certificatesOf(
  context: Context,
  archive: Archive,
  wanted: ReadonlySet<SequenceNumber>,
): Promise<ReadonlyMap<SequenceNumber, CheckpointCertificate>> {
  const found = new Map<SequenceNumber, CheckpointCertificate>();
  for await (const record of recordsOf(archive)) {
    if (record.type !== 'stable') continue;
    const { certificate } = record;
    const at = certificate.sequenceNumber;
    if (!wanted.has(at) || found.has(at)) continue;
    if (rejectCheckpointCertificate(context, certificate) === undefined) found.set(at, certificate);
    if (found.size === wanted.size) break;
  }
  return found;
}

/** @throws Error if the service or the session table refuses the chunks */
function restore(
  context: Context,
  service: ServiceFactory,
  certificate: CheckpointCertificate,
  snapshot: RecoveredSnapshot,
  leaves: Leaves,
): Ledger | string {
  const { sequenceNumber: s, entry, summary, chunks, windowChunks } = snapshot;
  const isCertified =
    equalBytes(entry.hashChainDigest, certificate.hashChainDigest) &&
    equalBytes(entry.logRoot, certificate.logRoot) &&
    equalBytes(stateDigestOf(context, s, summary), certificate.stateDigest);
  if (!isCertified) return 'it is not what the stable checkpoint certifies';
  const window = readWindowChunks(windowChunks);
  if (!isOfLeaves(context, leaves, entry, window)) return 'its chain window is not of this history';
  const ledger = createLedger(context, service, leaves.upTo(s).store);
  restoreLedger(ledger, service, entry, summary, chunks, window);
  const { stateDigest } = snapshotLedger(ledger);
  return equalBytes(stateDigest, certificate.stateDigest)
    ? ledger
    : 'it restores to another state than it was taken of';
}

/** No signature covers R and the chain window of a snapshot; the leaves, which lead to the head, do. */
function isOfLeaves(
  { cluster, crypto }: Context,
  { store }: Leaves,
  entry: EntryContent,
  window: ReadonlyMap<SequenceNumber, WindowEntry>,
): boolean {
  const s = entry.sequenceNumber;
  const size = Math.min(s, cluster.limits.chainWindow);
  const isLeaf = (at: SequenceNumber, { hashChainDigest, repliesRoot }: WindowEntry): boolean =>
    at > s - size && at <= s && equalBytes(logLeaf(crypto, hashChainDigest, repliesRoot), store.read(at - 1));
  return window.size === size && isLeaf(s, entry) && [...window].every(([at, each]) => isLeaf(at, each));
}

/** Executes what the archive holds up to the head; answers whether that gives the head's entry. @throws whatever the service throws */
async function executeUpTo(context: Context, archive: Archive, ledger: Ledger, head: Head): Promise<boolean> {
  const from = ledger.executed;
  const to = head.sequenceNumber;
  const history = createHistory(context, from);
  const replay = createReplay(context, ledger, from.sequenceNumber);
  if (from.sequenceNumber === to) return sameEntry(from, head);
  for await (const record of recordsOf(archive)) {
    if (record.type === 'body' && record.sequenceNumber <= to) {
      offerBody(replay, record.sequenceNumber, record.batch);
    } else if (record.type === 'committed' && history.committed.sequenceNumber < to) {
      if (rejectCommitCertificate(context, record.certificate) !== undefined) continue;
      const { batches, gap } = extendHistory(context, history, record);
      if (gap !== undefined) return false;
      const wanted = batches.filter(({ sequenceNumber }) => sequenceNumber <= to);
      if (!offerCommitted(replay, wanted)) return false;
    }
    while (takeNext(replay) !== undefined);
    if (replay.reached === to) return sameEntry(ledger.executed, head);
  }
  return false;
}

async function* recordsOf(archive: Archive): AsyncGenerator<DurableRecord, void> {
  for await (const items of archive.items()) {
    for (const item of items) if (item.type === 'record') yield item.record;
  }
}
