/**
 * FETCH and FETCHED: everything large is pulled, from one peer at a time, and verifies itself on arrival. An answer that does not is charged
 * to the peer that gave it.
 */

import { bytes, fixed, list, optional, struct, type TypeOf, u32, u53, union } from '../../codec/index.ts';
import { batchSchema } from './batch.ts';
import { CAPS } from './caps.ts';
import { checkpointCertificateSchema, commitCertificateSchema } from './certificates.ts';
import { entrySchema, headSchema } from './entry.ts';
import { commitSchema, headerSchema, prepareSchema } from './ordering.ts';
import { newViewSchema, suspectSchema } from './view-change.ts';

/** Bodies asked for at once. */
export const BODIES_PER_FETCH = 64;
/** Leaves, window entries or chunk digests in one answer: so many, or all that were asked. Fewer is no answer. */
export const ITEMS_PER_FETCH = 8_192;
/** Bytes of an answer beyond which no further item is added to it. */
export const FETCHED_BYTES_MAX = 1024 * 1024;

/** What is asked for. */
export const wantSchema = union('type', {
  /** The header that a voter accepted at (v, s). */
  header: [1, struct({ view: u53, sequenceNumber: u53 })],
  /** Bodies by s and D(β). */
  bodies: [
    2,
    struct({ bodies: list(struct({ sequenceNumber: u53, batchDigest: fixed(32) }), BODIES_PER_FETCH, 1) }),
  ],
  /** D_{after+1} … up to ONE commit certificate. */
  links: [3, struct({ after: u53 })],
  /** The NEW-VIEW of the view. */
  'new-view': [4, struct({ view: u53 })],
  /** The newest stable checkpoint and what a transfer to it begins with. */
  stable: [5, struct({})],
  /** An RFC 6962 consistency proof between two sizes of the log. */
  proof: [6, struct({ from: u53, to: u53 })],
  /** Leaf hashes with indices from ≤ i < to (0-based). */
  leaves: [7, struct({ from: u53, to: u53 })],
  /** (HCD, R) of the sequence numbers from < s ≤ to. */
  window: [8, struct({ from: u53, to: u53 })],
  /** The digests of the chunks of the snapshot at s, from index `from`. */
  manifest: [9, struct({ sequenceNumber: u53, from: u32 })],
  chunk: [10, struct({ sequenceNumber: u53, index: u32 })],
  /** A head: Q entries of the newest s the replier has them for. */
  head: [11, struct({})],
  /** What the asker has signed and may have forgotten: the proof of the claim that STATUS makes in `yours`. */
  promises: [12, struct({})],
});
export type Want = TypeOf<typeof wantSchema>;

export const fetchSchema = struct({ number: u53, want: wantSchema });

/** What Σ hashes: the parts of the replicated state. */
export const stateSummarySchema = struct({
  /** The effective time of the last batch. */
  timeMs: u53,
  /** RFC 6962 root over the chunk digests of sessions and service, in this order. */
  manifestRoot: fixed(32),
  /** How many chunks there are, and how many of them are the session table's. */
  chunks: u32,
  sessionChunks: u32,
  sessionsDigest: fixed(32),
  serviceDigest: fixed(32),
});
export type StateSummary = TypeOf<typeof stateSummarySchema>;

/** A stable checkpoint, the commit certificate at its s, and the parts of its Σ. */
export const stableSchema = struct({
  checkpoint: checkpointCertificateSchema,
  summary: stateSummarySchema,
});
export type Stable = TypeOf<typeof stableSchema>;

/** One replica's newest statements of each kind. */
export const promisesSchema = struct({
  prepare: optional(prepareSchema),
  commit: optional(commitSchema),
  entry: optional(entrySchema),
  suspect: optional(suspectSchema),
});
export type Promises = TypeOf<typeof promisesSchema>;

export const payloadSchema = union('type', {
  header: [1, struct({ header: headerSchema })],
  bodies: [2, struct({ batches: list(batchSchema, BODIES_PER_FETCH) })],
  links: [
    3,
    struct({
      after: u53,
      links: list(fixed(32), CAPS.links, 1),
      /** At after + links.length. */
      certificate: commitCertificateSchema,
    }),
  ],
  'new-view': [4, struct({ newView: newViewSchema })],
  stable: [5, stableSchema],
  /** With the replier's own root at `from`, which RFC 6962 leaves out of some paths: another one than the asker's shows a fork. */
  proof: [6, struct({ from: u53, to: u53, root: fixed(32), path: list(fixed(32), CAPS.consistencyPath) })],
  leaves: [7, struct({ from: u53, leaves: list(fixed(32), CAPS.links, 1) })],
  window: [
    8,
    struct({
      from: u53,
      entries: list(struct({ hashChainDigest: fixed(32), repliesRoot: fixed(32) }), CAPS.links, 1),
    }),
  ],
  manifest: [9, struct({ sequenceNumber: u53, from: u32, digests: list(fixed(32), CAPS.links, 1) })],
  chunk: [10, struct({ sequenceNumber: u53, index: u32, bytes: bytes(CAPS.chunkBytes) })],
  head: [11, struct({ head: headSchema })],
  /** The newest statements of the asker that the replier holds. */
  promises: [12, promisesSchema],
  'not-here': [13, struct({})],
  /** The log begins above what was asked: a transfer to `stable` is needed. */
  'too-old': [14, struct({ stable: u53 })],
});
export type Payload = TypeOf<typeof payloadSchema>;

export const fetchedSchema = struct({ number: u53, payload: payloadSchema });
