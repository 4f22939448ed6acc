/**
 * Evidence: signed statements that no correct replica can have made together (docs/protocol.md §9). It carries its own proof; anyone who
 * holds the genesis configuration can check it. For each kind its comment says why a correct replica is never named.
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
import { type ViewChange, viewChangeSchema, viewChangeStatement } from '../messages/view-change.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { onDifferentHistories, samePlace, withholdsPrepared } from './conflicts.ts';
import { isPointSigned, pointSchema, signersOf } from './points.ts';

export const evidenceSchema = union('type', {
  /**
   * Two PRE-PREPARE headers of one (v, s) with different digests: the primary equivocated. A correct one proposes each s of its view once,
   * records a NEW-VIEW before it sends it, and proposes nothing in a view in which it restarted.
   */
  headers: [1, struct({ first: headerSchema, second: headerSchema })],
  /** Two PREPAREs of one signer and (v, s) with different digests. A correct backup records what it accepted before it prepares. */
  prepares: [2, struct({ first: prepareSchema, second: prepareSchema })],
  /** Two commit votes of one signer and (v, s) with different HCDs. A correct replica records its vote before it sends it. */
  commits: [3, struct({ first: commitSchema, second: commitSchema })],
  /** Two executed entries of one signer and s with different contents, in whatever views (`onDifferentHistories` says why). */
  entries: [4, struct({ first: entrySchema, second: entrySchema })],
  /**
   * Two CHECKPOINTs of one signer and s with different contents. A correct replica records its CHECKPOINT before it sends it, and stops if
   * executing again gives another: even a service that is not deterministic makes it sign no second one.
   */
  checkpoints: [5, struct({ first: checkpointSchema, second: checkpointSchema })],
  /**
   * Two commit certificates at s ≤ t, and the links from s to t leading back to another HCD^s: a fork. `before` is the HCD^s that the
   * links start from. In one view the signers of both are guilty: a correct replica's votes of one view form one chain. Across views a
   * vote alone is no crime, since what was only prepared may rightly be replaced: there the voters of the lower view are guilty whose
   * VIEW-CHANGEs, brought along, withhold what they had prepared (`withholdsPrepared` says why).
   */
  fork: [
    6,
    struct({
      first: commitCertificateSchema,
      second: commitCertificateSchema,
      before: fixed(32),
      links: list(fixed(32), CAPS.links),
      viewChanges: list(viewChangeSchema, REPLICAS_MAX),
    }),
  ],
  /**
   * Two signed points of different histories at s₁ ≤ s₂; who signed both is guilty. `root` and `path` are the consistency proof from the
   * root at s₁ of the second's log to its L; at one s they are L₂ and nothing.
   */
  histories: [
    7,
    struct({
      first: pointSchema,
      second: pointSchema,
      root: fixed(32),
      path: list(fixed(32), CAPS.consistencyPath),
    }),
  ],
  /** A commit vote and a later VIEW-CHANGE of the same replica that withholds what it had prepared for it. */
  withheld: [8, struct({ vote: commitSchema, viewChange: viewChangeSchema })],
});
export type Evidence = TypeOf<typeof evidenceSchema>;
export type EvidenceOf<Type extends Evidence['type']> = Extract<Evidence, { type: Type }>;

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
      const conflict = samePlace(first, second) && !equalBytes(first.batchDigest, second.batchDigest);
      if (!conflict || !isHeaderSigned(context, first) || !isHeaderSigned(context, second)) return undefined;
      return { guilty: [primaryOf(cluster, first.view)], forked: false };
    }
    case 'prepares': {
      const { first, second } = evidence;
      const conflict = samePlace(first, second) && !equalBytes(first.batchDigest, second.batchDigest);
      return judgePair(context, conflict, first, second, (it) => prepareStatement(cluster, it));
    }
    case 'commits': {
      const { first, second } = evidence;
      const conflict = samePlace(first, second) && !equalBytes(first.hashChainDigest, second.hashChainDigest);
      return judgePair(context, conflict, first, second, (it) => commitStatement(cluster, it));
    }
    case 'entries': {
      const { first, second } = evidence;
      const conflict = first.sequenceNumber === second.sequenceNumber && !sameEntry(first, second);
      return judgePair(context, conflict, first, second, (it) => entryStatement(cluster, it));
    }
    case 'checkpoints': {
      const { first, second } = evidence;
      const conflict = first.sequenceNumber === second.sequenceNumber && !sameCheckpoint(first, second);
      return judgePair(context, conflict, first, second, (it) => checkpointStatement(cluster, it));
    }
    case 'fork':
      return judgeFork(context, evidence);
    case 'histories':
      return judgeHistories(context, evidence);
    case 'withheld': {
      const { vote, viewChange } = evidence;
      if (vote.replica !== viewChange.replica || !withholdsPrepared(context, vote, viewChange))
        return undefined;
      const isSigned =
        signedBy(context, vote.replica, commitStatement(cluster, vote), vote.signature) &&
        isViewChangeSigned(context, viewChange);
      return isSigned ? { guilty: [vote.replica], forked: false } : undefined;
    }
  }
}

/** Two statements of one replica, of which it may have made only one. */
function judgePair<T extends { readonly replica: ReplicaIndex; readonly signature: Uint8Array }>(
  context: Context,
  conflict: boolean,
  first: T,
  second: T,
  statementOf: (it: T) => Uint8Array,
): Verdict | undefined {
  if (!conflict || first.replica !== second.replica) return undefined;
  const areSigned = [first, second].every((it) =>
    signedBy(context, it.replica, statementOf(it), it.signature),
  );
  return areSigned ? { guilty: [first.replica], forked: false } : undefined;
}

function judgeFork(context: Context, evidence: EvidenceOf<'fork'>): Verdict | undefined {
  const { first, second, before, links, viewChanges } = evidence;
  if (second.sequenceNumber - first.sequenceNumber !== links.length) return undefined;
  if (equalBytes(before, first.hashChainDigest)) return undefined;
  const end = chainOf(context.crypto, before, links).at(-1) ?? before;
  if (!equalBytes(end, second.hashChainDigest)) return undefined;
  if (rejectCommitCertificate(context, first) ?? rejectCommitCertificate(context, second)) return undefined;
  if (first.view === second.view) return { guilty: inBoth(first.votes, second.votes), forked: true };
  const lower = first.view < second.view ? first : second;
  const withholding = viewChanges.filter(
    (each) => withholdsPrepared(context, lower, each) && isViewChangeSigned(context, each),
  );
  return { guilty: inBoth(lower.votes, withholding), forked: true };
}

function judgeHistories(context: Context, evidence: EvidenceOf<'histories'>): Verdict | undefined {
  const { first, second, root, path } = evidence;
  const both = new Set(signersOf(second));
  const guilty = signersOf(first).filter((replica) => both.has(replica));
  if (guilty.length === 0 || !onDifferentHistories(context, first, second, root, path)) return undefined;
  if (!isPointSigned(context, first) || !isPointSigned(context, second)) return undefined;
  return { guilty, forked: guilty.length > context.cluster.thresholds.linearizableWhile };
}

type Signed = readonly { readonly replica: ReplicaIndex }[];

/** Who is in both, in the order of the first. */
function inBoth(first: Signed, second: Signed): readonly ReplicaIndex[] {
  const others = new Set(second.map(({ replica }) => replica));
  return first.map(({ replica }) => replica).filter((replica) => others.has(replica));
}

export function isViewChangeSigned(context: Context, viewChange: ViewChange): boolean {
  const statement = viewChangeStatement(context.cluster, context.crypto, viewChange);
  return signedBy(context, viewChange.replica, statement, viewChange.signature);
}
