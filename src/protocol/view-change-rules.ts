/**
 * The rules of VIEW-CHANGE and NEW-VIEW that need no replica's state (PBFT §4.4; docs/protocol.md §5.3, §5.4): what makes a VIEW-CHANGE valid,
 * and which O follows from Q of them.
 */

import { equalBytes, keyOf } from '../types/bytes.ts';
import type { Digest, SequenceNumber } from '../types/identities.ts';
import {
  isHeaderSigned,
  rejectCheckpointCertificate,
  rejectCommitCertificate,
  rejectPreparedCertificate,
} from './certificates.ts';
import { type Context, signedBy } from './context.ts';
import { primaryOf } from './genesis.ts';
import { batchDigest, NULL_BATCH } from './messages/batch.ts';
import type {
  CheckpointCertificate,
  CommitCertificate,
  PreparedCertificate,
} from './messages/certificates.ts';
import {
  type NewView,
  newViewStatement,
  type PreparedClaim,
  type Proofs,
  type ViewChange,
  type ViewChangeBase,
  viewChangeStatement,
} from './messages/view-change.ts';

/** The certificate behind C, if the proofs hold one that says the same. */
export function findBaseCertificate(
  base: ViewChangeBase,
  proofs: Proofs,
):
  | { readonly kind: 'commit'; readonly certificate: CommitCertificate }
  | { readonly kind: 'stable'; readonly certificate: CheckpointCertificate }
  | undefined {
  const matches = (it: { readonly sequenceNumber: number; readonly hashChainDigest: Digest }): boolean =>
    it.sequenceNumber === base.sequenceNumber && equalBytes(it.hashChainDigest, base.hashChainDigest);
  if (base.kind === 'commit') {
    const certificate = proofs.commits.find((it) => it.view === base.view && matches(it));
    return certificate && { kind: 'commit', certificate };
  }
  if (base.kind === 'stable') {
    const certificate = proofs.checkpoints.find(matches);
    return certificate && { kind: 'stable', certificate };
  }
  return undefined;
}

function findPrepared(claim: PreparedClaim, proofs: Proofs): PreparedCertificate | undefined {
  return proofs.prepared.find(
    ({ header }) =>
      header.view === claim.view &&
      header.sequenceNumber === claim.sequenceNumber &&
      equalBytes(header.batchDigest, claim.batchDigest),
  );
}

function rejectBase(
  context: Context,
  viewChange: ViewChange,
  proofs: Proofs,
  verified: Set<object>,
): string | undefined {
  const { base, view } = viewChange;
  if (base.kind === 'genesis') {
    const isGenesis =
      base.sequenceNumber === 0 && base.view === 0 && equalBytes(base.hashChainDigest, context.cluster.id);
    return isGenesis ? undefined : 'WRONG_GENESIS';
  }
  const found = findBaseCertificate(base, proofs);
  if (found === undefined) return 'BASE_NOT_PROVED';
  // A certificate of the view that it opens cannot exist yet; one that claims to is a lie or a fork.
  if (found.kind === 'commit' && base.view >= view) return 'BASE_OF_LATER_VIEW';
  if (verified.has(found.certificate)) return undefined;
  const reason =
    found.kind === 'stable'
      ? rejectCheckpointCertificate(context, found.certificate)
      : rejectCommitCertificate(context, found.certificate);
  if (reason === undefined) verified.add(found.certificate);
  return reason;
}

/**
 * Why a VIEW-CHANGE is not valid: its signature, C with its certificate, P within bounds with its certificates. Certificates in `verified`
 * are not verified again: the VIEW-CHANGEs of one NEW-VIEW share most of theirs.
 */
export function rejectViewChange(
  context: Context,
  viewChange: ViewChange,
  proofs: Proofs,
  verified: Set<object> = new Set(),
): string | undefined {
  const { cluster, crypto } = context;
  const { base, prepared, view } = viewChange;
  let previous = base.sequenceNumber;
  for (const claim of prepared) {
    if (claim.sequenceNumber <= previous) return 'PREPARED_NOT_ASCENDING';
    if (claim.view >= view) return 'PREPARED_IN_LATER_VIEW';
    previous = claim.sequenceNumber;
  }
  if (previous > base.sequenceNumber + 2 * cluster.limits.pipelineWindow) return 'PREPARED_OUT_OF_WINDOW';
  const statement = viewChangeStatement(cluster, crypto, viewChange);
  if (!signedBy(context, viewChange.replica, statement, viewChange.signature)) return 'BAD_SIGNATURE';
  const baseReason = rejectBase(context, viewChange, proofs, verified);
  if (baseReason !== undefined) return baseReason;
  for (const claim of prepared) {
    const certificate = findPrepared(claim, proofs);
    if (certificate === undefined) return 'PREPARED_NOT_PROVED';
    if (verified.has(certificate)) continue;
    const reason = rejectPreparedCertificate(context, certificate);
    if (reason !== undefined) return reason;
    verified.add(certificate);
  }
  return undefined;
}

/** N*, C and the digests of O. */
export interface NewViewPlan {
  readonly base: ViewChangeBase;
  /** D for base.sequenceNumber+1 …, in order. */
  readonly digests: readonly Digest[];
}

/**
 * What follows from valid VIEW-CHANGEs: the highest C, and above it for each s the digest that was prepared in the highest view, or the null
 * batch's where none was. Undefined if two C of one s differ in HCD: that is a fork, not a choice.
 */
export function planNewView(context: Context, viewChanges: readonly ViewChange[]): NewViewPlan | undefined {
  let base: ViewChangeBase | undefined;
  const chain = new Map<SequenceNumber, Digest>();
  for (const each of viewChanges) {
    const { sequenceNumber, hashChainDigest } = each.base;
    const other = chain.get(sequenceNumber);
    if (other !== undefined && !equalBytes(other, hashChainDigest)) return undefined;
    chain.set(sequenceNumber, hashChainDigest);
    if (base === undefined || sequenceNumber > base.sequenceNumber) base = each.base;
  }
  if (base === undefined) return undefined;
  const best = new Map<SequenceNumber, PreparedClaim>();
  let last = base.sequenceNumber;
  for (const claim of viewChanges.flatMap((each) => each.prepared)) {
    if (claim.sequenceNumber <= base.sequenceNumber) continue;
    const known = best.get(claim.sequenceNumber);
    if (known === undefined || claim.view > known.view) best.set(claim.sequenceNumber, claim);
    last = Math.max(last, claim.sequenceNumber);
  }
  const nothing = batchDigest(context.cluster, context.crypto, NULL_BATCH);
  const digests: Digest[] = [];
  for (let s = base.sequenceNumber + 1; s <= last; s++) digests.push(best.get(s)?.batchDigest ?? nothing);
  return { base, digests };
}

/** Why a NEW-VIEW is not valid: signature, Q valid VIEW-CHANGEs of different signers, and O as it follows from them. */
export function rejectNewView(context: Context, newView: NewView): string | undefined {
  const { cluster, crypto } = context;
  const { view, viewChanges, headers, proofs } = newView;
  if (viewChanges.length !== cluster.thresholds.quorumSize) return 'WRONG_VIEW_CHANGE_COUNT';
  for (const [i, each] of viewChanges.entries()) {
    if (each.view !== view) return 'VIEW_CHANGE_OF_OTHER_VIEW';
    if (i > 0 && each.replica <= viewChanges[i - 1]!.replica) return 'SIGNERS_NOT_ASCENDING';
  }
  const primary = primaryOf(cluster, view);
  if (!signedBy(context, primary, newViewStatement(cluster, crypto, newView), newView.signature)) {
    return 'BAD_SIGNATURE';
  }
  // Before O is computed from them: bounded claims are what bounds O.
  const verified = new Set<object>();
  for (const each of viewChanges) {
    const reason = rejectViewChange(context, each, proofs, verified);
    if (reason !== undefined) return reason;
  }
  const plan = planNewView(context, viewChanges);
  if (plan === undefined) return 'CONTRADICTORY_BASES';
  if (headers.length !== plan.digests.length) return 'WRONG_O';
  for (const [i, header] of headers.entries()) {
    const isRight =
      header.view === view &&
      header.sequenceNumber === plan.base.sequenceNumber + 1 + i &&
      equalBytes(header.batchDigest, plan.digests[i]!);
    if (!isRight) return 'WRONG_O';
    if (!isHeaderSigned(context, header)) return 'BAD_HEADER_SIGNATURE';
  }
  return undefined;
}

/**
 * The union of the proofs of several VIEW-CHANGEs, each distinct certificate once. Of each only what its own VIEW-CHANGE names is taken, for
 * only that was verified: a forged twin of another's certificate, sent along, must not get into a correct primary's NEW-VIEW.
 */
export function joinProofs(
  justified: readonly { readonly viewChange: ViewChange; readonly proofs: Proofs }[],
): Proofs {
  const commits = new Map<string, CommitCertificate>();
  const checkpoints = new Map<string, CheckpointCertificate>();
  const prepared = new Map<string, PreparedCertificate>();
  for (const { viewChange, proofs } of justified) {
    const base = findBaseCertificate(viewChange.base, proofs);
    const key = keyOf(viewChange.base.hashChainDigest);
    if (base?.kind === 'commit') commits.set(`${base.certificate.view}:${key}`, base.certificate);
    if (base?.kind === 'stable') checkpoints.set(key, base.certificate);
    for (const claim of viewChange.prepared) {
      const certificate = findPrepared(claim, proofs);
      if (certificate !== undefined) {
        prepared.set(`${claim.view}:${claim.sequenceNumber}:${keyOf(claim.batchDigest)}`, certificate);
      }
    }
  }
  return {
    commits: [...commits.values()],
    checkpoints: [...checkpoints.values()],
    prepared: [...prepared.values()],
  };
}
