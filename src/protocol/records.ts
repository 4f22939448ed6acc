/**
 * The log's records: what a replica must not forget (docs/protocol.md §7, table "Records"). Each is durable before the
 * message that it stands behind leaves. Folded in order (replica/recovery.ts) they give the state back.
 */

import { encode, fixed, list, struct, type TypeOf, u53, union } from '../codec/index.ts';
import type { SequenceNumber } from '../types/identities.ts';
import { evidenceSchema } from './accountability/evidence.ts';
import { batchSchema } from './messages/batch.ts';
import { CAPS } from './messages/caps.ts';
import {
  checkpointCertificateSchema,
  commitCertificateSchema,
  preparedCertificateSchema,
} from './messages/certificates.ts';
import { checkpointSchema } from './messages/checkpoint.ts';
import { stateSummarySchema } from './messages/fetch.ts';
import { commitSchema, headerSchema } from './messages/ordering.ts';
import { justifiedViewChangeSchema, newViewSchema } from './messages/view-change.ts';

/** Begins the encoding of a `body` record. */
export const BODY_TAG = 2;

export const recordSchema = union('type', {
  /** Before PREPARE: never another digest at (v, s). */
  accepted: [1, struct({ header: headerSchema })],
  /** With the first `accepted` that names it: the batch can be executed and served after a restart. */
  body: [BODY_TAG, struct({ sequenceNumber: u53, batch: batchSchema })],
  /** Before COMMIT: P in a VIEW-CHANGE, and never another vote at (v, s). */
  prepared: [3, struct({ certificate: preparedCertificateSchema, vote: commitSchema })],
  /** The links from `after` to the certificate's s, and the certificate: C in a VIEW-CHANGE. */
  committed: [
    4,
    struct({ after: u53, links: list(fixed(32), CAPS.links, 1), certificate: commitCertificateSchema }),
  ],
  /** Before any signature over it: never another entry at s. */
  executed: [
    5,
    struct({
      /** The replica's view when it executed s; its entry was signed with it. */
      view: u53,
      sequenceNumber: u53,
      hashChainDigest: fixed(32),
      repliesRoot: fixed(32),
      logRoot: fixed(32),
    }),
  ],
  /** Before SUSPECT. */
  suspected: [6, struct({ view: u53 })],
  /** Before VIEW-CHANGE: no vote below its view, and the same bytes again. */
  left: [7, struct({ viewChange: justifiedViewChangeSchema })],
  /** Before the primary sends it, before the first PREPARE of a backup: O, and blame. */
  entered: [8, struct({ newView: newViewSchema })],
  /** Before CHECKPOINT: never another Σ at s. */
  checkpointed: [9, struct({ checkpoint: checkpointSchema })],
  /** Before h rises. */
  stable: [10, struct({ certificate: checkpointCertificateSchema, summary: stateSummarySchema })],
  /** Before the alert. */
  evidence: [11, struct({ evidence: evidenceSchema })],
  /** This replica signs nothing more: its promises were lost (docs/protocol.md §7). Until it gets a new key. */
  learner: [12, struct({ newestKnown: u53 })],
  /** Before the votes that contradict what is committed are deleted: no vote in the view any more. */
  'votes-stopped': [13, struct({ view: u53 })],
});
export type DurableRecord = TypeOf<typeof recordSchema>;
export type RecordType = DurableRecord['type'];

/**
 * Records that are written twice, in two files: a promise that is lost turns its replica into a learner. Bodies and commit
 * certificates are not among them; peers have them.
 */
export function isPromise(record: DurableRecord): boolean {
  return record.type !== 'body' && record.type !== 'committed' && record.type !== 'evidence';
}

/** The s that decides when a record may be deleted; 0 for those that only a newer one of their kind replaces. */
export function recordSequenceNumber(record: DurableRecord): SequenceNumber {
  switch (record.type) {
    case 'accepted':
      return record.header.sequenceNumber;
    case 'prepared':
      return record.vote.sequenceNumber;
    case 'committed':
      return record.certificate.sequenceNumber;
    case 'body':
    case 'executed':
      return record.sequenceNumber;
    default:
      return 0;
  }
}

export function encodeRecord(record: DurableRecord): Uint8Array {
  return encode(recordSchema, record);
}
