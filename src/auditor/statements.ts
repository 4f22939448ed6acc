/**
 * What the replicas have signed, held against itself: of each (kind, view, s, signer) the first statement is kept, and a second one that says
 * something else is evidence (docs/protocol.md §9). Archives that are audited together share one of these, so that what a replica told one
 * and what it told another meet here. Only statements whose signatures hold come in.
 */

import { withholdsPrepared } from '../protocol/accountability/conflicts.ts';
import { type Evidence, judgeEvidence, type Verdict } from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import type { CommitCertificate } from '../protocol/messages/certificates.ts';
import { type Checkpoint, sameCheckpoint } from '../protocol/messages/checkpoint.ts';
import type { Commit, Header, Prepare } from '../protocol/messages/ordering.ts';
import type { ViewChange } from '../protocol/messages/view-change.ts';
import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../types/identities.ts';

export interface FoundEvidence {
  readonly evidence: Evidence;
  readonly verdict: Verdict;
}

/** Of one s; keys are view or view and signer. */
interface Slot {
  readonly headers: Map<number, Header>;
  readonly prepares: Map<string, Prepare>;
  readonly commits: Map<string, Commit>;
  readonly checkpoints: Map<ReplicaIndex, Checkpoint>;
}

export interface Statements {
  readonly context: Context;
  readonly slots: Map<SequenceNumber, Slot>;
  /** Of each replica the last `VIEW_CHANGES_KEPT`. */
  readonly viewChanges: Map<ReplicaIndex, ViewChange[]>;
  /** By kind and guilty: one piece for each is enough. */
  readonly evidence: Map<string, FoundEvidence>;
}

/** What a quorum of liars may make us remember. */
const STATEMENTS_PER_SLOT_MAX = 4096;
const SLOTS_MAX = 16_384;
const VIEW_CHANGES_KEPT = 64;
const EVIDENCE_MAX = 256;

export function createStatements(context: Context): Statements {
  return { context, slots: new Map(), viewChanges: new Map(), evidence: new Map() };
}

export function noteHeader(statements: Statements, header: Header): void {
  const known = keep(slotOf(statements, header.sequenceNumber)?.headers, header.view, header);
  if (known !== undefined && !equalBytes(known.batchDigest, header.batchDigest)) {
    report(statements, { type: 'headers', first: known, second: header });
  }
}

export function notePrepare(statements: Statements, prepare: Prepare): void {
  const key = `${prepare.view}:${prepare.replica}`;
  const known = keep(slotOf(statements, prepare.sequenceNumber)?.prepares, key, prepare);
  if (known !== undefined && !equalBytes(known.batchDigest, prepare.batchDigest)) {
    report(statements, { type: 'prepares', first: known, second: prepare });
  }
}

export function noteCommit(statements: Statements, commit: Commit): void {
  const key = `${commit.view}:${commit.replica}`;
  const known = keep(slotOf(statements, commit.sequenceNumber)?.commits, key, commit);
  if (known !== undefined) {
    if (!equalBytes(known.hashChainDigest, commit.hashChainDigest)) {
      report(statements, { type: 'commits', first: known, second: commit });
    }
    return;
  }
  for (const each of statements.viewChanges.get(commit.replica) ?? [])
    judgeWithheld(statements, commit, each);
}

export function noteCertificate(statements: Statements, certificate: CommitCertificate): void {
  const { view, sequenceNumber, hashChainDigest, votes } = certificate;
  for (const vote of votes) noteCommit(statements, { view, sequenceNumber, hashChainDigest, ...vote });
}

export function noteCheckpoint(statements: Statements, checkpoint: Checkpoint): void {
  const slot = slotOf(statements, checkpoint.sequenceNumber);
  const known = keep(slot?.checkpoints, checkpoint.replica, checkpoint);
  if (known !== undefined && !sameCheckpoint(known, checkpoint)) {
    report(statements, { type: 'checkpoints', first: known, second: checkpoint });
  }
}

export function noteViewChange(statements: Statements, viewChange: ViewChange): void {
  const { cluster } = statements.context;
  const { replica, view, base } = viewChange;
  const kept = statements.viewChanges.get(replica) ?? [];
  if (kept.some((each) => each.view === view && equalBytes(each.signature, viewChange.signature))) return;
  kept.push(viewChange);
  if (kept.length > VIEW_CHANGES_KEPT) kept.shift();
  statements.viewChanges.set(replica, kept);
  const last = base.sequenceNumber + 2 * cluster.limits.pipelineWindow;
  for (let s = base.sequenceNumber + 1; s <= last; s++) {
    for (const commit of statements.slots.get(s)?.commits.values() ?? []) {
      if (commit.replica === replica) judgeWithheld(statements, commit, viewChange);
    }
  }
}

function judgeWithheld(statements: Statements, vote: Commit, viewChange: ViewChange): void {
  if (!withholdsPrepared(statements.context, vote, viewChange)) return;
  report(statements, { type: 'withheld', vote, viewChange });
}

/** The VIEW-CHANGEs that may name the guilty of a fork: of each signer one that withholds its vote for the certificate. */
export function viewChangesAgainst(statements: Statements, lower: CommitCertificate): readonly ViewChange[] {
  return lower.votes.flatMap(({ replica }) => {
    const kept = statements.viewChanges.get(replica) ?? [];
    return kept.find((each) => withholdsPrepared(statements.context, lower, each)) ?? [];
  });
}

/** Judges a piece of evidence and keeps it if it proves something; answers whether it does. */
export function report(statements: Statements, evidence: Evidence): boolean {
  const { context, evidence: found } = statements;
  const complete =
    evidence.type === 'fork'
      ? { ...evidence, viewChanges: [...viewChangesAgainst(statements, lowerOf(evidence))] }
      : evidence;
  const verdict = judgeEvidence(context, complete);
  if (verdict === undefined) return false;
  const key = `${evidence.type}:${verdict.guilty.join(',')}:${verdict.forked}`;
  if (!found.has(key) && found.size < EVIDENCE_MAX) found.set(key, { evidence: complete, verdict });
  return true;
}

function lowerOf({ first, second }: Extract<Evidence, { type: 'fork' }>): CommitCertificate {
  return first.view <= second.view ? first : second;
}

/** Nothing more will come of batches up to `s`. */
export function forgetStatements({ slots }: Statements, s: SequenceNumber): void {
  for (const each of slots.keys()) {
    if (each <= s) slots.delete(each);
  }
}

/** Undefined if too much is remembered already. */
function slotOf({ slots }: Statements, s: SequenceNumber): Slot | undefined {
  let slot = slots.get(s);
  if (slot === undefined && slots.size < SLOTS_MAX) {
    slot = { headers: new Map(), prepares: new Map(), commits: new Map(), checkpoints: new Map() };
    slots.set(s, slot);
  }
  return slot;
}

/** Keeps the first; answers the one that was there. */
function keep<Key, Value>(map: Map<Key, Value> | undefined, key: Key, value: Value): Value | undefined {
  const known = map?.get(key);
  if (known === undefined && map !== undefined && map.size < STATEMENTS_PER_SLOT_MAX) map.set(key, value);
  return known;
}
