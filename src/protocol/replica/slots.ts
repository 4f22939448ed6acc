/** The table of slots: where they come from, where bodies are found, and which s may have one. */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import { type Batch, batchDigest, NULL_BATCH } from '../messages/batch.ts';
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

/** The body with this digest, if this replica holds it at s. */
export function findBody(replica: Replica, s: SequenceNumber, digest: Digest): Batch | undefined {
  if (isNullDigest(replica, digest)) return NULL_BATCH;
  const entry = replica.log.get(s);
  if (entry?.batch !== undefined && equalBytes(entry.batchDigest, digest)) return entry.batch;
  return replica.slots.get(s)?.bodies.get(keyOf(digest));
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
      batch: findBody(replica, s, batchDigest),
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
