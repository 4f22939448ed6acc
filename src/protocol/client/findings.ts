/**
 * Proof of guilt that reaches a client (docs/protocol.md §9): what its sessions find in answers, and what replicas send as EVIDENCE. A piece is
 * judged before it is believed, and told once: if it names someone new or proves a fork. So there are never more than f+1.
 */

import { decode } from '../../codec/index.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { type Evidence, evidenceSchema, judgeEvidence, type Verdict } from '../accountability/evidence.ts';
import type { MessageOf } from '../messages/index.ts';
import type { ClientOutput } from './io.ts';
import type { ClientSession } from './session.ts';

export interface Findings {
  readonly guilty: Set<ReplicaIndex>;
  /** Whether more replicas are proved faulty than the service tolerates: no answer is to be trusted to be the only one. */
  forked: boolean;
  /** When a piece from each replica was judged last, by the monotonic clock. */
  readonly judgedAtMs: Map<ReplicaIndex, number>;
}

/** Sessions of one process share what they know. */
export function makeFindings(): Findings {
  return { guilty: new Set(), forked: false, judgedAtMs: new Map() };
}

/** Takes a piece as known, of an earlier process too. Answers what it proves if that is new; nothing is, once a fork is proved. */
export function noteEvidence(
  { context, findings }: Pick<ClientSession, 'context' | 'findings'>,
  evidence: Evidence,
): Verdict | undefined {
  if (findings.forked) return undefined;
  const verdict = judgeEvidence(context, evidence);
  if (verdict === undefined) return undefined;
  if (!verdict.forked && verdict.guilty.every((replica) => findings.guilty.has(replica))) return undefined;
  for (const replica of verdict.guilty) findings.guilty.add(replica);
  findings.forked = verdict.forked || findings.guilty.size > context.cluster.thresholds.linearizableWhile;
  return verdict;
}

/** What the session found itself, or was sent: an event if it is news. Answers whether it was. */
export function reportEvidence(session: ClientSession, evidence: Evidence, out: ClientOutput): boolean {
  const verdict = noteEvidence(session, evidence);
  if (verdict !== undefined) out.events.push({ type: 'evidence', evidence, ...verdict });
  return verdict !== undefined;
}

/** On EVIDENCE. Its bytes are bounded by the message's form, and how many are judged by time. Answers why it was refused, if it was. */
export function onEvidence(
  session: ClientSession,
  from: ReplicaIndex,
  message: MessageOf<'evidence'>,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  const { findings, limits } = session;
  if (findings.forked) return 'NOTHING_NEW_PROVED';
  const lastMs = findings.judgedAtMs.get(from) ?? Number.NEGATIVE_INFINITY;
  if (nowMs - lastMs < limits.evidenceMs) return 'TOO_MUCH_EVIDENCE';
  findings.judgedAtMs.set(from, nowMs);
  const decoded = decode(evidenceSchema, message.evidence);
  if (!decoded.ok) return 'MALFORMED_EVIDENCE';
  return reportEvidence(session, decoded.value, out) ? undefined : 'NOTHING_NEW_PROVED';
}
