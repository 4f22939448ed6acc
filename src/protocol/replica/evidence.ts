/**
 * What a replica does on proof of guilt (docs/protocol.md §9): keep it, raise an alert, ask for another primary if it names ours, and
 * stop ordering if it proves that more than f replicas are faulty.
 */

import { type Evidence, judgeEvidence } from '../accountability/evidence.ts';
import { primaryOf } from '../genesis.ts';
import { emit, persist } from './effects.ts';
import type { Replica } from './state.ts';
import { suspect } from './suspicion.ts';

/** How many pieces of evidence one replica stores; each names someone new or proves a fork, so few are ever needed. */
const EVIDENCE_MAX = 64;

export function reportEvidence(replica: Replica, evidence: Evidence): void {
  const verdict = judgeEvidence(replica.context, evidence);
  if (verdict === undefined) return;
  const key = `${evidence.type}:${verdict.guilty.join(',')}`;
  if (replica.evidence.has(key) || replica.evidence.size >= EVIDENCE_MAX) return;
  replica.evidence.set(key, evidence);
  for (const index of verdict.guilty) replica.guilty.add(index);
  persist(replica, { type: 'evidence', evidence });
  emit(replica, { type: 'evidence', evidence, ...verdict });
  const { linearizableWhile } = replica.context.cluster.thresholds;
  if (verdict.forked || replica.guilty.size > linearizableWhile) {
    if (replica.silence !== 'none') return;
    replica.silence = 'ordering';
    emit(replica, {
      type: 'orderingStopped',
      reason: verdict.forked ? 'a fork was proved' : `${replica.guilty.size} replicas were proved faulty`,
    });
    return;
  }
  if (verdict.guilty.includes(primaryOf(replica.context.cluster, replica.view))) {
    suspect(replica, replica.view, 'the primary was proved faulty');
  }
}
