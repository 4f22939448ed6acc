/** The table of slots: where they come from, where bodies are found, and which s may have one. */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import { type Batch, batchBytes, batchDigest, NULL_BATCH } from '../messages/batch.ts';
import type { CommitCertificate } from '../messages/certificates.ts';
import type { Replica, Slot } from './state.ts';

/** The slot of s, made if it is not there. The caller has checked that s is within the window. */
export function slotOf(replica: Replica, sequenceNumber: SequenceNumber): Slot {
  let slot = replica.slots.get(sequenceNumber);
  if (slot === undefined) {
    slot = {
      sequenceNumber,
      header: undefined,
      accepted: false,
      fromNewView: false,
      bodies: new Map(),
      persistedBodies: new Set(),
      prepares: new Map(),
      commits: new Map(),
      prepared: undefined,
      ownVotes: new Map(),
    };
    replica.slots.set(sequenceNumber, slot);
  }
  return slot;
}

/** Why no slot is kept for s: below the stable checkpoint, or above committed+2W or h+M. */
export function rejectSequenceNumber(replica: Replica, s: SequenceNumber): string | undefined {
  const { pipelineWindow, watermarkWindow } = replica.context.cluster.limits;
  if (s <= replica.stable) return 'BELOW_WATERMARK';
  if (s > replica.committed + 2 * pipelineWindow) return 'ABOVE_WINDOW';
  if (s > replica.stable + watermarkWindow) return 'ABOVE_WATERMARK';
  return undefined;
}

export function isNullDigest(replica: Replica, digest: Digest): boolean {
  const { cluster, crypto } = replica.context;
  return equalBytes(digest, batchDigest(cluster, crypto, NULL_BATCH));
}

/** The body with this digest at s, if it is in memory. */
export function heldBody(replica: Replica, s: SequenceNumber, digest: Digest): Batch | undefined {
  if (isNullDigest(replica, digest)) return NULL_BATCH;
  const entry = replica.log.get(s);
  if (entry?.batch !== undefined && equalBytes(entry.batchDigest, digest)) return entry.batch;
  return replica.slots.get(s)?.bodies.get(keyOf(digest));
}

/** Whether this replica has the body with this digest at s, in memory or in its log's file. */
export function hasBody(replica: Replica, s: SequenceNumber, digest: Digest): boolean {
  const isWritten = replica.slots.get(s)?.persistedBodies.has(keyOf(digest)) ?? false;
  return isWritten || heldBody(replica, s, digest) !== undefined;
}

/** The body with this digest at s, read from the log if it is not in memory. One that turns out damaged is missing from then on. */
export function findBody(replica: Replica, s: SequenceNumber, digest: Digest): Batch | undefined {
  const held = heldBody(replica, s, digest);
  const slot = replica.slots.get(s);
  const key = keyOf(digest);
  if (held !== undefined || slot?.persistedBodies.has(key) !== true) return held;
  const { cluster, crypto } = replica.context;
  for (const batch of replica.bodies.read(s)) {
    if (equalBytes(batchDigest(cluster, crypto, batch), digest)) return batch;
  }
  slot.persistedBodies.delete(key);
  replica.gapsDirty = true;
  return undefined;
}

/** Enter: s was executed. Its body stays in memory for those who are a little behind, as long as there is room. */
export function keepExecutedBody(replica: Replica, s: SequenceNumber, batch: Batch): void {
  if (batch === NULL_BATCH) return;
  const bytes = batchBytes(batch);
  replica.executedBodies.set(s, bytes);
  replica.executedBodyBytes += bytes;
}

/**
 * Called first in every step, when all that earlier ones persisted is in the log: what is there may leave memory, the oldest first, until
 * the rest is within the limit.
 */
export function releaseBodies(replica: Replica): void {
  if (replica.executedBodyBytes <= replica.limits.bodyBytesMax) return;
  for (const [s, bytes] of replica.executedBodies) {
    const entry = replica.log.get(s)!;
    const slot = replica.slots.get(s);
    const key = keyOf(entry.batchDigest);
    // One that was fetched for what the log had recorded already is in no record: it stays.
    if (slot?.persistedBodies.has(key) !== true) continue;
    entry.batch = undefined;
    slot.bodies.delete(key);
    replica.executedBodies.delete(s);
    replica.executedBodyBytes -= bytes;
    if (replica.executedBodyBytes <= replica.limits.bodyBytesMax) return;
  }
}

/** Everything about the batches up to s goes. */
export function forgetBatches(replica: Replica, upTo: SequenceNumber): void {
  for (const s of replica.slots.keys()) if (s <= upTo) replica.slots.delete(s);
  for (const s of replica.unvoted) if (s <= upTo) replica.unvoted.delete(s);
  for (const s of replica.log.keys()) if (s <= upTo) replica.log.delete(s);
  for (const [s, bytes] of replica.executedBodies) {
    if (s > upTo) continue;
    replica.executedBodies.delete(s);
    replica.executedBodyBytes -= bytes;
  }
  replica.logFloor = upTo;
}

/** Puts the batches after s = `after` into the log under the certificate; `chain` is HCD after each link. Those that are there stay. */
export function logLinks(
  replica: Replica,
  after: SequenceNumber,
  links: readonly Digest[],
  chain: readonly Digest[],
  certificate: CommitCertificate,
): void {
  for (const [i, batchDigest] of links.entries()) {
    const s = after + 1 + i;
    if (replica.log.has(s)) continue;
    replica.log.set(s, {
      batchDigest,
      hashChainDigest: chain[i]!,
      certificate,
      batch: heldBody(replica, s, batchDigest),
      executed: undefined,
      executedView: replica.view,
    });
  }
}

/** HCD^s where this replica knows it: committed, executed within the chain window, or genesis. */
export function hashChainDigestAt(replica: Replica, s: SequenceNumber): Digest | undefined {
  if (s === 0) return replica.context.cluster.id;
  if (s === replica.committed) return replica.committedDigest;
  return replica.log.get(s)?.hashChainDigest ?? replica.ledger.window.get(s)?.hashChainDigest;
}

/** What was held for its time and is committed meanwhile needs no judgement of its time any more. */
export function forgetHeldProposals(replica: Replica): void {
  for (const s of replica.heldProposals) if (s <= replica.committed) replica.heldProposals.delete(s);
}
