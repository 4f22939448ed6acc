/** Checkpoints, the low watermark, and what may be forgotten below it (PBFT §4.3; docs/protocol.md §6). */

import { assert } from '../../types/assert.ts';
import type { ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import { signedBy } from '../context.ts';
import { freezeLedger, prepareSnapshot, snapshotOf, windowChunks } from '../ledger.ts';
import type { CheckpointCertificate } from '../messages/certificates.ts';
import {
  type Checkpoint,
  type CheckpointContent,
  checkpointStatement,
  sameCheckpoint,
} from '../messages/checkpoint.ts';
import type { MessageOf } from '../messages/index.ts';
import type { DurableRecord } from '../records.ts';
import { emit, maySignEntries, persist, promiseToAll, refuse, sign } from './effects.ts';
import { reportEvidence } from './evidence.ts';
import { meetPoint } from './histories.ts';
import type { Party } from './io.ts';
import { becomeLearner } from './promises.ts';
import { maybePropose } from './requests.ts';
import { forgetBatches } from './slots.ts';
import type { FrozenCheckpoint, Replica } from './state.ts';

/**
 * Enter: batch s was executed. Every K batches the state is frozen; it is written and signed for when its digests are known. They are
 * computed a slice at a time, because for a large state they cost more than anyone should wait for.
 */
export function maybeCheckpoint(replica: Replica, s: SequenceNumber): void {
  if (s % replica.context.cluster.limits.checkpointInterval !== 0) return;
  // Only a replica that catches up comes to the next so soon.
  if (replica.frozen !== undefined) finishCheckpoint(replica, replica.frozen);
  replica.frozen = { ...freezeLedger(replica.ledger), windowChunks: windowChunks(replica.ledger) };
  continueCheckpoint(replica);
}

/** Enter: a state was frozen, or a tick. */
export function continueCheckpoint(replica: Replica): void {
  const { frozen, limits } = replica;
  if (frozen !== undefined && prepareSnapshot(frozen, limits.checkpointSliceBytes)) {
    finishCheckpoint(replica, frozen);
  }
}

function finishCheckpoint(replica: Replica, frozen: FrozenCheckpoint): void {
  replica.frozen = undefined;
  const snapshot = snapshotOf(replica.context, frozen);
  const { sequenceNumber: s, hashChainDigest, logRoot } = snapshot.entry;
  const content = { sequenceNumber: s, hashChainDigest, logRoot, stateDigest: snapshot.stateDigest };
  const recorded = replica.recordedCheckpoints.get(s);
  replica.recordedCheckpoints.delete(s);
  assert(
    recorded === undefined || sameCheckpoint(recorded, content),
    `replaying to checkpoint ${s} gave another state than was signed: the service is not deterministic, or its state is damaged`,
  );
  replica.snapshots.set(s, { snapshot, durable: false, leaseUntilMs: 0 });
  replica.out.snapshots.push({
    sequenceNumber: s,
    entry: snapshot.entry,
    summary: snapshot.summary,
    chunks: snapshot.chunks,
    windowChunks: frozen.windowChunks,
  });
  emit(replica, { type: 'checkpointed', sequenceNumber: s, stateDigest: snapshot.stateDigest });
  if (recorded !== undefined) replica.ownCheckpoint = recorded;
  else if (maySignEntries(replica)) signCheckpoint(replica, content);
}

function signCheckpoint(replica: Replica, content: CheckpointContent): void {
  const signature = sign(replica, checkpointStatement(replica.context.cluster, content));
  const checkpoint: Checkpoint = { ...content, replica: replica.index, signature };
  replica.ownCheckpoint = checkpoint;
  persist(replica, { type: 'checkpointed', checkpoint });
  promiseToAll(replica, { type: 'checkpoint', ...checkpoint });
}

/**
 * Enter: this replica starts signing. Its CHECKPOINT counts here only by loopback, so it is repeated; and one that a crash kept from being
 * recorded, and so from being sent, is signed now. Without, a restart of all could leave h, and with it ordering, where it is.
 */
export function repeatOwnCheckpoint(replica: Replica): void {
  const own = replica.ownCheckpoint;
  const [s, held] = [...replica.snapshots].at(-1) ?? [0, undefined];
  if (held !== undefined && s > replica.stable && s > (own?.sequenceNumber ?? 0) && maySignEntries(replica)) {
    const { entry, stateDigest } = held.snapshot;
    const { hashChainDigest, logRoot } = entry;
    signCheckpoint(replica, { sequenceNumber: s, hashChainDigest, logRoot, stateDigest });
  } else if (own !== undefined && own.sequenceNumber > replica.stable) {
    promiseToAll(replica, { type: 'checkpoint', ...own });
  }
}

/** Enter: CHECKPOINT from its signer, our own by loopback. */
export function onCheckpoint(replica: Replica, from: ReplicaIndex, message: MessageOf<'checkpoint'>): void {
  const { type: _, ...checkpoint } = message;
  const party: Party = { kind: 'replica', index: from };
  const reason = rejectCheckpoint(replica, from, checkpoint);
  if (reason !== undefined) return refuse(replica, party, message, reason);
  const s = checkpoint.sequenceNumber;
  const known = replica.checkpoints.get(s)?.get(from);
  if (known !== undefined && sameCheckpoint(known, checkpoint)) return;
  const statement = checkpointStatement(replica.context.cluster, checkpoint);
  if (!signedBy(replica.context, from, statement, checkpoint.signature)) {
    return refuse(replica, party, message, 'BAD_SIGNATURE');
  }
  if (known !== undefined) {
    reportEvidence(replica, { type: 'checkpoints', first: known, second: checkpoint });
    return;
  }
  meetPoint(replica, { type: 'checkpoint', ...checkpoint });
  const votes = replica.checkpoints.get(s) ?? new Map<ReplicaIndex, Checkpoint>();
  votes.set(from, checkpoint);
  replica.checkpoints.set(s, votes);
  replica.newestCheckpoint.set(from, Math.max(s, replica.newestCheckpoint.get(from) ?? 0));
  checkStable(replica, s);
}

function rejectCheckpoint(replica: Replica, from: ReplicaIndex, checkpoint: Checkpoint): string | undefined {
  const { checkpointInterval, watermarkWindow } = replica.context.cluster.limits;
  const s = checkpoint.sequenceNumber;
  if (checkpoint.replica !== from) return 'NOT_THE_SIGNER';
  if (s === 0 || s % checkpointInterval !== 0) return 'NOT_A_CHECKPOINT';
  if (s <= replica.stable) return 'BELOW_WATERMARK';
  if (s > replica.committed + watermarkWindow) return 'ABOVE_WATERMARK';
  return undefined;
}

/** Q equal CHECKPOINTs for s make it stable, once our own state at s is the same and durable. */
function checkStable(replica: Replica, s: SequenceNumber): void {
  const votes = replica.checkpoints.get(s);
  const held = replica.snapshots.get(s);
  // h waits for our own snapshot: else a slow disk would let the log above it grow without bound.
  if (votes === undefined || held?.durable !== true || s <= replica.stable) return;
  const { hashChainDigest, logRoot } = held.snapshot.entry;
  const ours = { sequenceNumber: s, hashChainDigest, logRoot, stateDigest: held.snapshot.stateDigest };
  const { quorumSize } = replica.context.cluster.thresholds;
  const equal = [...votes.values()].filter((vote) => sameCheckpoint(vote, ours));
  if (equal.length < quorumSize) return checkDiverged(replica, ours, votes);
  makeStable(replica, {
    ...ours,
    votes: equal
      .sort((a, b) => a.replica - b.replica)
      .slice(0, quorumSize)
      .map(({ replica: index, signature }) => ({ replica: index, signature })),
  });
}

/** f+1 others that agree on another state than ours include a correct one: we are wrong. Fewer only make an alert. */
function checkDiverged(
  replica: Replica,
  ours: CheckpointContent,
  votes: ReadonlyMap<ReplicaIndex, Checkpoint>,
): void {
  const others = [...votes.values()].filter((vote) => !sameCheckpoint(vote, ours));
  for (const vote of others) {
    const agreeing = others.filter((other) => sameCheckpoint(other, vote)).length;
    if (agreeing < replica.context.cluster.thresholds.beliefSize) continue;
    becomeLearner(replica, 'f+1 others agree on another state than ours');
    return emit(replica, { type: 'diverged', sequenceNumber: ours.sequenceNumber });
  }
}

/** Precondition: the certificate is verified and our own snapshot at its s has its Σ. h rises; what lies below may go. */
export function makeStable(replica: Replica, certificate: CheckpointCertificate): void {
  const s = certificate.sequenceNumber;
  const { summary } = replica.snapshots.get(s)!.snapshot;
  replica.previousStable = replica.stable;
  replica.stable = s;
  replica.stableCertificate = certificate;
  replica.stableSummary = summary;
  persist(replica, { type: 'stable', certificate, summary });
  emit(replica, { type: 'stable', sequenceNumber: s });
  collectGarbage(replica);
  maybePropose(replica);
}

/** Enter: the driver has written the snapshot at s. */
export function onSnapshotDurable(replica: Replica, s: SequenceNumber): void {
  const held = replica.snapshots.get(s);
  if (held === undefined) return;
  held.durable = true;
  replica.durableSnapshot = Math.max(replica.durableSnapshot, s);
  checkStable(replica, s);
  collectGarbage(replica);
}

/**
 * Forgets what no one needs: batches up to the last but one stable checkpoint, so that a peer that is only a little behind can still be given
 * batches instead of the whole state; nothing that our own durable snapshot does not cover; and nothing that is on lease, as long as that
 * is not more than M behind.
 */
export function collectGarbage(replica: Replica): void {
  const now = replica.now.monotonicMs;
  const { watermarkWindow } = replica.context.cluster.limits;
  const leased = [...replica.snapshots]
    .filter(([s, held]) => held.leaseUntilMs > now && s + watermarkWindow >= replica.stable)
    .map(([s]) => s);
  const low = Math.min(replica.previousStable, replica.durableSnapshot, ...leased);
  for (const s of replica.checkpoints.keys()) if (s <= replica.stable) replica.checkpoints.delete(s);
  const newest = Math.min(replica.stable, replica.durableSnapshot);
  for (const s of replica.snapshots.keys()) {
    if (s < newest && !leased.includes(s)) replica.snapshots.delete(s);
  }
  const { oldNewViews } = replica;
  while (oldNewViews.length > 0 && oldNewViews[0]!.keptUntil <= replica.stable) oldNewViews.shift();
  if (low <= replica.logFloor) return;
  forgetBatches(replica, low);
  replica.out.discardBelow = low;
  replica.out.carry = carriedRecords(replica);
}

/** The promises without an s of their own that still hold: written again before older records are deleted. */
export function carriedRecords(replica: Replica): DurableRecord[] {
  const records: DurableRecord[] = [];
  if (replica.stableCertificate !== undefined && replica.stableSummary !== undefined) {
    const { stableCertificate: certificate, stableSummary: summary } = replica;
    records.push({ type: 'stable', certificate, summary });
  }
  const last = replica.ledger.executed;
  if (last.sequenceNumber > 0) {
    const view = replica.log.get(last.sequenceNumber)?.executedView ?? replica.view;
    records.push({ type: 'executed', view, ...last });
  }
  if (replica.ownCheckpoint !== undefined) {
    records.push({ type: 'checkpointed', checkpoint: replica.ownCheckpoint });
  }
  for (const { newView } of replica.oldNewViews) records.push({ type: 'entered', newView });
  if (replica.newView !== undefined) records.push({ type: 'entered', newView: replica.newView });
  if (replica.ownViewChange !== undefined) {
    records.push({ type: 'left', viewChange: replica.ownViewChange });
  }
  if (replica.votesStoppedIn === replica.view) records.push({ type: 'votes-stopped', view: replica.view });
  if (replica.suspectedView >= 0) records.push({ type: 'suspected', view: replica.suspectedView });
  for (const evidence of replica.evidence.values()) records.push({ type: 'evidence', evidence });
  if (replica.silence === 'learner') records.push({ type: 'learner', newestKnown: 0 });
  return records;
}
