/** What replicas answer clients: REPLY, READ-REPLY and BUSY, and what clients ask beside requests: READ, GET-RESULT. */

import {
  bytes,
  choice,
  fixed,
  list,
  optional,
  struct,
  type TypeOf,
  u8,
  u32,
  u53,
} from '../../codec/index.ts';
import { leafHash, rootOf } from '../../crypto/merkle-tree.ts';
import type { Crypto } from '../../crypto/port.ts';
import { concatBytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import { CAPS } from './caps.ts';
import { entrySchema } from './entry.ts';
import { seenSchema } from './request.ts';

/**
 * How a request was judged when its batch was executed. Every status but OK means that it was not applied.
 * NO-SESSION: the session is unknown or evicted. FORKED: `seen` is not on this chain. GAP: `seen` is older than the session's last
 * applied request. STALE: `seen` is older than the chain window. FULL: no room for a session. DENIED: the key is not listed.
 */
export const STATUSES = ['OK', 'NO-SESSION', 'FORKED', 'GAP', 'STALE', 'FULL', 'DENIED'] as const;
export type Status = (typeof STATUSES)[number];
export const statusSchema = choice(STATUSES);

/** Results longer than this in total travel from one designated replica; the others send their root. */
export const FULL_RESULT_BYTES_MAX = 1024;

export const resultsSchema = list(bytes(CAPS.resultBytes), CAPS.operationsPerRequest);

/** What every replica agrees on about one answered request; with Q entries over it, a transferable receipt. */
export const replySchema = struct({
  requestDigest: fixed(32),
  status: statusSchema,
  /** RFC 6962 root over the results. */
  resultsRoot: fixed(32),
  /** Undefined where only the hash was sent. */
  results: optional(resultsSchema),
  /** Which leaf of R this reply is, of how many. */
  index: u32,
  size: u32,
  /** From the leaf to R. */
  path: list(fixed(32), CAPS.path),
  entry: entrySchema,
});
export type Reply = TypeOf<typeof replySchema>;

/** ⟨READ, nonce, op, seen⟩: authenticated by the connection. */
export const readSchema = struct({
  nonce: fixed(32),
  operation: bytes(CAPS.operationBytes),
  seen: seenSchema,
  /** Answer exactly from the state after this batch; undefined: from the newest. */
  at: optional(u53),
  /** The replica that sends a long result in full; the others send its hash. */
  designated: u8,
});
export type Read = TypeOf<typeof readSchema>;

export const readReplySchema = struct({
  nonce: fixed(32),
  status: choice(['OK', 'FORKED', 'STALE']),
  result: optional(bytes(CAPS.resultBytes)),
  /** H(result). */
  resultDigest: fixed(32),
  /** The existing executed entry of the state that answered. */
  entry: entrySchema,
});
export type ReadReply = TypeOf<typeof readReplySchema>;

/** Refused for now; not an outcome. `reference` is the request's digest or the read's nonce. */
export const busySchema = struct({ reference: fixed(32), retryAfterMs: u32 });

/** Asks one replica for the results in full. */
export const getResultSchema = struct({ requestDigest: fixed(32) });

const STATUS_BYTES = new Map<Status, number>(STATUSES.map((status, index) => [status, index]));

/** The leaf hash in R of one reply. */
export function replyLeaf(
  crypto: Pick<Crypto, 'hash'>,
  requestDigest: Digest,
  status: Status,
  resultsRoot: Digest,
): Digest {
  return leafHash(
    crypto.hash,
    concatBytes(requestDigest, Uint8Array.of(STATUS_BYTES.get(status)!), resultsRoot),
  );
}

/** The root over a request's results. */
export function resultsRootOf(crypto: Pick<Crypto, 'hash'>, results: readonly Uint8Array[]): Digest {
  return rootOf(crypto.hash, results);
}

/** The leaf data of L: HCD^i ‖ R^i. */
export function logLeaf(crypto: Pick<Crypto, 'hash'>, hashChainDigest: Digest, repliesRoot: Digest): Digest {
  return leafHash(crypto.hash, concatBytes(hashChainDigest, repliesRoot));
}
