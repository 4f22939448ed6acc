/**
 * What a replica does on proof of guilt (docs/protocol.md §9): keep it, raise an alert, ask for another primary if it names ours, and
 * stop ordering if it proves that more than f replicas are faulty.
 */

import type { Digest, ReplicaIndex } from '../../types/identities.ts';
import { withholdsPrepared } from '../accountability/conflicts.ts';
import { type Evidence, judgeEvidence } from '../accountability/evidence.ts';
import { primaryOf } from '../genesis.ts';
import type { CommitCertificate } from '../messages/certificates.ts';
import type { ViewChange } from '../messages/view-change.ts';
import { emit, persist } from './effects.ts';
import type { Replica } from './state.ts';
import { suspect } from './suspicion.ts';

/** How many pieces of evidence one replica stores; each names someone new or proves a fork, so few are ever needed. */
const EVIDENCE_MAX = 64;

/** Whether it proves something that was not known. */
export function reportEvidence(replica: Replica, evidence: Evidence): boolean {
  const verdict = judgeEvidence(replica.context, evidence);
  if (verdict === undefined) return false;
  const key = `${evidence.type}:${verdict.guilty.join(',')}`;
  if (replica.evidence.has(key) || replica.evidence.size >= EVIDENCE_MAX) return false;
  replica.evidence.set(key, evidence);
  for (const index of verdict.guilty) replica.guilty.add(index);
  persist(replica, { type: 'evidence', evidence });
  emit(replica, { type: 'evidence', evidence, ...verdict });
  const { linearizableWhile } = replica.context.cluster.thresholds;
  if (verdict.forked || replica.guilty.size > linearizableWhile) {
    if (replica.silence !== 'none') return true;
    replica.silence = 'ordering';
    emit(replica, {
      type: 'orderingStopped',
      reason: verdict.forked ? 'a fork was proved' : `${replica.guilty.size} replicas were proved faulty`,
    });
    return true;
  }
  if (verdict.guilty.includes(primaryOf(replica.context.cluster, replica.view))) {
    suspect(replica, replica.view, 'the primary was proved faulty');
  }
  return true;
}

/**
 * Two commit certificates at s ≤ t and the links from s to t, which begin at another HCD^s: a fork. Across views the VIEW-CHANGEs that we
 * still have name who withheld what the certificate of the lower view shows as prepared.
 */
export function reportFork(
  replica: Replica,
  first: CommitCertificate,
  second: CommitCertificate,
  before: Digest,
  links: readonly Digest[],
): void {
  const lower = first.view < second.view ? first : second;
  const voters = new Set(first.view === second.view ? [] : lower.votes.map((vote) => vote.replica));
  const viewChanges = new Map<ReplicaIndex, ViewChange>();
  for (const each of knownViewChanges(replica)) {
    if (voters.has(each.replica) && withholdsPrepared(replica.context, lower, each)) {
      viewChanges.set(each.replica, each);
    }
  }
  reportEvidence(replica, {
    type: 'fork',
    first,
    second,
    before,
    links: [...links],
    viewChanges: [...viewChanges.values()],
  });
}

function knownViewChanges({ newView, oldNewViews, viewChanges }: Replica): readonly ViewChange[] {
  return [
    ...oldNewViews.flatMap((each) => each.newView.viewChanges),
    ...(newView?.viewChanges ?? []),
    ...[...viewChanges.values()].map((each) => each.viewChange),
  ];
}

/** Enter: a valid VIEW-CHANGE. Its signer may have voted to commit what it now withholds. */
export function checkViewChange(replica: Replica, viewChange: ViewChange): void {
  const { base } = viewChange;
  const reach = base.sequenceNumber + 2 * replica.context.cluster.limits.pipelineWindow;
  for (let s = base.sequenceNumber + 1; s <= reach; s++) {
    const vote = replica.slots.get(s)?.commits.get(viewChange.replica);
    if (vote !== undefined && withholdsPrepared(replica.context, vote, viewChange)) {
      reportEvidence(replica, { type: 'withheld', vote, viewChange });
      return;
    }
  }
}
