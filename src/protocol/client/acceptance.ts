/**
 * When a client accepts an answer (docs/protocol.md §3.10): a pure verifier of one reply, and what it means that two agree. Q replies that
 * pass and agree are accepted; f+1 are not enough, since with up to 2f faulty replicas only Q are sure to hold a correct one.
 */

import { verifyInclusion } from '../../crypto/merkle-tree.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import type { Evidence } from '../accountability/evidence.ts';
import type { Context } from '../context.ts';
import { type Entry, sameEntry } from '../messages/entry.ts';
import { type Reply, replyLeaf, resultsRootOf } from '../messages/reply.ts';
import { type ClientRequest, requestDigest } from '../messages/request.ts';
import { type EntryCache, verifyEntry } from './entry-cache.ts';
import { readSessionNumber } from './open.ts';

export type ReplyRefusal =
  | 'NOT_AWAITED'
  | 'WRONG_SIGNER'
  | 'NOT_AFTER_SEEN'
  | 'NOT_IN_REPLIES_ROOT'
  | 'RESULTS_TOO_LARGE'
  | 'WRONG_RESULTS'
  | 'BAD_SIGNATURE';

/** Who is asked and what is known; the cache saves signatures that were verified before. */
export interface Verification {
  readonly context: Context;
  readonly entries: EntryCache;
  readonly onEvidence: (evidence: Evidence) => void;
}

/**
 * Verifies one reply to `request` that came from replica `from`; the cheap checks first:
 *   a. it answers our request: its digest is ours;
 *   b. `from` itself is the signer, and its entry is of an s above the request's own `seen`;
 *   c. (request digest, status, results root) is the leaf that the path leads from to the entry's R;
 *   d. the results, if they are there, are as many as the operations, within the cluster's limit, and hash to their root;
 *   e. the entry's signature holds.
 * The value is the reply with its entry in its kept form.
 */
export function verifyReply(
  verification: Verification,
  request: ClientRequest,
  from: ReplicaIndex,
  reply: Reply,
): Result<Reply, ReplyRefusal> {
  const { cluster, crypto } = verification.context;
  if (!equalBytes(reply.requestDigest, requestDigest(cluster, crypto, request))) return fail('NOT_AWAITED');
  if (reply.entry.replica !== from) return fail('WRONG_SIGNER');
  if (reply.entry.sequenceNumber <= request.seen.sequenceNumber) return fail('NOT_AFTER_SEEN');
  if (!isUnderRepliesRoot(verification.context, reply, reply.entry)) return fail('NOT_IN_REPLIES_ROOT');
  if (reply.results !== undefined) {
    const refusal = rejectResults(verification.context, request, reply, reply.results);
    if (refusal !== undefined) return fail(refusal);
  }
  const entry = verifyEntry(verification.context, verification.entries, reply.entry, verification.onEvidence);
  return entry === undefined ? fail('BAD_SIGNATURE') : ok({ ...reply, entry });
}

/** Check c: the leaf of the reply leads to R. */
export function isUnderRepliesRoot(
  { crypto }: Context,
  reply: Pick<Reply, 'requestDigest' | 'status' | 'resultsRoot' | 'index' | 'size' | 'path'>,
  { repliesRoot }: Pick<Entry, 'repliesRoot'>,
): boolean {
  return verifyInclusion(crypto.hash, {
    leafHash: replyLeaf(crypto, reply.requestDigest, reply.status, reply.resultsRoot),
    index: reply.index,
    size: reply.size,
    path: reply.path,
    root: repliesRoot,
  });
}

/** Check d. An OPEN that made a session has one result: the session's number. What was not applied has none. */
export function rejectResults(
  { cluster, crypto }: Context,
  request: ClientRequest,
  { status, resultsRoot }: Pick<Reply, 'status' | 'resultsRoot'>,
  results: readonly Uint8Array[],
): ReplyRefusal | undefined {
  let bytes = 0;
  for (const result of results) bytes += result.length;
  if (bytes > Math.max(cluster.limits.resultBytesMax, SESSION_NUMBER_BYTES)) return 'RESULTS_TOO_LARGE';
  const expected = status !== 'OK' ? 0 : request.type === 'open' ? 1 : request.operations.length;
  if (results.length !== expected) return 'WRONG_RESULTS';
  if (status === 'OK' && request.type === 'open' && readSessionNumber(results) === undefined) {
    return 'WRONG_RESULTS';
  }
  return equalBytes(resultsRootOf(crypto, results), resultsRoot) ? undefined : 'WRONG_RESULTS';
}

/** A session number must pass even where the genesis configuration allows results of no bytes at all. */
const SESSION_NUMBER_BYTES = 12;

/**
 * Whether two verified replies to one request agree in everything but r, v and σ. Paths need no comparison: both lead from the same
 * leaf, at the same place, to the same R.
 */
export function repliesAgree(a: Reply, b: Reply): boolean {
  return (
    a.status === b.status &&
    equalBytes(a.resultsRoot, b.resultsRoot) &&
    a.index === b.index &&
    a.size === b.size &&
    sameEntry(a.entry, b.entry)
  );
}
