/** Leaving a view, opening one, entering one (PBFT §4.4; docs/protocol.md §5.3–5.6). */

import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex, View } from '../../types/identities.ts';
import { justifiesLeaving } from '../certificates.ts';
import type { MessageOf } from '../messages/index.ts';
import { type Header, headerStatement } from '../messages/ordering.ts';
import {
  type JustifiedViewChange,
  type NewView,
  newViewStatement,
  type Proofs,
  type ViewChange,
  type ViewChangeBase,
  viewChangeStatement,
} from '../messages/view-change.ts';
import {
  findBaseCertificate,
  joinProofs,
  planNewView,
  rejectNewView,
  rejectViewChange,
} from '../view-change-rules.ts';
import { onCertificate } from './committing.ts';
import {
  emit,
  isPrimary,
  maySignOrdering,
  persist,
  promiseToAll,
  promiseToOthers,
  refuse,
  sign,
} from './effects.ts';
import { checkViewChange, reportFork } from './evidence.ts';
import type { Party } from './io.ts';
import { onNewViewHeader, tryAccept } from './ordering.ts';
import { maybePropose, pendingKey, relayOldest, restartClocks } from './requests.ts';
import { findBody, hashChainDigestAt } from './slots.ts';
import type { Replica } from './state.ts';
import { addSuspect, suspect, weighSuspicions } from './suspicion.ts';

/** NEW-VIEWs kept besides the newest. */
const OLD_NEW_VIEWS_MAX = 16;

/** What both leaving and entering forget: all that is relative to one view. */
function forgetView(replica: Replica): void {
  replica.unvoted.clear();
  replica.heldProposals.clear();
  replica.relayed.clear();
  replica.batchWaitingSinceMs = undefined;
  replica.newViewVerified = false;
  replica.mayPropose = true;
  replica.executedInView = false;
  replica.slowInView = false;
  for (const pending of replica.pending.values()) {
    pending.proposedAt = undefined;
    pending.relayed = false;
  }
}

/** C: the highest of our commit and stable-checkpoint certificates. */
function ownBase(replica: Replica): { readonly base: ViewChangeBase; readonly proofs: Proofs } {
  const commit = replica.commitCertificate;
  const stable = replica.stableCertificate;
  const none: Proofs = { commits: [], checkpoints: [], prepared: [] };
  if (commit !== undefined && commit.sequenceNumber >= (stable?.sequenceNumber ?? 0)) {
    const { view, sequenceNumber, hashChainDigest } = commit;
    return {
      base: { kind: 'commit', view, sequenceNumber, hashChainDigest },
      proofs: { ...none, commits: [commit] },
    };
  }
  if (stable !== undefined) {
    const { sequenceNumber, hashChainDigest } = stable;
    return {
      base: { kind: 'stable', view: 0, sequenceNumber, hashChainDigest },
      proofs: { ...none, checkpoints: [stable] },
    };
  }
  const hashChainDigest = replica.context.cluster.id;
  return { base: { kind: 'genesis', view: 0, sequenceNumber: 0, hashChainDigest }, proofs: none };
}

/** Enter: Q replicas ask to abandon the views below `next`. Postcondition: we accept and vote nothing in them any more. */
export function leaveView(replica: Replica, next: View): void {
  const left = replica.view;
  replica.view = next;
  replica.phase = 'changing';
  forgetView(replica);
  replica.timeoutMs = Math.min(2 * replica.timeoutMs, replica.limits.requestTimeoutMaxMs);
  replica.newViewDeadlineMs = replica.now.monotonicMs + replica.timeoutMs;
  for (const [index, each] of replica.viewChanges) {
    if (each.viewChange.view < next) replica.viewChanges.delete(index);
  }
  emit(replica, { type: 'viewLeft', view: left, next });
  maybeSendViewChange(replica);
}

/**
 * Whether C and P together tell all that we must. A disk that lost commit certificates leaves C lower than what we committed; P makes up for it
 * only as far as it reaches, and not below a checkpoint that was stable: those records are gone. Until peers have given the certificates again, no VIEW-CHANGE leaves.
 */
function mayTestify(replica: Replica): boolean {
  const { base } = ownBase(replica);
  const { pipelineWindow } = replica.context.cluster.limits;
  if (base.sequenceNumber < replica.promiseFloor) return false;
  return replica.signFloor <= base.sequenceNumber + 2 * pipelineWindow;
}

/** On leaving a view, and after it whenever more was committed: our VIEW-CHANGE, once. */
export function maybeSendViewChange(replica: Replica): void {
  if (replica.phase !== 'changing' || !maySignOrdering(replica)) return;
  if (replica.ownViewChange?.viewChange.view === replica.view || !mayTestify(replica)) return;
  const viewChange = makeViewChange(replica, replica.view);
  replica.ownViewChange = viewChange;
  persist(replica, { type: 'left', viewChange });
  promiseToAll(replica, { type: 'view-change', ...viewChange });
}

/** Our VIEW-CHANGE for `view`: C, and P = what was prepared above it, each s in its highest view. */
function makeViewChange(replica: Replica, view: View): JustifiedViewChange {
  const { cluster, crypto } = replica.context;
  const { base, proofs } = ownBase(replica);
  const certificates = [];
  for (let s = base.sequenceNumber + 1; s <= base.sequenceNumber + 2 * cluster.limits.pipelineWindow; s++) {
    const certificate = replica.slots.get(s)?.prepared;
    if (certificate !== undefined) certificates.push(certificate);
  }
  const prepared = certificates.map(({ header: { view: v, sequenceNumber, batchDigest } }) => ({
    view: v,
    sequenceNumber,
    batchDigest,
  }));
  const fields = { view, base, prepared, replica: replica.index };
  const signature = sign(replica, viewChangeStatement(cluster, crypto, fields));
  const suspects = [...replica.suspects.values()].filter((each) => each.view >= view - 1);
  return {
    viewChange: { ...fields, signature },
    proofs: { ...proofs, prepared: certificates },
    suspects: suspects.sort((a, b) => a.replica - b.replica),
  };
}

/** Enter: VIEW-CHANGE from its signer, our own by loopback. Its SUSPECTs make us leave too. */
export function onViewChange(replica: Replica, from: ReplicaIndex, message: MessageOf<'view-change'>): void {
  const { type: _, ...justified } = message;
  const { viewChange, proofs, suspects } = justified;
  const party: Party = { kind: 'replica', index: from };
  if (viewChange.replica !== from) return refuse(replica, party, message, 'NOT_THE_SIGNER');
  const isOld =
    viewChange.view < replica.view || (viewChange.view === replica.view && replica.phase === 'normal');
  const known = replica.viewChanges.get(from);
  if (isOld || (known !== undefined && known.viewChange.view >= viewChange.view)) {
    return refuse(replica, party, message, 'OLD_VIEW');
  }
  if (!justifiesLeaving(replica.context, suspects, viewChange.view - 1)) {
    return refuse(replica, party, message, 'NOT_JUSTIFIED');
  }
  const reason = rejectViewChange(replica.context, viewChange, proofs);
  if (reason !== undefined) return refuse(replica, party, message, reason);
  replica.viewChanges.set(from, justified);
  checkViewChange(replica, viewChange);
  // Certificates prove themselves, whoever brings them: we may be the one that lags.
  absorbBase(replica, viewChange.base, proofs);
  for (const each of suspects) addSuspect(replica, each);
  weighSuspicions(replica);
  maybeOpenView(replica);
}

function absorbBase(replica: Replica, base: ViewChangeBase, proofs: Proofs): void {
  const found = findBaseCertificate(base, proofs);
  if (found?.kind === 'commit') onCertificate(replica, found.certificate);
  else if (found?.kind === 'stable' && found.certificate.sequenceNumber > replica.committed) {
    replica.gapsDirty = true;
  }
}

/** The primary of the view being changed to, with Q VIEW-CHANGEs for it, opens it. */
export function maybeOpenView(replica: Replica): void {
  if (replica.phase !== 'changing' || !isPrimary(replica) || !maySignOrdering(replica)) return;
  const { quorumSize } = replica.context.cluster.thresholds;
  const candidates = [...replica.viewChanges.values()]
    .filter((each) => each.viewChange.view === replica.view)
    .sort((a, b) => a.viewChange.replica - b.viewChange.replica);
  if (candidates.length < quorumSize) return;
  const chosen = candidates.slice(0, quorumSize);
  const newView = makeNewView(replica, chosen);
  if (newView === undefined) return;
  persist(replica, { type: 'entered', newView });
  promiseToOthers(replica, { type: 'new-view', ...newView });
  enterView(replica, newView);
}

function makeNewView(replica: Replica, chosen: readonly JustifiedViewChange[]): NewView | undefined {
  const { context, view } = replica;
  const viewChanges: readonly ViewChange[] = chosen.map((each) => each.viewChange);
  const plan = planNewView(context, viewChanges);
  if (plan === undefined) {
    reportContradictoryBases(replica, chosen);
    return undefined;
  }
  const headers: Header[] = plan.digests.map((batchDigest, i) => {
    const fields = { view, sequenceNumber: plan.base.sequenceNumber + 1 + i, batchDigest };
    return { ...fields, signature: sign(replica, headerStatement(context.cluster, fields)) };
  });
  const proofs = joinProofs(chosen);
  const fields = { view, viewChanges, headers, proofs };
  return { ...fields, signature: sign(replica, newViewStatement(context.cluster, context.crypto, fields)) };
}

/** Two certificates of one s with different HCDs: a fork, proved by the certificates themselves. */
function reportContradictoryBases(replica: Replica, chosen: readonly JustifiedViewChange[]): void {
  const commits = chosen.flatMap((each) => each.proofs.commits);
  for (const first of commits) {
    for (const second of commits) {
      if (
        first.sequenceNumber === second.sequenceNumber &&
        !equalBytes(first.hashChainDigest, second.hashChainDigest)
      ) {
        return reportFork(replica, first, second, second.hashChainDigest, []);
      }
    }
  }
}

/** Enter: NEW-VIEW, pushed by its primary or fetched from anyone. Answers why it is not entered. */
export function onNewView(replica: Replica, newView: NewView): string | undefined {
  const isOld = newView.view < replica.view || (newView.view === replica.view && replica.phase === 'normal');
  if (isOld) return 'OLD_VIEW';
  const reason = rejectNewView(replica.context, newView);
  if (reason !== undefined) return reason;
  for (const each of newView.viewChanges) checkViewChange(replica, each);
  persist(replica, { type: 'entered', newView });
  enterView(replica, newView);
  return undefined;
}

/** Precondition: `newView` is valid, above our view or the one we are changing to, and persisted. */
export function enterView(replica: Replica, newView: NewView): void {
  const { base } = planNewView(replica.context, newView.viewChanges)!;
  const wasChanging = replica.phase === 'changing' && replica.view === newView.view;
  if (replica.newView !== undefined) {
    const keptUntil = replica.stable + 2 * replica.context.cluster.limits.checkpointInterval;
    replica.oldNewViews.push({ newView: replica.newView, keptUntil });
    // Views that follow one another without any progress must not fill the memory: the newest name the guilty.
    if (replica.oldNewViews.length > OLD_NEW_VIEWS_MAX) replica.oldNewViews.shift();
  }
  replica.view = newView.view;
  replica.phase = 'normal';
  forgetView(replica);
  replica.newView = newView;
  replica.newViewBase = base.sequenceNumber;
  replica.newViewLast = base.sequenceNumber + newView.headers.length;
  replica.viewEnteredAtMs = replica.now.monotonicMs;
  if (!wasChanging) replica.newViewDeadlineMs = replica.now.monotonicMs + replica.timeoutMs;
  if (replica.ledger.executed.sequenceNumber >= replica.newViewLast) replica.newViewDeadlineMs = undefined;
  for (const header of newView.headers) {
    if (header.sequenceNumber > replica.stable) onNewViewHeader(replica, header);
  }
  replica.proposed = replica.newViewLast;
  markProposed(replica);
  restartClocks(replica);
  emit(replica, {
    type: 'viewEntered',
    view: replica.view,
    base: base.sequenceNumber,
    headers: newView.headers.length,
  });
  absorbBase(replica, base, newView.proofs);
  verifyNewViewBase(replica);
  relayOldest(replica, true);
  weighSuspicions(replica);
}

/** What O orders already need not be proposed again. */
function markProposed(replica: Replica): void {
  for (const { sequenceNumber, batchDigest } of replica.newView?.headers ?? []) {
    for (const request of findBody(replica, sequenceNumber, batchDigest)?.requests ?? []) {
      const waiting = replica.pending.get(pendingKey(request));
      if (waiting !== undefined) waiting.proposedAt = sequenceNumber;
    }
  }
}

/**
 * O may be prepared once our own chain was shown to lead to C, and O repeats every batch above it that we hold under a commit certificate
 * of an earlier view (docs/protocol.md §5.5). Called on entering and whenever more was committed.
 */
export function verifyNewViewBase(replica: Replica): void {
  const { newView } = replica;
  if (replica.newViewVerified || replica.phase !== 'normal') return;
  if (newView !== undefined) {
    if (replica.committed < replica.newViewBase) {
      replica.gapsDirty = true;
      return;
    }
    const reason = rejectForUs(replica, newView);
    if (reason !== undefined) return suspect(replica, replica.view, reason);
  }
  replica.newViewVerified = true;
  for (const slot of [...replica.slots.values()].sort((a, b) => a.sequenceNumber - b.sequenceNumber)) {
    tryAccept(replica, slot);
  }
  maybePropose(replica);
}

/** Where a valid NEW-VIEW contradicts what we know to be committed: more than f are faulty, or this one was made of lies. */
function rejectForUs(replica: Replica, newView: NewView): string | undefined {
  const { base } = planNewView(replica.context, newView.viewChanges)!;
  const ours = hashChainDigestAt(replica, base.sequenceNumber);
  if (ours !== undefined && !equalBytes(ours, base.hashChainDigest)) return 'the new view leaves our chain';
  for (let s = base.sequenceNumber + 1; s <= replica.committed; s++) {
    const entry = replica.log.get(s);
    if (entry === undefined || entry.certificate.view >= newView.view) continue;
    const header = newView.headers[s - base.sequenceNumber - 1];
    if (header === undefined || !equalBytes(header.batchDigest, entry.batchDigest)) {
      return 'the new view drops a committed batch';
    }
  }
  return undefined;
}
