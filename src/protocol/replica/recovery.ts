/**
 * Starting: from nothing, or from what the disk kept (docs/protocol.md §7). The log's records are folded into a fresh state with outputs muted; then the
 * committed batches are executed again, and must give the entries that were recorded.
 */

import { assert } from '../../types/assert.ts';
import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { SequenceNumber } from '../../types/identities.ts';
import { chainOf } from '../hash-chain.ts';
import { createLedger, readWindowChunks, restoreLedger, snapshotLedger, stateDigestOf } from '../ledger.ts';
import { batchDigest } from '../messages/batch.ts';
import { type EntryContent, sameEntry } from '../messages/entry.ts';
import type { StateSummary } from '../messages/fetch.ts';
import type { DurableRecord } from '../records.ts';
import { planNewView } from '../view-change-rules.ts';
import type { BodyStore } from './body-store.ts';
import { reportEvidence } from './evidence.ts';
import { executeReady } from './execution.ts';
import { type Clock, emptyOutput } from './io.ts';
import { checkOwnVotes, onNewViewHeader } from './ordering.ts';
import { becomeLearner, noteOwnPromise } from './promises.ts';
import { hasBody, hashChainDigestAt, logLinks, slotOf } from './slots.ts';
import type { Replica, ReplicaOptions } from './state.ts';

/** A snapshot as it was read back: every chunk whole. */
export interface RecoveredSnapshot {
  readonly sequenceNumber: number;
  readonly entry: EntryContent;
  readonly summary: StateSummary;
  readonly chunks: readonly Uint8Array[];
  readonly windowChunks: readonly Uint8Array[];
}

export interface Recovered {
  /** The newest whole one; undefined if there is none. */
  readonly snapshot: RecoveredSnapshot | undefined;
  /** In the order of the log; damaged ones are left out, and the bodies, which `bodies` gives. */
  readonly records: readonly Exclude<DurableRecord, { type: 'body' }>[];
  /** For as long as the replica runs. */
  readonly bodies: BodyStore;
  /** A promise was damaged in both copies, or the disk was emptied: this replica may have signed what it does not know. */
  readonly promisesLost: boolean;
  /** Chunks of a transfer that was under way. */
  readonly receivedChunks?: readonly Uint8Array[];
}

/** A replica in the genesis state, but for the leaves below its snapshot; not yet started. */
function createReplica(options: ReplicaOptions, bodies: BodyStore, clock: Clock): Replica {
  const { context, index, limits } = options;
  return {
    options,
    context,
    index,
    limits,
    ledger: createLedger(context, options.service, options.leaves),
    now: clock,
    out: emptyOutput(),
    view: 0,
    phase: 'normal',
    silence: 'none',
    mayPropose: true,
    suspects: new Map(),
    suspectedView: -1,
    joinedAtMs: Number.NEGATIVE_INFINITY,
    viewChanges: new Map(),
    ownViewChange: undefined,
    newView: undefined,
    newViewBase: 0,
    newViewLast: 0,
    newViewVerified: true,
    oldNewViews: [],
    timeoutMs: limits.requestTimeoutMs,
    newViewDeadlineMs: undefined,
    viewEnteredAtMs: clock.monotonicMs,
    executedInView: false,
    slowInView: false,
    slots: new Map(),
    unvoted: new Set(),
    votesStoppedIn: -1,
    proposed: 0,
    heldProposals: new Set(),
    committed: 0,
    committedDigest: context.cluster.id,
    commitCertificate: undefined,
    log: new Map(),
    logFloor: 0,
    bodies,
    executedBodies: new Map(),
    executedBodyBytes: 0,
    unlinked: undefined,
    recordedEntries: new Map(),
    signFloor: 0,
    entries: new Map(),
    recentStates: new Map(),
    heldReads: [],
    pending: new Map(),
    pendingBytes: 0,
    pendingPerKey: new Map(),
    relayed: new Map(),
    batchWaitingSinceMs: undefined,
    stable: 0,
    previousStable: 0,
    frozen: undefined,
    ownCheckpoint: undefined,
    recordedCheckpoints: new Map(),
    stableCertificate: undefined,
    stableSummary: undefined,
    checkpoints: new Map(),
    newestCheckpoint: new Map(),
    snapshots: new Map(),
    durableSnapshot: 0,
    peers: new Map(),
    statusNumber: 0,
    heartbeatAtMs: clock.monotonicMs,
    heartbeatSummary: '',
    commitStalled: false,
    committedAtHeartbeat: -1,
    statusDue: new Set(),
    statusSentAtMs: new Map(),
    answeredAtMs: new Map(),
    wanted: new Map(),
    fetchNumbers: new Map(),
    nextFetchNumber: 1,
    demerits: new Map(),
    gapsDirty: false,
    transfer: undefined,
    receivedChunks: new Map(),
    wantsTransfer: false,
    tooOldAt: new Set(),
    promisesHeld: new Map(),
    ownPromise: { view: 0, sequenceNumber: 0 },
    promiseFloor: 0,
    ownEntry: 0,
    heardFrom: new Set(),
    mayStart: context.cluster.thresholds.quorumSize === 1,
    started: false,
    versionVector: new Map(),
    head: undefined,
    strangers: new Map(),
    evidence: new Map(),
    evidenceSent: new Map(),
    evidenceTakenAtMs: new Map(),
    clientEvidenceAtMs: { sent: Number.NEGATIVE_INFINITY, taken: Number.NEGATIVE_INFINITY },
    guilty: new Set(),
    wakeAtMs: clock.monotonicMs,
  };
}

/**
 * A replica with everything the disk kept folded into it, not yet started. Postcondition: everything executable was executed and met its
 * records.
 * @throws InvariantError if the disk contradicts itself.
 */
export function recoverReplica(options: ReplicaOptions, recovered: Recovered, clock: Clock): Replica {
  const { leaves } = options;
  const s = recovered.snapshot?.sequenceNumber ?? 0;
  assert(leaves.size >= s, `the leaf store holds ${leaves.size} leaves; the snapshot at ${s} needs as many`);
  // Leaves above the snapshot are made again by replay: what was written without being synced is not to be trusted.
  leaves.truncate(s);
  const replica = createReplica(options, recovered.bodies, clock);
  recover(replica, recovered);
  return replica;
}

function recover(replica: Replica, recovered: Recovered): void {
  const muted = replica.out;
  replica.out = emptyOutput();
  for (const bytes of recovered.receivedChunks ?? []) {
    replica.receivedChunks.set(keyOf(replica.context.crypto.hash(bytes)), bytes);
  }
  if (recovered.snapshot !== undefined) restoreSnapshot(replica, recovered.snapshot);
  noteBodies(replica);
  for (const record of recovered.records) foldRecord(replica, record);
  findLogFloor(replica);
  finishFold(replica);
  executeReady(replica);
  replica.gapsDirty = true;
  // What the replay executed beyond the recorded entries is news, and so are its snapshots: the disk may not have them.
  const { snapshots, persist: records } = replica.out;
  replica.out = muted;
  // Evidence is judged again, and is in the log already.
  replica.out.persist.push(...records.filter((record) => record.type !== 'evidence'));
  replica.out.snapshots.push(...snapshots);
  if (recovered.promisesLost) becomeLearner(replica, 'records of promises were lost on disk');
}

function restoreSnapshot(replica: Replica, snapshot: RecoveredSnapshot): void {
  const { entry, summary, sequenceNumber: s } = snapshot;
  const { tree } = replica.ledger;
  const window = readWindowChunks(snapshot.windowChunks);
  assert(tree.size === s, 'the log tree ends where the snapshot stands');
  restoreLedger(replica.ledger, replica.options.service, entry, summary, snapshot.chunks, window);
  const restored = snapshotLedger(replica.ledger);
  assert(
    equalBytes(restored.stateDigest, stateDigestOf(replica.context, s, summary)),
    `the snapshot at ${s} restores to the state that it was taken of`,
  );
  replica.snapshots.set(s, { snapshot: restored, durable: true, leaseUntilMs: 0 });
  replica.durableSnapshot = s;
  replica.committed = s;
  replica.committedDigest = entry.hashChainDigest;
  replica.logFloor = s;
  replica.ownEntry = s;
  replica.signFloor = s;
}

/** Which bodies the log holds, one after the other: together they may be more than memory has room for. */
function noteBodies(replica: Replica): void {
  const { cluster, crypto } = replica.context;
  for (const s of replica.bodies.sequenceNumbers()) {
    for (const batch of replica.bodies.read(s)) {
      slotOf(replica, s).persistedBodies.add(keyOf(batchDigest(cluster, crypto, batch)));
    }
  }
}

function foldRecord(replica: Replica, record: Recovered['records'][number]): void {
  switch (record.type) {
    case 'accepted': {
      const { header } = record;
      noteOwnPromise(replica, header.view, header.sequenceNumber);
      const slot = slotOf(replica, header.sequenceNumber);
      slot.header = header;
      slot.accepted = true;
      slot.fromNewView = true;
      return;
    }
    case 'prepared': {
      const { vote, certificate } = record;
      noteOwnPromise(replica, vote.view, vote.sequenceNumber);
      const slot = slotOf(replica, vote.sequenceNumber);
      slot.prepared = certificate;
      slot.ownVotes.clear();
      slot.ownVotes.set(vote.view, vote);
      return;
    }
    case 'committed':
      return foldCommitted(replica, record);
    case 'executed': {
      const { type: _, view, ...entry } = record;
      replica.ownEntry = Math.max(replica.ownEntry, entry.sequenceNumber);
      replica.signFloor = Math.max(replica.signFloor, entry.sequenceNumber);
      const { executed } = replica.ledger;
      if (entry.sequenceNumber === executed.sequenceNumber) {
        assert(sameEntry(entry, executed), 'the snapshot has the entry that was recorded for its batch');
      }
      if (entry.sequenceNumber > executed.sequenceNumber) {
        replica.recordedEntries.set(entry.sequenceNumber, entry);
      }
      const logged = replica.log.get(entry.sequenceNumber);
      if (logged !== undefined) logged.executedView = view;
      return;
    }
    case 'votes-stopped':
      replica.votesStoppedIn = Math.max(replica.votesStoppedIn, record.view);
      return;
    case 'suspected':
      replica.suspectedView = Math.max(replica.suspectedView, record.view);
      return;
    case 'left': {
      const { view } = record.viewChange.viewChange;
      if (view <= replica.view) return;
      replica.view = view;
      replica.phase = 'changing';
      replica.ownViewChange = record.viewChange;
      return;
    }
    case 'entered': {
      const { newView } = record;
      if (newView.view < replica.view || (newView.view === replica.view && replica.phase === 'normal'))
        return;
      if (replica.newView !== undefined && replica.newView.view < newView.view) {
        replica.oldNewViews.push({ newView: replica.newView, keptUntil: replica.stable });
      }
      replica.view = newView.view;
      replica.phase = 'normal';
      replica.newView = newView;
      return;
    }
    case 'checkpointed': {
      const { checkpoint } = record;
      replica.ownCheckpoint = checkpoint;
      if (checkpoint.sequenceNumber > replica.ledger.executed.sequenceNumber) {
        replica.recordedCheckpoints.set(checkpoint.sequenceNumber, checkpoint);
      }
      return;
    }
    case 'stable': {
      // h rises only to what our own state covers; a stable record above a lost snapshot is learned again from peers.
      const { certificate, summary } = record;
      replica.promiseFloor = Math.max(replica.promiseFloor, certificate.sequenceNumber);
      if (certificate.sequenceNumber <= replica.stable || certificate.sequenceNumber > replica.committed)
        return;
      replica.previousStable = replica.stable;
      replica.stable = certificate.sequenceNumber;
      replica.stableCertificate = certificate;
      replica.stableSummary = summary;
      return;
    }
    case 'evidence':
      reportEvidence(replica, record.evidence);
      return;
    case 'learner':
      replica.silence = 'learner';
      return;
  }
}

/** Links on top of what is committed, or below the snapshot: those are for peers that are not so far yet. */
function foldCommitted(replica: Replica, record: Extract<DurableRecord, { type: 'committed' }>): void {
  const { after, links, certificate } = record;
  // A gap means that a certificate above was damaged; peers have it.
  const start = after > replica.committed ? undefined : hashChainDigestAt(replica, after);
  if (start === undefined) return;
  const chain = chainOf(replica.context.crypto, start, links);
  if (!equalBytes(chain.at(-1)!, certificate.hashChainDigest)) return;
  const overlap = replica.committed - after;
  if (overlap > 0 && overlap <= chain.length) {
    if (!equalBytes(chain[overlap - 1]!, replica.committedDigest)) return;
  }
  logLinks(replica, after, links, chain, certificate);
  // At the snapshot's own s too: the snapshot brings the state but no certificate, and C must not be lower than what we committed.
  if (certificate.sequenceNumber < replica.committed) return;
  replica.committed = certificate.sequenceNumber;
  replica.committedDigest = certificate.hashChainDigest;
  replica.commitCertificate = certificate;
}

/** How far below the snapshot the log still reaches without a gap: so far it is given to peers. */
function findLogFloor(replica: Replica): void {
  let floor = replica.ledger.executed.sequenceNumber;
  const isHere = (s: SequenceNumber): boolean => {
    const entry = replica.log.get(s);
    return entry !== undefined && hasBody(replica, s, entry.batchDigest);
  };
  while (isHere(floor)) floor--;
  replica.logFloor = floor;
  for (const s of replica.log.keys()) if (s <= floor) replica.log.delete(s);
  // Slots above h are kept even where the log has a gap: what was prepared in them belongs into P.
  for (const s of replica.slots.keys()) if (s <= Math.min(floor, replica.stable)) replica.slots.delete(s);
}

/** Puts the view of the last NEW-VIEW, if we are in it, back into force, and the null batches, which are in no record. */
function finishFold(replica: Replica): void {
  const { newView } = replica;
  if (newView !== undefined && newView.view === replica.view && replica.phase === 'normal') {
    const { base } = planNewView(replica.context, newView.viewChanges)!;
    replica.newViewBase = base.sequenceNumber;
    replica.newViewLast = base.sequenceNumber + newView.headers.length;
    replica.newViewVerified = false;
    for (const header of newView.headers) {
      const slot =
        header.sequenceNumber > replica.stable ? slotOf(replica, header.sequenceNumber) : undefined;
      if (slot !== undefined && slot.header?.view !== header.view) onNewViewHeader(replica, header);
    }
  }
  const isLeading = replica.view % replica.context.cluster.thresholds.replicaCount === replica.index;
  // It may have proposed what it does not remember: but for a view's first, PRE-PREPAREs travel before their records are durable.
  const hasHistory = replica.ownPromise.sequenceNumber > 0 || replica.view > 0 || replica.committed > 0;
  if (isLeading && replica.phase === 'normal' && hasHistory) replica.mayPropose = false;
  checkOwnVotes(replica, replica.stable + 1, replica.committed);
  for (const slot of replica.slots.values()) {
    const { header } = slot;
    if (header === undefined || header.view !== replica.view) continue;
    if (slot.prepared?.header.view === replica.view && !slot.ownVotes.has(replica.view)) {
      replica.unvoted.add(slot.sequenceNumber);
    }
  }
}
