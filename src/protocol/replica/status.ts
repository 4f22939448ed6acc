/**
 * STATUS: the only retransmission there is (docs/protocol.md §6). Each heartbeat every peer is told what we have and lack; it answers with its own
 * small messages that were missing twice running, and everything large is fetched.
 */

import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import { signedBy } from '../context.ts';
import { primaryOf } from '../genesis.ts';
import { entryStatement } from '../messages/entry.ts';
import type { Message, MessageOf } from '../messages/index.ts';
import { prepareStatement } from '../messages/ordering.ts';
import type { StatusMessage } from '../messages/status.ts';
import { kthHighest } from '../quorum.ts';
import { repeatOwnCheckpoint } from './checkpointing.ts';
import { maySignOrdering, promiseTo, promiseToAll, sendTo, sign } from './effects.ts';
import { reportEvidence } from './evidence.ts';
import { shareEvidence } from './evidence-exchange.ts';
import { keepHead, ownNewestEntry } from './heads.ts';
import { meetEntry } from './histories.ts';
import { castVotes } from './ordering.ts';
import { claimsForgottenPromise, noteEntryHeld, summaryOfHeld } from './promises.ts';
import { hasBody } from './slots.ts';
import type { PeerStatus, Replica, Slot } from './state.ts';
import { signSuspect, suspect } from './suspicion.ts';
import { verifyNewViewBase } from './view-change.ts';

/** No message overtakes another by more than this. */
const OVERTAKING_MS = 1_000;

/** A peer is told out of turn at most this often. */
const STATUS_INTERVAL_MS = 20;

export function statusDueToAll(replica: Replica): void {
  for (let index = 0; index < replica.context.cluster.thresholds.replicaCount; index++) {
    if (index !== replica.index) replica.statusDue.add(index);
  }
}

/** Sends the STATUSes that this step made due, each peer's own. */
export function sendDueStatus(replica: Replica, isHeartbeat: boolean): void {
  for (const peer of replica.statusDue) {
    const last = replica.statusSentAtMs.get(peer) ?? Number.NEGATIVE_INFINITY;
    if (!isHeartbeat && replica.now.monotonicMs - last < STATUS_INTERVAL_MS) continue;
    replica.statusDue.delete(peer);
    replica.statusSentAtMs.set(peer, replica.now.monotonicMs);
    sendStatus(replica, peer);
  }
}

function sendStatus(replica: Replica, peer: ReplicaIndex): void {
  const message: Message = { type: 'status', ...makeStatus(replica, peer) };
  // With an entry in it STATUS is a promise; without, it may leave at once.
  if (message.newest !== undefined) promiseTo(replica, peer, message);
  else sendTo(replica, peer, message);
}

function makeStatus(replica: Replica, peer: ReplicaIndex): StatusMessage {
  const { pipelineWindow } = replica.context.cluster.limits;
  const { replicaCount } = replica.context.cluster.thresholds;
  const bytes = Math.ceil((2 * pipelineWindow) / 8);
  const missingHeaders = new Uint8Array(bytes);
  const missingBodies = new Uint8Array(bytes);
  const missingPrepares = new Uint8Array(bytes);
  const missingCommits = new Uint8Array(bytes);
  const isPeerPrimary = primaryOf(replica.context.cluster, replica.view) === peer;
  for (let i = 0; i < 2 * pipelineWindow; i++) {
    const slot = replica.slots.get(replica.committed + 1 + i);
    const header = slot?.header?.view === replica.view ? slot.header : undefined;
    if (header === undefined) setBit(missingHeaders, i);
    else if (!hasBody(replica, header.sequenceNumber, header.batchDigest)) setBit(missingBodies, i);
    const isPrepared = slot?.prepared?.header.view === replica.view;
    if (!isPrepared && !isPeerPrimary && slot?.prepares.get(peer)?.view !== replica.view) {
      setBit(missingPrepares, i);
    }
    if (slot?.commits.get(peer)?.view !== replica.view) setBit(missingCommits, i);
  }
  const suspects: number[] = [];
  let viewChanges = 0;
  for (let index = 0; index < replicaCount; index++) {
    suspects.push((replica.suspects.get(index)?.view ?? -1) + 1);
    if (replica.viewChanges.get(index)?.viewChange.view === replica.view) viewChanges |= 1 << index;
  }
  replica.statusNumber++;
  return {
    number: replica.statusNumber,
    view: replica.view,
    phase: replica.silence === 'learner' ? 'learner' : replica.phase,
    committed: replica.committed,
    executed: replica.ledger.executed.sequenceNumber,
    stable: replica.stable,
    missingHeaders,
    missingBodies,
    missingPrepares,
    missingCommits,
    suspects,
    viewChanges: viewChanges >>> 0,
    checkpoint: replica.newestCheckpoint.get(peer) ?? 0,
    newest: ownNewestEntry(replica),
    yours: summaryOfHeld(replica, peer),
  };
}

function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >> 3]! |= 1 << (bit & 7);
}

function hasBit(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

/** Enter: STATUS from a peer. Its claims are hints: nothing here is believed before it proves itself. */
export function onStatus(replica: Replica, from: ReplicaIndex, message: MessageOf<'status'>): void {
  const { type: _, ...status } = message;
  const previous = replica.peers.get(from);
  if (previous !== undefined && isOvertaken(replica, status, previous)) return;
  replica.peers.set(from, { status, receivedAtMs: replica.now.monotonicMs });
  if (status.phase !== 'learner') noteHeard(replica, from, status);
  // A claim that we forgot something must be proved: fetching.ts asks for it.
  if (claimsForgottenPromise(replica, status)) replica.gapsDirty = true;
  noteEntry(replica, from, status);
  shareEvidence(replica, from);
  if (previous !== undefined) answer(replica, from, previous.status, status);
  if (status.committed > replica.committed || status.view > replica.view) replica.gapsDirty = true;
  if (status.view === replica.view && status.phase === 'normal' && replica.phase === 'changing') {
    replica.gapsDirty = true;
  }
}

/** An older STATUS that arrives late; not one of a peer that restarted and counts from one again. */
function isOvertaken(replica: Replica, status: StatusMessage, previous: PeerStatus): boolean {
  const age = replica.now.monotonicMs - previous.receivedAtMs;
  return status.number <= previous.status.number && age < OVERTAKING_MS;
}

/** Nothing is signed before Q−1 others have told us what they hold of ours (docs/protocol.md §7). */
function noteHeard(replica: Replica, from: ReplicaIndex, status: StatusMessage): void {
  if (replica.started || claimsForgottenPromise(replica, status)) return;
  replica.heardFrom.add(from);
  if (replica.heardFrom.size >= replica.context.cluster.thresholds.quorumSize - 1) replica.mayStart = true;
}

/** The newest entry of a peer: into the version vector, and against its earlier ones. */
function noteEntry(replica: Replica, from: ReplicaIndex, status: StatusMessage): void {
  const entry = status.newest;
  if (entry === undefined || entry.replica !== from) return;
  const known = replica.versionVector.get(from);
  if (known !== undefined && equalBytes(known.signature, entry.signature)) return;
  const statement = entryStatement(replica.context.cluster, entry);
  if (!signedBy(replica.context, from, statement, entry.signature)) return;
  meetEntry(replica, entry);
  if (known !== undefined && known.sequenceNumber > entry.sequenceNumber) return;
  if (known !== undefined && known.sequenceNumber === entry.sequenceNumber) {
    reportEvidence(replica, { type: 'entries', first: known, second: entry });
  }
  replica.versionVector.set(from, entry);
  keepHead(replica, entry);
  noteEntryHeld(replica, entry);
}

/** Sends again our own small messages that the peer has now missed twice running. */
function answer(replica: Replica, peer: ReplicaIndex, before: StatusMessage, now: StatusMessage): void {
  if (!maySignOrdering(replica)) return;
  // One answer at a time: whoever asks a thousand times a second is not answered as often.
  const last = replica.answeredAtMs.get(peer) ?? Number.NEGATIVE_INFINITY;
  if (replica.now.monotonicMs - last < STATUS_INTERVAL_MS) return;
  replica.answeredAtMs.set(peer, replica.now.monotonicMs);
  const { pipelineWindow } = replica.context.cluster.limits;
  for (let i = 0; i < 2 * pipelineWindow; i++) {
    const s = now.committed + 1 + i;
    const missedTwice = (field: 'missingHeaders' | 'missingPrepares' | 'missingCommits'): boolean =>
      hasBit(now[field], i) && hasBit(before[field], s - before.committed - 1);
    resendOrdering(replica, peer, s, now.view, missedTwice);
  }
  const known = now.suspects[replica.index] ?? 0;
  if (replica.suspectedView + 1 > known) {
    promiseTo(replica, peer, { type: 'suspect', ...signSuspect(replica, replica.suspectedView) });
  }
  const own = replica.ownViewChange;
  const wantsViewChange =
    own !== undefined &&
    own.viewChange.view === replica.view &&
    replica.phase === 'changing' &&
    (now.view < replica.view ||
      (now.view === replica.view &&
        now.phase === 'changing' &&
        (now.viewChanges & (1 << replica.index)) === 0));
  if (wantsViewChange) promiseTo(replica, peer, { type: 'view-change', ...own });
  const checkpoint = replica.ownCheckpoint;
  if (
    checkpoint !== undefined &&
    checkpoint.sequenceNumber > now.checkpoint &&
    now.stable < checkpoint.sequenceNumber
  ) {
    promiseTo(replica, peer, { type: 'checkpoint', ...checkpoint });
  }
}

/** Our PREPARE for what we accepted in `view`, signed again byte for byte; none while the body is lost to damage. */
function ownPrepare(replica: Replica, slot: Slot, view: View): MessageOf<'prepare'> | undefined {
  const { header, sequenceNumber } = slot;
  if (header === undefined || !slot.accepted || header.view !== view) return undefined;
  if (primaryOf(replica.context.cluster, view) === replica.index) return undefined;
  const { batchDigest } = header;
  if (!hasBody(replica, sequenceNumber, batchDigest)) return undefined;
  const counted = slot.prepares.get(replica.index);
  if (counted?.view === view && equalBytes(counted.batchDigest, batchDigest))
    return { ...counted, type: 'prepare' };
  const fields = { view, sequenceNumber, batchDigest };
  const signature = sign(replica, prepareStatement(replica.context.cluster, fields));
  return { type: 'prepare', ...fields, replica: replica.index, signature };
}

function resendOrdering(
  replica: Replica,
  peer: ReplicaIndex,
  s: SequenceNumber,
  view: number,
  missedTwice: (field: 'missingHeaders' | 'missingPrepares' | 'missingCommits') => boolean,
): void {
  const slot = replica.slots.get(s);
  if (slot === undefined) return;
  const { header } = slot;
  const isPrimary = primaryOf(replica.context.cluster, view) === replica.index;
  if (isPrimary && header?.view === view && slot.accepted && missedTwice('missingHeaders')) {
    // Header only: the body, if it lacks that too, it fetches.
    promiseTo(replica, peer, { type: 'pre-prepare', header, batch: undefined });
  }
  const prepare = missedTwice('missingPrepares') ? ownPrepare(replica, slot, view) : undefined;
  if (prepare !== undefined) promiseTo(replica, peer, prepare);
  const vote = slot.ownVotes.get(view);
  if (vote !== undefined && missedTwice('missingCommits'))
    promiseTo(replica, peer, { type: 'commit', ...vote });
}

/**
 * Whether a commit certificate, or f+1 peers, put us more than W behind: whoever catches up judges no primary by its own clocks.
 */
export function isFarBehind(replica: Replica): boolean {
  const { limits, thresholds } = replica.context.cluster;
  const executed = replica.ledger.executed.sequenceNumber;
  const far = executed + limits.pipelineWindow;
  if (replica.committed > far || (replica.unlinked?.sequenceNumber ?? 0) > far) return true;
  const reported = [...replica.peers.values()].map((peer) => peer.status.committed);
  return (kthHighest(reported, thresholds.beliefSize) ?? 0) > far;
}

/**
 * Enter: enough peers were heard. A replica that comes back repeats its own votes byte for byte, to itself too, since they are counted only by
 * loopback; one that had left its view says so again (docs/protocol.md §7).
 */
export function onStarted(replica: Replica): void {
  for (const [s, slot] of [...replica.slots].sort((a, b) => a[0] - b[0])) {
    if (s > replica.committed) repeatOwnVotes(replica, slot);
  }
  if (replica.suspectedView >= 0) {
    promiseToAll(replica, { type: 'suspect', ...signSuspect(replica, replica.suspectedView) });
  }
  repeatOwnCheckpoint(replica);
  if (replica.phase === 'changing') {
    replica.newViewDeadlineMs = replica.now.monotonicMs + replica.timeoutMs;
    const own = replica.ownViewChange;
    if (own !== undefined && own.viewChange.view === replica.view) {
      promiseToAll(replica, { type: 'view-change', ...own });
    }
  }
  verifyNewViewBase(replica);
  castVotes(replica);
  if (!replica.mayPropose && replica.phase === 'normal') {
    suspect(replica, replica.view, 'it restarted as primary and must not propose again in this view');
  }
}

function repeatOwnVotes(replica: Replica, slot: Slot): void {
  const { view } = replica;
  const prepare = ownPrepare(replica, slot, view);
  if (prepare !== undefined) promiseToAll(replica, prepare);
  const vote = slot.ownVotes.get(view);
  if (vote !== undefined) promiseToAll(replica, { type: 'commit', ...vote });
}
