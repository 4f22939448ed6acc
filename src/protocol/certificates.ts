/**
 * When a certificate proves what it says. Each function answers the first thing that is wrong, or undefined. None needs a replica's
 * state: a certificate verifies itself, whoever brings it. Certificates hold exactly the votes needed, in ascending order of signer, so
 * that a longer one costs nobody anything.
 */

import { keyOf } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import { type Context, signedBy } from './context.ts';
import { primaryOf } from './genesis.ts';
import type { Batch } from './messages/batch.ts';
import { batchBytes, batchDigest } from './messages/batch.ts';
import type {
  CheckpointCertificate,
  CommitCertificate,
  PreparedCertificate,
  Vote,
} from './messages/certificates.ts';
import { checkpointStatement } from './messages/checkpoint.ts';
import { entryStatement, type Head } from './messages/entry.ts';
import {
  commitStatement,
  type Header,
  headerStatement,
  type PrePrepareMessage,
  prepareStatement,
} from './messages/ordering.ts';
import type { ClientRequest } from './messages/request.ts';
import { rejectRequestForm, requestDigest, requestStatement } from './messages/request.ts';
import type { Suspect } from './messages/view-change.ts';
import { suspectStatement } from './messages/view-change.ts';

export type CertificateError =
  | 'WRONG_VOTE_COUNT'
  | 'SIGNERS_NOT_ASCENDING'
  | 'PRIMARY_AMONG_BACKUPS'
  | 'BAD_SIGNATURE'
  | 'BAD_HEADER_SIGNATURE';

/** Exactly `count` signers, strictly ascending, so all different. */
function rejectSigners(
  votes: readonly { readonly replica: ReplicaIndex }[],
  count: number,
): CertificateError | undefined {
  if (votes.length !== count) return 'WRONG_VOTE_COUNT';
  for (let i = 1; i < votes.length; i++) {
    if (votes[i]!.replica <= votes[i - 1]!.replica) return 'SIGNERS_NOT_ASCENDING';
  }
  return undefined;
}

function rejectSignatures(
  context: Context,
  votes: readonly Vote[],
  statement: Uint8Array,
): CertificateError | undefined {
  return votes.every((vote) => signedBy(context, vote.replica, statement, vote.signature))
    ? undefined
    : 'BAD_SIGNATURE';
}

/** The signature of primary(v) over the header. */
export function isHeaderSigned(context: Context, header: Header): boolean {
  return signedBy(
    context,
    primaryOf(context.cluster, header.view),
    headerStatement(context.cluster, header),
    header.signature,
  );
}

/** Prepared(v, s, D), PBFT §4.2: the header and Q−1 PREPAREs of different backups. */
export function rejectPreparedCertificate(
  context: Context,
  certificate: PreparedCertificate,
): CertificateError | undefined {
  const { header, prepares } = certificate;
  const primary = primaryOf(context.cluster, header.view);
  const signers = rejectSigners(prepares, context.cluster.thresholds.quorumSize - 1);
  if (signers !== undefined) return signers;
  if (prepares.some((vote) => vote.replica === primary)) return 'PRIMARY_AMONG_BACKUPS';
  if (!isHeaderSigned(context, header)) return 'BAD_HEADER_SIGNATURE';
  return rejectSignatures(context, prepares, prepareStatement(context.cluster, header));
}

/** Committed(s): Q commit votes with one (v, s, HCD^s). */
export function rejectCommitCertificate(
  context: Context,
  certificate: CommitCertificate,
): CertificateError | undefined {
  return (
    rejectSigners(certificate.votes, context.cluster.thresholds.quorumSize) ??
    rejectSignatures(context, certificate.votes, commitStatement(context.cluster, certificate))
  );
}

/** A stable checkpoint: Q equal CHECKPOINTs. */
export function rejectCheckpointCertificate(
  context: Context,
  certificate: CheckpointCertificate,
): CertificateError | undefined {
  return (
    rejectSigners(certificate.votes, context.cluster.thresholds.quorumSize) ??
    rejectSignatures(context, certificate.votes, checkpointStatement(context.cluster, certificate))
  );
}

/** A head: Q executed entries of one content; each signer's view is its own. */
export function rejectHead(context: Context, head: Head): CertificateError | undefined {
  return (
    rejectSigners(head.votes, context.cluster.thresholds.quorumSize) ??
    (head.votes.every((vote) =>
      signedBy(
        context,
        vote.replica,
        entryStatement(context.cluster, { ...head, view: vote.view }),
        vote.signature,
      ),
    )
      ? undefined
      : 'BAD_SIGNATURE')
  );
}

export function isSuspectSigned(context: Context, suspect: Suspect): boolean {
  return signedBy(context, suspect.replica, suspectStatement(context.cluster, suspect), suspect.signature);
}

/** Q SUSPECTs of different replicas for views ≥ `view`: the view was rightly abandoned. */
export function justifiesLeaving(context: Context, suspects: readonly Suspect[], view: number): boolean {
  const signers = new Set<ReplicaIndex>();
  for (const suspect of suspects) {
    if (suspect.view >= view && !signers.has(suspect.replica) && isSuspectSigned(context, suspect)) {
      signers.add(suspect.replica);
    }
  }
  return signers.size >= context.cluster.thresholds.quorumSize;
}

export function isRequestSigned(context: Context, request: ClientRequest): boolean {
  return context.crypto.verify(
    request.client,
    requestStatement(context.cluster, context.crypto, request),
    request.signature,
  );
}

export type BatchError =
  | 'BATCH_TOO_LARGE'
  | 'TOO_MANY_REQUESTS'
  | 'MALFORMED_REQUEST'
  | 'DUPLICATE_REQUEST'
  | 'BAD_REQUEST_SIGNATURE';

/**
 * The static facts about a body (docs/protocol.md §3.4): limits, form, signatures, none twice. Session, timestamp, rights and
 * `seen` are judged at execution, where all replicas judge alike.
 */
export function rejectBatch(context: Context, batch: Batch): BatchError | undefined {
  const { cluster, crypto } = context;
  if (batch.requests.length > cluster.limits.requestsPerBatchMax) return 'TOO_MANY_REQUESTS';
  if (batchBytes(batch) > cluster.limits.batchBytesMax) return 'BATCH_TOO_LARGE';
  const seen = new Set<string>();
  for (const request of batch.requests) {
    if (rejectRequestForm(cluster, request) !== undefined) return 'MALFORMED_REQUEST';
    const key = keyOf(requestDigest(cluster, crypto, request));
    if (seen.has(key)) return 'DUPLICATE_REQUEST';
    seen.add(key);
  }
  return batch.requests.every((request) => isRequestSigned(context, request))
    ? undefined
    : 'BAD_REQUEST_SIGNATURE';
}

/** Whether `message.batch`, if it is there, is the body that the header names. */
export function isBodyOf(context: Context, message: PrePrepareMessage): boolean {
  return (
    message.batch === undefined ||
    keyOf(batchDigest(context.cluster, context.crypto, message.batch)) === keyOf(message.header.batchDigest)
  );
}
