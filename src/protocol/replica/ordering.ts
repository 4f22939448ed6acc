/** The normal case: PRE-PREPARE, PREPARE, commit votes (PBFT §4.2; docs/protocol.md §3.3–3.7). */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { Digest, ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import { isHeaderSigned, rejectBatch } from '../certificates.ts';
import { signedBy } from '../context.ts';
import { primaryOf } from '../genesis.ts';
import { extendHashChain } from '../hash-chain.ts';
import { type Batch, batchDigest } from '../messages/batch.ts';
import type { PreparedCertificate, Vote } from '../messages/certificates.ts';
import type { MessageOf } from '../messages/index.ts';
import {
  type Commit,
  commitStatement,
  type Header,
  headerStatement,
  type Prepare,
  prepareStatement,
} from '../messages/ordering.ts';
import type { ClientRequest } from '../messages/request.ts';
import { onCertificate } from './committing.ts';
import {
  emit,
  maySignOrdering,
  persist,
  promiseToAll,
  promiseToOthers,
  refuse,
  sendToOthers,
  sign,
} from './effects.ts';
import { reportEvidence } from './evidence.ts';
import type { Party } from './io.ts';
import { noteCommitHeld, noteOwnPromise, notePrepareHeld } from './promises.ts';
import { findBody, hashChainDigestAt, rejectSequenceNumber, slotOf } from './slots.ts';
import type { Replica, Slot } from './state.ts';

/** Called by the primary with requests to order. Postcondition: they are proposed at `proposed`, which has grown by one. */
export function propose(replica: Replica, requests: readonly ClientRequest[]): void {
  const { cluster, crypto } = replica.context;
  const sequenceNumber = replica.proposed + 1;
  replica.proposed = sequenceNumber;
  // Not above earlier times where the clock was set back: a batch that runs ahead of the clock would be held, and effective time never falls anyway.
  const batch: Batch = { timeMs: replica.now.wallMs, requests };
  const fields = { view: replica.view, sequenceNumber, batchDigest: batchDigest(cluster, crypto, batch) };
  const header = { ...fields, signature: sign(replica, headerStatement(cluster, fields)) };
  const slot = slotOf(replica, sequenceNumber);
  setHeader(slot, header, false);
  slot.bodies.set(keyOf(header.batchDigest), batch);
  emit(replica, { type: 'proposed', view: replica.view, sequenceNumber, requests: requests.length });
  tryAccept(replica, slot);
  const message = { type: 'pre-prepare', header, batch } as const;
  // It may travel while our own record is being synced, because a replica that restarts as primary and finds that it has proposed
  // in its view proposes nothing more in it. The first one waits: without its record nothing would be found.
  if (sequenceNumber === replica.newViewLast + 1) promiseToOthers(replica, message);
  else sendToOthers(replica, message);
}

function setHeader(slot: Slot, header: Header, fromNewView: boolean): void {
  // Bodies of earlier views' headers go, but for what is prepared: each view could leave one more behind.
  const kept = [header.batchDigest, slot.prepared?.header.batchDigest].map(
    (digest) => digest && keyOf(digest),
  );
  for (const key of slot.bodies.keys()) if (!kept.includes(key)) slot.bodies.delete(key);
  slot.header = header;
  slot.accepted = false;
  slot.fromNewView = fromNewView;
}

/** Enter: PRE-PREPARE from anyone; only primary(v)'s signature counts. PBFT §4.2. */
export function onPrePrepare(replica: Replica, from: Party, message: MessageOf<'pre-prepare'>): void {
  const { header, batch } = message;
  const { cluster, crypto } = replica.context;
  if (batch !== undefined && !equalBytes(batchDigest(cluster, crypto, batch), header.batchDigest)) {
    return refuse(replica, from, message, 'NOT_THE_BODY');
  }
  const reason = onHeader(replica, header) ?? (batch && onBody(replica, header.sequenceNumber, batch));
  if (reason !== undefined) refuse(replica, from, message, reason);
}

/** A header, with or without its body, pushed or fetched. Answers why it is not taken. */
export function onHeader(replica: Replica, header: Header): string | undefined {
  if (header.view !== replica.view || replica.phase !== 'normal') return 'OTHER_VIEW';
  if (primaryOf(replica.context.cluster, header.view) === replica.index) return 'OWN_VIEW';
  if (header.sequenceNumber <= replica.newViewBase) return 'BELOW_BASE';
  const position = rejectSequenceNumber(replica, header.sequenceNumber);
  if (position !== undefined) return position;
  const slot = slotOf(replica, header.sequenceNumber);
  const known = slot.header?.view === header.view ? slot.header : undefined;
  if (known !== undefined && equalBytes(known.batchDigest, header.batchDigest)) return undefined;
  if (!isHeaderSigned(replica.context, header)) return 'BAD_SIGNATURE';
  if (known !== undefined) {
    reportEvidence(replica, { type: 'headers', first: known, second: header });
    return 'CONFLICTING_HEADER';
  }
  // NEW-VIEW's O speaks for all s up to its last: a primary that proposes there again proposes something else.
  if (header.sequenceNumber <= replica.newViewLast) return 'NOT_IN_NEW_VIEW';
  setHeader(slot, header, false);
  tryAccept(replica, slot);
  return undefined;
}

/** O's header for s, from a verified NEW-VIEW. */
export function onNewViewHeader(replica: Replica, header: Header): void {
  setHeader(slotOf(replica, header.sequenceNumber), header, true);
}

/** A body for the slot's header or prepared certificate, pushed or fetched. Answers why it is not taken. */
export function onBody(replica: Replica, s: SequenceNumber, batch: Batch): string | undefined {
  const slot = replica.slots.get(s);
  if (slot === undefined) return 'NOT_WANTED';
  const { cluster, crypto } = replica.context;
  const digest = batchDigest(cluster, crypto, batch);
  const isWanted =
    (slot.header !== undefined && equalBytes(slot.header.batchDigest, digest)) ||
    (slot.prepared !== undefined && equalBytes(slot.prepared.header.batchDigest, digest));
  if (!isWanted) return 'NOT_WANTED';
  const key = keyOf(digest);
  if (slot.bodies.has(key) || slot.persistedBodies.has(key)) return undefined;
  const reason = rejectBatch(replica.context, batch);
  if (reason !== undefined) return reason;
  slot.bodies.set(key, batch);
  tryAccept(replica, slot);
  return undefined;
}

/** Whether a fresh proposal's time fits our clock: 'held' if it is too far ahead for now. */
function judgeTime(replica: Replica, slot: Slot, batch: Batch): 'fits' | 'held' | 'too-old' {
  const { clockSkewMs, clockLagMs } = replica.context.cluster.limits;
  const isFresh = !slot.fromNewView && slot.sequenceNumber > replica.committed;
  if (!isFresh) return 'fits';
  if (batch.timeMs > replica.now.wallMs + clockSkewMs) return 'held';
  return batch.timeMs < replica.now.wallMs - clockLagMs ? 'too-old' : 'fits';
}

/**
 * Accepts the slot's header once its body is here and nothing stands against it: persists both, then prepares. Called whenever one
 * of these may have changed.
 */
export function tryAccept(replica: Replica, slot: Slot): void {
  const { header } = slot;
  if (header === undefined || slot.accepted || header.view !== replica.view) return;
  if (replica.phase !== 'normal' || !replica.newViewVerified || !maySignOrdering(replica)) return;
  const batch = findBody(replica, slot.sequenceNumber, header.batchDigest);
  if (batch === undefined) {
    replica.gapsDirty = true;
    return;
  }
  const time = judgeTime(replica, slot, batch);
  if (time === 'held') replica.heldProposals.add(slot.sequenceNumber);
  if (time !== 'fits') return;
  replica.heldProposals.delete(slot.sequenceNumber);
  slot.accepted = true;
  const { view, sequenceNumber, batchDigest: digest } = header;
  // The body first: a crash between the two must not leave a header that we would prepare again without its body.
  persistBody(replica, slot, digest, batch);
  persist(replica, { type: 'accepted', header });
  noteOwnPromise(replica, view, sequenceNumber);
  emit(replica, { type: 'accepted', view, sequenceNumber, batchDigest: digest });
  if (primaryOf(replica.context.cluster, view) !== replica.index) {
    const fields = { view, sequenceNumber, batchDigest: digest };
    const signature = sign(replica, prepareStatement(replica.context.cluster, fields));
    promiseToAll(replica, { type: 'prepare', ...fields, replica: replica.index, signature });
  }
  checkPrepared(replica, slot);
}

/** Writes a body to the log once. The null batch needs none. */
export function persistBody(replica: Replica, slot: Slot, digest: Digest, batch: Batch): void {
  const key = keyOf(digest);
  if (batch.requests.length === 0 && batch.timeMs === 0) return;
  if (slot.persistedBodies.has(key)) return;
  slot.persistedBodies.add(key);
  persist(replica, { type: 'body', sequenceNumber: slot.sequenceNumber, batch });
}

/** Enter: PREPARE from the backup that signed it, our own by loopback. */
export function onPrepare(replica: Replica, from: ReplicaIndex, prepare: MessageOf<'prepare'>): void {
  const party: Party = { kind: 'replica', index: from };
  const reason = rejectPrepare(replica, from, prepare);
  if (reason !== undefined) return refuse(replica, party, prepare, reason);
  const slot = slotOf(replica, prepare.sequenceNumber);
  const known = slot.prepares.get(from);
  if (known !== undefined && known.view > prepare.view) return;
  const isRepeat = known?.view === prepare.view && equalBytes(known.batchDigest, prepare.batchDigest);
  if (isRepeat || slot.prepared?.header.view === prepare.view) return;
  const statement = prepareStatement(replica.context.cluster, prepare);
  if (!signedBy(replica.context, from, statement, prepare.signature)) {
    return refuse(replica, party, prepare, 'BAD_SIGNATURE');
  }
  if (known !== undefined && known.view === prepare.view) {
    reportEvidence(replica, { type: 'prepares', first: known, second: prepare });
    return;
  }
  slot.prepares.set(from, prepare);
  const { type: _, ...held } = prepare;
  notePrepareHeld(replica, held);
  checkPrepared(replica, slot);
  if (!slot.accepted) replica.gapsDirty = true;
}

function rejectPrepare(replica: Replica, from: ReplicaIndex, prepare: Prepare): string | undefined {
  if (prepare.replica !== from) return 'NOT_THE_SIGNER';
  if (primaryOf(replica.context.cluster, prepare.view) === from) return 'PRIMARY_PREPARES';
  if (prepare.view < replica.view) return 'OLD_VIEW';
  return rejectSequenceNumber(replica, prepare.sequenceNumber);
}

/** Prepared(v, s, D): the accepted header of our view and Q−1 matching PREPAREs. */
function checkPrepared(replica: Replica, slot: Slot): void {
  const { header } = slot;
  if (header === undefined || !slot.accepted || header.view !== replica.view) return;
  if (slot.prepared?.header.view === header.view) return;
  const needed = replica.context.cluster.thresholds.quorumSize - 1;
  const matching: Vote[] = [];
  for (const prepare of slot.prepares.values()) {
    if (prepare.view === header.view && equalBytes(prepare.batchDigest, header.batchDigest)) {
      matching.push({ replica: prepare.replica, signature: prepare.signature });
    }
  }
  if (matching.length < needed) return;
  slot.prepared = {
    header,
    prepares: matching.sort((a, b) => a.replica - b.replica).slice(0, needed),
  } satisfies PreparedCertificate;
  replica.unvoted.add(slot.sequenceNumber);
  castVotes(replica);
}

/**
 * Commit votes, in order (docs/protocol.md §3.6). The votes of one view form one chain: HCD^s extends our vote for s−1 of *this* view or, if there is
 * none, our committed HCD^{s−1}. A vote for s−1 of an earlier view does not count: with it, two quorums can commit
 * different batches.
 */
export function castVotes(replica: Replica): void {
  if (replica.unvoted.size === 0 || replica.phase !== 'normal' || !maySignOrdering(replica)) return;
  for (const s of [...replica.unvoted].sort((a, b) => a - b)) {
    if (areVotesStopped(replica) || !castVote(replica, replica.slots.get(s)!)) return;
    replica.unvoted.delete(s);
  }
}

/**
 * Stops voting in this view if what is committed from `from` to `to` contradicts a vote of ours: with more than f faulty it may, and a later
 * vote on top of what is committed would be of another chain. Two certificates of the view could then hold our votes, and name us. It is recorded,
 * because a process that starts in the same view, when the votes are behind a stable checkpoint, has nothing left to compare.
 */
export function checkOwnVotes(replica: Replica, from: SequenceNumber, to: SequenceNumber): void {
  for (let s = from; s <= to && !areVotesStopped(replica); s++) {
    const vote = replica.slots.get(s)?.ownVotes.get(replica.view);
    if (vote === undefined) continue;
    const committed = hashChainDigestAt(replica, s);
    if (committed === undefined || !equalBytes(committed, vote.hashChainDigest)) stopVotes(replica);
  }
}

function areVotesStopped({ votesStoppedIn, view }: Replica): boolean {
  return votesStoppedIn === view;
}

function stopVotes(replica: Replica): void {
  replica.votesStoppedIn = replica.view;
  persist(replica, { type: 'votes-stopped', view: replica.view });
}

/** Whether the vote was cast, or had been. */
function castVote(replica: Replica, slot: Slot): boolean {
  const { view } = replica;
  const { sequenceNumber, prepared } = slot;
  if (slot.ownVotes.has(view)) return true;
  // A certificate of a later view exists: this view is history, and another batch may be committed by now.
  if (replica.commitCertificate !== undefined && replica.commitCertificate.view > view) return false;
  const voted = replica.slots.get(sequenceNumber - 1)?.ownVotes.get(view)?.hashChainDigest;
  const committed =
    sequenceNumber - 1 <= replica.committed ? hashChainDigestAt(replica, sequenceNumber - 1) : undefined;
  if (voted !== undefined && committed !== undefined && !equalBytes(voted, committed)) {
    stopVotes(replica);
    return false;
  }
  const previous = voted ?? committed;
  if (previous === undefined) return false;
  const { batchDigest: digest } = prepared!.header;
  const hashChainDigest = extendHashChain(replica.context.crypto, previous, digest);
  const known = sequenceNumber <= replica.committed ? hashChainDigestAt(replica, sequenceNumber) : undefined;
  if (known !== undefined && !equalBytes(known, hashChainDigest)) {
    stopVotes(replica);
    return false;
  }
  const fields = { view, sequenceNumber, hashChainDigest };
  const signature = sign(replica, commitStatement(replica.context.cluster, fields));
  const vote: Commit = { ...fields, replica: replica.index, signature };
  slot.ownVotes.clear();
  slot.ownVotes.set(view, vote);
  persist(replica, { type: 'prepared', certificate: prepared!, vote });
  noteOwnPromise(replica, view, sequenceNumber);
  emit(replica, { type: 'voted', ...fields });
  promiseToAll(replica, { type: 'commit', ...vote });
  return true;
}

/** Enter: a commit vote from the replica that signed it, our own by loopback. */
export function onCommit(replica: Replica, from: ReplicaIndex, commit: MessageOf<'commit'>): void {
  const party: Party = { kind: 'replica', index: from };
  if (commit.replica !== from) return refuse(replica, party, commit, 'NOT_THE_SIGNER');
  const { sequenceNumber, view } = commit;
  // Above the window it is a hint that we lag; STATUS says so more reliably.
  const position = rejectSequenceNumber(replica, sequenceNumber);
  if (position !== undefined) return refuse(replica, party, commit, position);
  if (sequenceNumber <= replica.committed && !isConflict(replica, commit)) return;
  const slot = slotOf(replica, sequenceNumber);
  const known = slot.commits.get(from);
  if (known !== undefined && known.view > view) return;
  if (known?.view === view && equalBytes(known.hashChainDigest, commit.hashChainDigest)) return;
  const statement = commitStatement(replica.context.cluster, commit);
  if (!signedBy(replica.context, from, statement, commit.signature)) {
    return refuse(replica, party, commit, 'BAD_SIGNATURE');
  }
  if (known !== undefined && known.view === view) {
    reportEvidence(replica, { type: 'commits', first: known, second: commit });
    return;
  }
  slot.commits.set(from, commit);
  const { type: _, ...held } = commit;
  noteCommitHeld(replica, held);
  checkCommitted(replica, slot, commit);
}

/** A vote for another chain than the committed one: kept, since Q of them prove a fork. */
function isConflict(replica: Replica, commit: Commit): boolean {
  const committed = hashChainDigestAt(replica, commit.sequenceNumber);
  return committed !== undefined && !equalBytes(committed, commit.hashChainDigest);
}

/** Q votes with one (v, s, HCD) make the commit certificate. */
function checkCommitted(replica: Replica, slot: Slot, newest: Commit): void {
  const { quorumSize, beliefSize } = replica.context.cluster.thresholds;
  const matching: Vote[] = [];
  for (const commit of slot.commits.values()) {
    if (commit.view === newest.view && equalBytes(commit.hashChainDigest, newest.hashChainDigest)) {
      matching.push({ replica: commit.replica, signature: commit.signature });
    }
  }
  if (matching.length >= beliefSize && slot.header === undefined) replica.gapsDirty = true;
  if (matching.length < quorumSize) return;
  onCertificate(replica, {
    view: newest.view,
    sequenceNumber: newest.sequenceNumber,
    hashChainDigest: newest.hashChainDigest,
    votes: matching.sort((a, b) => a.replica - b.replica).slice(0, quorumSize),
  });
}
