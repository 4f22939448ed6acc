/**
 * FETCH: what this replica lacks is derived from its state, each thing asked from one peer at a time, the next one after a timeout or a bad
 * answer (docs/protocol.md §6). An answer verifies itself; one that does not costs its sender its place in the order, and proves
 * nothing about the cluster.
 */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { rejectCommitCertificate } from '../certificates.ts';
import { batchBytes, batchDigest } from '../messages/batch.ts';
import { BODIES_PER_FETCH, type Payload, type Want } from '../messages/fetch.ts';
import type { MessageOf } from '../messages/index.ts';
import { onLinks } from './committing.ts';
import { emit, sendTo } from './effects.ts';
import { executeReady } from './execution.ts';
import { meetHead } from './histories.ts';
import { onBody, onHeader } from './ordering.ts';
import { claimsForgottenPromise, onPromises } from './promises.ts';
import { hasBody } from './slots.ts';
import type { LogEntry, Replica, Wanted } from './state.ts';
import { onTransferPayload, restartTransfer, transferNeeds, wantTransfer } from './state-transfer.ts';
import { onNewView } from './view-change.ts';

/** Something to ask for: a key that is equal for equal wants, and the peers that may have it, best first. */
export interface Need {
  readonly key: string;
  readonly want: Want;
  readonly peers: readonly ReplicaIndex[];
  readonly timeoutMs: number;
}

/** All peers, those that last gave bad answers last, beginning at a place that differs by replica. */
export function allPeers(replica: Replica): ReplicaIndex[] {
  const { replicaCount } = replica.context.cluster.thresholds;
  const peers: ReplicaIndex[] = [];
  for (let i = 1; i < replicaCount; i++) peers.push((replica.index + i) % replicaCount);
  const demerits = (peer: ReplicaIndex): number => replica.demerits.get(peer) ?? 0;
  return peers.sort((a, b) => demerits(a) - demerits(b));
}

/** No answer, or a bad one: the peer is asked later from now on, until good answers make up for it. */
export function addDemerit(replica: Replica, peer: ReplicaIndex): void {
  replica.demerits.set(peer, (replica.demerits.get(peer) ?? 0) + 1);
}

/** The preferred peers first, then all others. */
function withOthers(replica: Replica, preferred: readonly ReplicaIndex[]): ReplicaIndex[] {
  const all = allPeers(replica);
  const isPreferred = new Set(preferred);
  return [...all.filter((peer) => isPreferred.has(peer)), ...all.filter((peer) => !isPreferred.has(peer))];
}

/** Everything that is missing now. */
function computeNeeds(replica: Replica): Need[] {
  const always = [...newViewNeeds(replica), ...promiseNeeds(replica), ...headNeeds(replica)];
  if (replica.transfer !== undefined || replica.wantsTransfer) return [...transferNeeds(replica), ...always];
  return [...linkNeeds(replica), ...bodyNeeds(replica), ...slotNeeds(replica), ...always];
}

/** Links: a quorum, or some peer, has committed beyond what ours reach. */
function linkNeeds(replica: Replica): Need[] {
  // In the order of their answers so far, not of their claims: the one that claims most may be the one that gives least.
  const ahead = allPeers(replica).filter(
    (peer) => (replica.peers.get(peer)?.status.committed ?? 0) > replica.committed,
  );
  const isHinted = replica.unlinked !== undefined || (ahead.length > 0 && replica.commitStalled);
  if (!isHinted) return [];
  const voters = replica.unlinked?.votes.map((vote) => vote.replica) ?? [];
  return [
    {
      key: `links:${replica.committed}`,
      want: { type: 'links', after: replica.committed },
      peers: withOthers(replica, [...voters, ...ahead]),
      timeoutMs: replica.limits.fetchTimeoutMs,
    },
  ];
}

/** Bodies of committed batches, several at once. */
function bodyNeeds(replica: Replica): Need[] {
  const needs: Need[] = [];
  let bodies: { sequenceNumber: number; batchDigest: Uint8Array }[] = [];
  const flush = (): void => {
    if (bodies.length === 0) return;
    const first = bodies[0]!.sequenceNumber;
    const entry = replica.log.get(first)!;
    needs.push({
      key: `bodies:${first}`,
      want: { type: 'bodies', bodies },
      peers: withOthers(
        replica,
        entry.certificate.votes.map((vote) => vote.replica),
      ),
      timeoutMs: replica.limits.gapTimeoutMs + bodies.length * 16,
    });
    bodies = [];
  };
  const executed = replica.ledger.executed.sequenceNumber;
  let bytesAhead = 0;
  for (let s = executed + 1; s <= replica.committed && needs.length < replica.limits.fetchesMax; s++) {
    const entry = replica.log.get(s);
    if (entry === undefined) continue;
    if (hasBody(replica, s, entry.batchDigest)) {
      bytesAhead += entry.batch === undefined ? 0 : batchBytes(entry.batch);
      // They wait for one below: more of them would only fill memory.
      if (bytesAhead > replica.limits.bodyBytesMax) break;
      continue;
    }
    // Aligned blocks: the key of a block stays the same while its first bodies arrive one by one.
    const block = Math.floor(s / BODIES_PER_FETCH);
    if (bodies.length > 0 && Math.floor(bodies[0]!.sequenceNumber / BODIES_PER_FETCH) !== block) flush();
    bodies.push({ sequenceNumber: s, batchDigest: entry.batchDigest });
  }
  flush();
  return needs;
}

/** Headers that f+1 voters vouch for, and bodies of headers; of the open window. */
function slotNeeds(replica: Replica): Need[] {
  const needs: Need[] = [];
  const { pipelineWindow, watermarkWindow } = replica.context.cluster.limits;
  const { beliefSize } = replica.context.cluster.thresholds;
  const from = Math.max(replica.newViewBase, replica.stable) + 1;
  const to = Math.min(replica.committed + 2 * pipelineWindow, replica.stable + watermarkWindow);
  for (let s = from; s <= to && needs.length < replica.limits.fetchesMax; s++) {
    const slot = replica.slots.get(s);
    if (slot === undefined) continue;
    const header = slot.header?.view === replica.view ? slot.header : undefined;
    if (header !== undefined && !slot.accepted && !hasBody(replica, s, header.batchDigest)) {
      const preparers = [...slot.prepares.values()]
        .filter((each) => equalBytes(each.batchDigest, header.batchDigest))
        .map((each) => each.replica);
      needs.push({
        key: `body:${s}:${keyOf(header.batchDigest)}`,
        want: { type: 'bodies', bodies: [{ sequenceNumber: s, batchDigest: header.batchDigest }] },
        peers: withOthers(replica, preparers),
        timeoutMs: replica.limits.gapTimeoutMs,
      });
    }
    if (header !== undefined || s <= replica.committed) continue;
    const voters = [...slot.prepares.values(), ...slot.commits.values()]
      .filter((each) => each.view === replica.view)
      .map((each) => each.replica);
    if (new Set(voters).size >= beliefSize) {
      needs.push({
        key: `header:${replica.view}:${s}`,
        want: { type: 'header', view: replica.view, sequenceNumber: s },
        peers: withOthers(replica, voters),
        timeoutMs: replica.limits.gapTimeoutMs,
      });
    }
  }
  return needs;
}

/** The NEW-VIEW of a view that some peer has entered and we have not. */
function newViewNeeds(replica: Replica): Need[] {
  const entered = [...replica.peers]
    .filter(
      ([, { status }]) =>
        status.phase !== 'changing' &&
        (status.view > replica.view || (status.view === replica.view && replica.phase === 'changing')),
    )
    .sort((a, b) => b[1].status.view - a[1].status.view);
  // Any of these may lie; each is asked for what it claims, so that a lie costs one answer.
  return entered.slice(0, replica.context.cluster.thresholds.liveWhile + 1).map(([peer, { status }]) => ({
    key: `new-view:${status.view}:${peer}`,
    want: { type: 'new-view', view: status.view },
    peers: [peer],
    timeoutMs: replica.limits.fetchTimeoutMs,
  }));
}

/** The proof of each claim that we forgot a promise of ours. */
function promiseNeeds(replica: Replica): Need[] {
  if (replica.silence === 'learner') return [];
  return [...replica.peers]
    .filter(([, { status }]) => claimsForgottenPromise(replica, status))
    .map(([peer]) => ({
      key: `promises:${peer}`,
      want: { type: 'promises' },
      peers: [peer],
      timeoutMs: replica.limits.fetchTimeoutMs,
    }));
}

/** The heads behind entries of another history: what a quorum signed there names more than what one peer did. */
function headNeeds(replica: Replica): Need[] {
  return [...replica.strangers].map(([peer, s]) => ({
    key: `head:${peer}:${s}`,
    want: { type: 'head' },
    peers: [peer],
    timeoutMs: replica.limits.fetchTimeoutMs,
  }));
}

/** At the end of a step in which something may have come to be missing or arrived: asks for what is new, forgets what is not. */
export function updateWanted(replica: Replica): void {
  replica.gapsDirty = false;
  const needs = new Map(computeNeeds(replica).map((need) => [need.key, need]));
  for (const [key, wanted] of replica.wanted) {
    if (needs.has(key)) continue;
    replica.wanted.delete(key);
    if (wanted.number !== undefined) replica.fetchNumbers.delete(wanted.number);
  }
  for (const need of needs.values()) {
    if (replica.wanted.has(need.key)) continue;
    const wanted: Wanted = {
      key: need.key,
      want: need.want,
      peers: [...need.peers],
      timeoutMs: need.timeoutMs,
      asked: 0,
      number: undefined,
      peer: undefined,
      deadlineMs: 0,
    };
    replica.wanted.set(need.key, wanted);
    ask(replica, wanted);
  }
}

/** Asks the next peer. */
function ask(replica: Replica, wanted: Wanted): void {
  if (wanted.peers.length === 0) return;
  if (wanted.number !== undefined) replica.fetchNumbers.delete(wanted.number);
  const peer = wanted.peers[wanted.asked % wanted.peers.length]!;
  // When everyone was asked in vain, more haste would only add load.
  const rounds = Math.floor(wanted.asked / wanted.peers.length);
  wanted.asked++;
  wanted.peer = peer;
  wanted.number = replica.nextFetchNumber++;
  wanted.deadlineMs = replica.now.monotonicMs + wanted.timeoutMs * 2 ** Math.min(rounds, 4);
  replica.fetchNumbers.set(wanted.number, wanted.key);
  emit(replica, { type: 'fetching', what: wanted.want.type, peer });
  sendTo(replica, peer, { type: 'fetch', number: wanted.number, want: wanted.want });
}

/** At each tick: whoever did not answer in time is passed over. */
export function retryOverdue(replica: Replica): void {
  for (const wanted of replica.wanted.values()) {
    if (wanted.deadlineMs > replica.now.monotonicMs) continue;
    if (wanted.number !== undefined && wanted.peer !== undefined) addDemerit(replica, wanted.peer);
    ask(replica, wanted);
  }
}

/** Enter: the answer to one of our FETCHes. */
export function onFetched(replica: Replica, from: ReplicaIndex, message: MessageOf<'fetched'>): void {
  const key = replica.fetchNumbers.get(message.number);
  const wanted = key === undefined ? undefined : replica.wanted.get(key);
  if (wanted === undefined || wanted.peer !== from) return; // Too late: another peer was asked, or it is here.
  replica.fetchNumbers.delete(message.number);
  wanted.number = undefined;
  const reason = take(replica, from, wanted.want, message.payload);
  if (reason !== undefined) {
    if (reason !== 'NOT_HERE' && reason !== 'TOO_OLD') {
      addDemerit(replica, from);
      emit(replica, { type: 'badAnswer', peer: from, what: wanted.want.type, reason });
    }
    // One who has it not is passed over at once, as long as there is another.
    if (wanted.asked < wanted.peers.length) ask(replica, wanted);
    else if (replica.transfer !== undefined && wanted.asked >= 2 * wanted.peers.length)
      restartTransfer(replica);
    return;
  }
  replica.demerits.set(from, Math.floor((replica.demerits.get(from) ?? 0) / 2));
  // A part may have come: the rest is a new need, or the same one asked again of whoever just gave something.
  replica.wanted.delete(wanted.key);
  replica.gapsDirty = true;
}

/** Takes a payload that answers `want`; answers what is wrong with it. */
function take(replica: Replica, from: ReplicaIndex, want: Want, payload: Payload): string | undefined {
  if (payload.type === 'not-here') return 'NOT_HERE';
  if (payload.type === 'too-old') {
    wantTransfer(replica, from, payload.stable);
    return 'TOO_OLD';
  }
  if (payload.type !== want.type) return 'NOT_WHAT_WAS_ASKED';
  switch (payload.type) {
    case 'header': {
      const { header } = payload;
      const { view, sequenceNumber } = want as Extract<Want, { type: 'header' }>;
      if (header.view !== view || header.sequenceNumber !== sequenceNumber) return 'NOT_WHAT_WAS_ASKED';
      return onHeader(replica, header);
    }
    case 'bodies':
      return takeBodies(replica, want as Extract<Want, { type: 'bodies' }>, payload);
    case 'links': {
      if (payload.after !== (want as Extract<Want, { type: 'links' }>).after) return 'NOT_WHAT_WAS_ASKED';
      const reason = rejectCommitCertificate(replica.context, payload.certificate);
      return reason ?? onLinks(replica, payload.after, payload.links, payload.certificate);
    }
    case 'new-view':
      return onNewView(replica, payload.newView);
    case 'promises': {
      const { type: _, ...promises } = payload;
      return onPromises(replica, promises);
    }
    case 'head':
      replica.strangers.delete(from);
      return meetHead(replica, payload.head);
    default:
      return onTransferPayload(replica, from, want, payload);
  }
}

/** Bodies prove themselves by their digests. Under a commit certificate their requests need no second verification. */
function takeBodies(
  replica: Replica,
  want: Extract<Want, { type: 'bodies' }>,
  payload: Extract<Payload, { type: 'bodies' }>,
): string | undefined {
  const { cluster, crypto } = replica.context;
  let reason: string | undefined;
  let taken = 0;
  for (const batch of payload.batches) {
    const digest = batchDigest(cluster, crypto, batch);
    const asked = want.bodies.find((each) => equalBytes(each.batchDigest, digest));
    if (asked === undefined) {
      reason = 'NOT_THE_BODY';
      continue;
    }
    const entry: LogEntry | undefined = replica.log.get(asked.sequenceNumber);
    if (entry !== undefined && equalBytes(entry.batchDigest, digest)) {
      if (!hasBody(replica, asked.sequenceNumber, digest)) entry.batch = batch;
    } else {
      const slotReason = onBody(replica, asked.sequenceNumber, batch);
      if (slotReason !== undefined) {
        reason = slotReason;
        continue;
      }
    }
    taken++;
  }
  if (taken > 0) executeReady(replica);
  return taken === 0 ? (reason ?? 'NOT_HERE') : undefined;
}
