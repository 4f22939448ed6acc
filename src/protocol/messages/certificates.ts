/**
 * Certificates as data: the votes of a quorum, with what they agree on written once. They verify themselves, so they
 * may come from anyone. Their rules are in ../certificates.ts.
 */

import { fixed, list, struct, type TypeOf, u8, u53 } from '../../codec/index.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { headerSchema } from './ordering.ts';

/** One signature of a certificate; the statement follows from the certificate's fields. */
export const voteSchema = struct({ replica: u8, signature: fixed(64) });
export type Vote = TypeOf<typeof voteSchema>;

const votesSchema = list(voteSchema, REPLICAS_MAX);

/** Prepared(v, s, D): the header and Q−1 PREPAREs of different backups. */
export const preparedCertificateSchema = struct({ header: headerSchema, prepares: votesSchema });
export type PreparedCertificate = TypeOf<typeof preparedCertificateSchema>;

/** Q commit votes of one view: the prefix up to s is committed. */
export const commitCertificateSchema = struct({
  view: u53,
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  votes: votesSchema,
});
export type CommitCertificate = TypeOf<typeof commitCertificateSchema>;

/** Q equal CHECKPOINTs: s is stable. */
export const checkpointCertificateSchema = struct({
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  logRoot: fixed(32),
  stateDigest: fixed(32),
  votes: votesSchema,
});
export type CheckpointCertificate = TypeOf<typeof checkpointCertificateSchema>;
