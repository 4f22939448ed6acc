/**
 * Signed points of a history: what one replica, or a quorum, says that the log was at s. An executed entry, a CHECKPOINT, a head and a stable
 * checkpoint all name (s, HCD, L), so each can be held against every other.
 */

import { type TypeOf, union } from '../../codec/index.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { rejectCheckpointCertificate, rejectHead } from '../certificates.ts';
import { type Context, signedBy } from '../context.ts';
import { checkpointCertificateSchema } from '../messages/certificates.ts';
import { checkpointSchema, checkpointStatement } from '../messages/checkpoint.ts';
import { entrySchema, entryStatement, headSchema } from '../messages/entry.ts';

export const pointSchema = union('type', {
  entry: [1, entrySchema],
  checkpoint: [2, checkpointSchema],
  /** Q entries of one content. */
  head: [3, headSchema],
  /** Q CHECKPOINTs of one content. */
  stable: [4, checkpointCertificateSchema],
});
export type Point = TypeOf<typeof pointSchema>;

/** Who says so, ascending. */
export function signersOf(point: Point): readonly ReplicaIndex[] {
  return 'replica' in point ? [point.replica] : point.votes.map(({ replica }) => replica);
}

/** Whether every signature holds and a quorum is one. */
export function isPointSigned(context: Context, point: Point): boolean {
  const { cluster } = context;
  switch (point.type) {
    case 'entry':
      return signedBy(context, point.replica, entryStatement(cluster, point), point.signature);
    case 'checkpoint':
      return signedBy(context, point.replica, checkpointStatement(cluster, point), point.signature);
    case 'head':
      return rejectHead(context, point) === undefined;
    case 'stable':
      return rejectCheckpointCertificate(context, point) === undefined;
  }
}
