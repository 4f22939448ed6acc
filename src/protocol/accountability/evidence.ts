/**
 * Evidence: signed statements that no correct replica can have made together (docs/protocol.md §9). It carries its own proof; anyone who
 * holds the genesis configuration can check it.
 */

import { fixed, list, struct, type TypeOf, union } from '../../codec/index.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { isHeaderSigned, rejectCommitCertificate } from '../certificates.ts';
import { type Context, signedBy } from '../context.ts';
import { primaryOf } from '../genesis.ts';
import { chainOf } from '../hash-chain.ts';
import { CAPS } from '../messages/caps.ts';
import { commitCertificateSchema } from '../messages/certificates.ts';
import { checkpointSchema, checkpointStatement, sameCheckpoint } from '../messages/checkpoint.ts';
import { entrySchema, entryStatement, sameEntry } from '../messages/entry.ts';
import {
  commitSchema,
  commitStatement,
  headerSchema,
  prepareSchema,
  prepareStatement,
} from '../messages/ordering.ts';

export const evidenceSchema = union('type', {
  /** Two PRE-PREPARE headers of one (v, s) with different digests: the primary equivocated. */
  headers: [1, struct({ first: headerSchema, second: headerSchema })],
  /** Two PREPAREs of one signer and (v, s) with different digests. */
  prepares: [2, struct({ first: prepareSchema, second: prepareSchema })],
  /** Two commit votes of one signer and (v, s) with different HCDs. */
  commits: [3, struct({ first: commitSchema, second: commitSchema })],
  /** Two executed entries of one signer and s with different contents, in whatever views. */
  entries: [4, struct({ first: entrySchema, second: entrySchema })],
  /** Two CHECKPOINTs of one signer and s with different contents. */
  checkpoints: [5, struct({ first: checkpointSchema, second: checkpointSchema })],
  /**
   * Two commit certificates at s ≤ t, and the links from s to t leading back to another HCD^s: a fork. `before` is the HCD^s that the
   * links start from. In one view the signers of both are guilty.
   */
  fork: [
    6,
    struct({
      first: commitCertificateSchema,
      second: commitCertificateSchema,
      before: fixed(32),
      links: list(fixed(32), CAPS.links),
    }),
  ],
});
export type Evidence = TypeOf<typeof evidenceSchema>;

/** What a piece of evidence proves: who is guilty, and whether the cluster has forked (more than f are faulty). */
export interface Verdict {
  /** Ascending; empty where a fork is proved but names need more than this evidence holds. */
  readonly guilty: readonly ReplicaIndex[];
  readonly forked: boolean;
}

/** What the evidence proves, or undefined if it proves nothing. */
export function judgeEvidence(context: Context, evidence: Evidence): Verdict | undefined {
  const { cluster } = context;
  switch (evidence.type) {
    case 'headers': {
      const { first, second } = evidence;
      const conflict =
        first.view === second.view &&
        first.sequenceNumber === second.sequenceNumber &&
        !equalBytes(first.batchDigest, second.batchDigest);
      if (!conflict || !isHeaderSigned(context, first) || !isHeaderSigned(context, second)) return undefined;
      return { guilty: [primaryOf(cluster, first.view)], forked: false };
    }
    case 'prepares': {
      const { first, second } = evidence;
      const conflict =
        first.replica === second.replica &&
        first.view === second.view &&
        first.sequenceNumber === second.sequenceNumber &&
        !equalBytes(first.batchDigest, second.batchDigest);
      return conflict && bothSigned(context, first, second, (it) => prepareStatement(cluster, it))
        ? { guilty: [first.replica], forked: false }
        : undefined;
    }
    case 'commits': {
      const { first, second } = evidence;
      const conflict =
        first.replica === second.replica &&
        first.view === second.view &&
        first.sequenceNumber === second.sequenceNumber &&
        !equalBytes(first.hashChainDigest, second.hashChainDigest);
      return conflict && bothSigned(context, first, second, (it) => commitStatement(cluster, it))
        ? { guilty: [first.replica], forked: false }
        : undefined;
    }
    case 'entries': {
      const { first, second } = evidence;
      const conflict =
        first.replica === second.replica &&
        first.sequenceNumber === second.sequenceNumber &&
        !sameEntry(first, second);
      return conflict && bothSigned(context, first, second, (it) => entryStatement(cluster, it))
        ? { guilty: [first.replica], forked: false }
        : undefined;
    }
    case 'checkpoints': {
      const { first, second } = evidence;
      const conflict =
        first.replica === second.replica &&
        first.sequenceNumber === second.sequenceNumber &&
        !sameCheckpoint(first, second);
      return conflict && bothSigned(context, first, second, (it) => checkpointStatement(cluster, it))
        ? { guilty: [first.replica], forked: false }
        : undefined;
    }
    case 'fork': {
      const { first, second, before, links } = evidence;
      if (second.sequenceNumber - first.sequenceNumber !== links.length) return undefined;
      if (equalBytes(before, first.hashChainDigest)) return undefined;
      const end = chainOf(context.crypto, before, links).at(-1) ?? before;
      if (!equalBytes(end, second.hashChainDigest)) return undefined;
      if (rejectCommitCertificate(context, first) ?? rejectCommitCertificate(context, second))
        return undefined;
      const firstSigners = new Set(first.votes.map((vote) => vote.replica));
      const both = second.votes.map((vote) => vote.replica).filter((replica) => firstSigners.has(replica));
      return { guilty: first.view === second.view ? both : [], forked: true };
    }
  }
}

function bothSigned<T extends { readonly replica: number; readonly signature: Uint8Array }>(
  context: Context,
  first: T,
  second: T,
  statementOf: (it: T) => Uint8Array,
): boolean {
  return [first, second].every((it) => signedBy(context, it.replica, statementOf(it), it.signature));
}
