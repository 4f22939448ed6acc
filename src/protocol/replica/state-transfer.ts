/**
 * State transfer (docs/protocol.md §6): to a stable checkpoint that peers can no longer lead us to batch by batch. It never jumps to
 * another chain: a consistency proof from our own last entry comes first. Then the leaves, the chain window, the manifest and the
 * chunks, each verified; what is installed is signed for only when it is durable.
 */

import { verifyConsistency } from '../../crypto/merkle-tree.ts';
import { assert } from '../../types/assert.ts';
import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import { rejectCheckpointCertificate } from '../certificates.ts';
import {
  genesisEntry,
  manifestRootOf,
  restoreLedger,
  snapshotLedger,
  stateDigestOf,
  type WindowEntry,
  windowChunks,
} from '../ledger.ts';
import type { EntryContent } from '../messages/entry.ts';
import { ITEMS_PER_FETCH, type Payload, type Stable, type Want } from '../messages/fetch.ts';
import { logLeaf } from '../messages/reply.ts';
import { carriedRecords } from './checkpointing.ts';
import { emit, persist } from './effects.ts';
import { executeReady } from './execution.ts';
import { addDemerit, allPeers, type Need } from './fetching.ts';
import { castVotes, checkOwnVotes } from './ordering.ts';
import { maybePropose, settleSkipped } from './requests.ts';
import { forgetBatches, forgetHeldProposals } from './slots.ts';
import type { Replica, Transfer } from './state.ts';
import { verifyNewViewBase } from './view-change.ts';

/** A peer says that what we ask for is gone. When f+1 say so it is believed: one alone cannot make us copy the whole state. */
export function wantTransfer(replica: Replica, from: ReplicaIndex, stable: SequenceNumber): void {
  if (stable <= replica.ledger.executed.sequenceNumber) return;
  replica.tooOldAt.add(from);
  if (replica.tooOldAt.size >= replica.context.cluster.thresholds.beliefSize) replica.wantsTransfer = true;
  replica.gapsDirty = true;
}

/**
 * The entry that every transfer must fit: the highest that we recorded, executed again or not. It lies above the checkpoint where our
 * snapshots were damaged after it was recorded: the batches in between are executed again then.
 */
function floorEntry(replica: Replica): EntryContent {
  const recorded = replica.recordedEntries.get(replica.signFloor);
  if (recorded !== undefined && recorded.sequenceNumber > replica.ledger.executed.sequenceNumber)
    return recorded;
  return replica.ledger.executed;
}

/** The first s of the chain window at the checkpoint is one above this. */
function windowStart(replica: Replica, transfer: Transfer): SequenceNumber {
  const s = transfer.stable.checkpoint.sequenceNumber;
  return Math.max(0, s - replica.context.cluster.limits.chainWindow);
}

/** What the transfer under way asks for next. */
export function transferNeeds(replica: Replica): Need[] {
  const { transfer, limits } = replica;
  const need = (key: string, want: Want, kibibytes: number, rotate = 0): Need => {
    const peers = allPeers(replica);
    const turned = [...peers.slice(rotate % peers.length), ...peers.slice(0, rotate % peers.length)];
    return { key: `transfer:${key}`, want, peers: turned, timeoutMs: limits.fetchTimeoutMs + kibibytes };
  };
  if (transfer === undefined) return replica.wantsTransfer ? [need('stable', { type: 'stable' }, 4)] : [];
  if (transfer.installing) return [];
  const s = transfer.stable.checkpoint.sequenceNumber;
  if (!transfer.proved) {
    const own = floorEntry(replica).sequenceNumber;
    const [from, to] = [Math.min(own, s), Math.max(own, s)];
    return [need(`proof:${from}:${to}`, { type: 'proof', from, to }, 4)];
  }
  const start = windowStart(replica, transfer);
  const firstLeaf = replica.ledger.tree.size + transfer.leaves.length;
  if (firstLeaf < start) {
    return [need(`leaves:${firstLeaf}`, { type: 'leaves', from: firstLeaf, to: start }, 256)];
  }
  const firstEntry = start + transfer.window.size;
  if (firstEntry < s) return [need(`window:${firstEntry}`, { type: 'window', from: firstEntry, to: s }, 512)];
  const { manifest, chunks } = transfer;
  const { summary } = transfer.stable;
  if (manifest.length < summary.chunks) {
    const want = { type: 'manifest', sequenceNumber: s, from: manifest.length } as const;
    return [need(`manifest:${s}:${manifest.length}`, want, 256)];
  }
  const needs: Need[] = [];
  for (let index = 0; index < summary.chunks && needs.length < limits.fetchesMax; index++) {
    if (chunks.has(index)) continue;
    needs.push(need(`chunk:${s}:${index}`, { type: 'chunk', sequenceNumber: s, index }, 1024, index));
  }
  return needs;
}

/** Takes a piece; answers what is wrong with it. */
export function onTransferPayload(
  replica: Replica,
  from: ReplicaIndex,
  want: Want,
  payload: Payload,
): string | undefined {
  if (payload.type === 'stable') return takeStable(replica, from, payload);
  const { transfer } = replica;
  if (transfer === undefined || transfer.installing) return undefined;
  const reason = takePiece(replica, transfer, from, want, payload);
  if (reason === undefined) maybeInstall(replica, transfer);
  return reason;
}

function takeStable(replica: Replica, from: ReplicaIndex, stable: Stable): string | undefined {
  const { checkpoint, summary } = stable;
  const s = checkpoint.sequenceNumber;
  if (replica.transfer !== undefined) return undefined;
  if (s <= replica.ledger.executed.sequenceNumber) return 'NOT_AHEAD';
  const reason = rejectCheckpointCertificate(replica.context, checkpoint);
  if (reason !== undefined) return reason;
  if (!equalBytes(stateDigestOf(replica.context, s, summary), checkpoint.stateDigest)) return 'WRONG_SUMMARY';
  if (summary.sessionChunks > summary.chunks) return 'WRONG_SUMMARY';
  replica.transfer = {
    stable,
    from,
    proved: floorEntry(replica).sequenceNumber === 0,
    leaves: [],
    window: new Map(),
    sources: new Set(),
    manifest: [],
    chunks: new Map(),
    installing: false,
  };
  emit(replica, { type: 'transferStarted', sequenceNumber: s });
  return undefined;
}

/** How many items a whole answer holds: one that gives fewer, to make the transfer take for ever, is charged for it. */
function wholeAnswer(asked: number): number {
  return Math.min(asked, ITEMS_PER_FETCH);
}

function takePiece(
  replica: Replica,
  transfer: Transfer,
  from: ReplicaIndex,
  want: Want,
  payload: Payload,
): string | undefined {
  switch (payload.type) {
    case 'proof':
      return takeProof(replica, transfer, payload);
    case 'leaves': {
      if (want.type !== 'leaves' || payload.from !== want.from) return 'NOT_WHAT_WAS_ASKED';
      if (payload.leaves.length !== wholeAnswer(want.to - want.from)) return 'WRONG_LENGTH';
      transfer.leaves.push(...payload.leaves);
      transfer.sources.add(from);
      return undefined;
    }
    case 'window': {
      if (want.type !== 'window' || payload.from !== want.from) return 'NOT_WHAT_WAS_ASKED';
      if (payload.entries.length !== wholeAnswer(want.to - want.from)) return 'WRONG_LENGTH';
      for (const [i, entry] of payload.entries.entries()) transfer.window.set(payload.from + 1 + i, entry);
      transfer.sources.add(from);
      const s = transfer.stable.checkpoint.sequenceNumber;
      return payload.from + payload.entries.length === s ? checkLeaves(replica, transfer) : undefined;
    }
    case 'manifest': {
      if (want.type !== 'manifest' || payload.from !== want.from) return 'NOT_WHAT_WAS_ASKED';
      if (payload.sequenceNumber !== want.sequenceNumber) return 'NOT_WHAT_WAS_ASKED';
      const { summary } = transfer.stable;
      if (payload.digests.length !== wholeAnswer(summary.chunks - want.from)) return 'WRONG_LENGTH';
      transfer.manifest.push(...payload.digests);
      if (transfer.manifest.length < summary.chunks) return undefined;
      if (equalBytes(manifestRootOf(replica.context, transfer.manifest), summary.manifestRoot)) {
        takeKeptChunks(replica, transfer);
        return undefined;
      }
      transfer.manifest = [];
      return 'WRONG_MANIFEST';
    }
    case 'chunk': {
      if (want.type !== 'chunk' || payload.index !== want.index) return 'NOT_WHAT_WAS_ASKED';
      const digest = transfer.manifest[payload.index];
      if (digest === undefined) return 'NOT_WHAT_WAS_ASKED';
      if (!equalBytes(replica.context.crypto.hash(payload.bytes), digest)) return 'WRONG_CHUNK';
      transfer.chunks.set(payload.index, payload.bytes);
      replica.out.receivedChunks.push({ digest, bytes: () => payload.bytes });
      return undefined;
    }
    default:
      return 'NOT_WHAT_WAS_ASKED';
  }
}

/** What an earlier process had received of the same content need not be fetched again. */
function takeKeptChunks(replica: Replica, transfer: Transfer): void {
  if (replica.receivedChunks.size === 0) return;
  for (const [index, digest] of transfer.manifest.entries()) {
    const kept = replica.receivedChunks.get(keyOf(digest));
    if (kept !== undefined) transfer.chunks.set(index, kept);
  }
}

function takeProof(
  replica: Replica,
  transfer: Transfer,
  payload: Extract<Payload, { type: 'proof' }>,
): string | undefined {
  const entry = floorEntry(replica);
  const logRoot = entry.sequenceNumber === 0 ? genesisEntry(replica.context).logRoot : entry.logRoot;
  const ours = { ...entry, logRoot };
  const theirs = transfer.stable.checkpoint;
  const [lower, higher] = ours.sequenceNumber <= theirs.sequenceNumber ? [ours, theirs] : [theirs, ours];
  const isProved = verifyConsistency(replica.context.crypto.hash, {
    size1: lower.sequenceNumber,
    root1: lower.logRoot,
    size2: higher.sequenceNumber,
    root2: higher.logRoot,
    path: payload.path,
  });
  if (!isProved) return 'NOT_A_PROOF';
  transfer.proved = true;
  return undefined;
}

/** All leaves between our own and the checkpoint: those sent as hashes, then those of the window that we lack. */
function newLeaves(replica: Replica, transfer: Transfer): Uint8Array[] {
  const leaves = [...transfer.leaves];
  const s = transfer.stable.checkpoint.sequenceNumber;
  for (let i = replica.ledger.tree.size + leaves.length + 1; i <= s; i++) {
    const { hashChainDigest, repliesRoot } = transfer.window.get(i)!;
    leaves.push(logLeaf(replica.context.crypto, hashChainDigest, repliesRoot));
  }
  return leaves;
}

/** The leaves must give the checkpoint's L; if they do not, one of those that sent them lied and all are asked again. */
function checkLeaves(replica: Replica, transfer: Transfer): string | undefined {
  const { tree } = replica.ledger;
  const size = tree.size;
  for (const leaf of newLeaves(replica, transfer)) tree.append(leaf);
  const isRight = equalBytes(tree.root(), transfer.stable.checkpoint.logRoot);
  tree.truncate(size);
  if (isRight && windowMatchesOurs(replica, transfer.window)) return undefined;
  for (const peer of transfer.sources) addDemerit(replica, peer);
  transfer.leaves = [];
  transfer.window = new Map();
  transfer.sources.clear();
  return 'WRONG_LEAVES';
}

/** The part of the window below our own last entry is not proved by new leaves: it must be what we have. */
function windowMatchesOurs(replica: Replica, window: ReadonlyMap<SequenceNumber, WindowEntry>): boolean {
  for (const [s, entry] of window) {
    if (s > replica.ledger.tree.size) continue;
    const ours = replica.ledger.window.get(s);
    const isEqual =
      ours !== undefined &&
      equalBytes(ours.hashChainDigest, entry.hashChainDigest) &&
      equalBytes(ours.repliesRoot, entry.repliesRoot);
    if (!isEqual) return false;
  }
  return true;
}

/** When every piece is here: the state is replaced. Nothing is signed for it before its snapshot is durable. */
function maybeInstall(replica: Replica, transfer: Transfer): void {
  const { checkpoint, summary } = transfer.stable;
  const s = checkpoint.sequenceNumber;
  const isWhole =
    transfer.proved &&
    transfer.window.size === s - windowStart(replica, transfer) &&
    transfer.manifest.length === summary.chunks &&
    transfer.chunks.size === summary.chunks;
  if (!isWhole) return;
  for (const leaf of newLeaves(replica, transfer)) replica.ledger.tree.append(leaf);
  const { hashChainDigest, repliesRoot } = transfer.window.get(s)!;
  const entry = { sequenceNumber: s, hashChainDigest, repliesRoot, logRoot: checkpoint.logRoot };
  const chunks = [...transfer.chunks].sort((a, b) => a[0] - b[0]).map(([, bytes]) => bytes);
  restoreLedger(replica.ledger, replica.options.service, entry, summary, chunks, transfer.window);
  const snapshot = snapshotLedger(replica.ledger);
  assert(
    equalBytes(snapshot.stateDigest, checkpoint.stateDigest),
    'the restored state has the digest that a quorum signed: the service restores what it snapshots',
  );
  transfer.installing = true;
  // Of a state that is no more, and below this one.
  replica.frozen = undefined;
  replica.snapshots.set(s, { snapshot, durable: false, leaseUntilMs: 0 });
  replica.out.snapshots.push({
    sequenceNumber: s,
    entry,
    summary,
    chunks: snapshot.chunks,
    windowChunks: windowChunks(replica.ledger),
  });
}

/** Enter: the snapshot of an installed transfer is durable. What is above it goes on from there. */
export function maybeFinishTransfer(replica: Replica, s: SequenceNumber): void {
  const { transfer } = replica;
  if (transfer === undefined || !transfer.installing || transfer.stable.checkpoint.sequenceNumber !== s)
    return;
  const { checkpoint, summary } = transfer.stable;
  replica.transfer = undefined;
  replica.wantsTransfer = false;
  replica.tooOldAt.clear();
  replica.receivedChunks.clear();
  replica.out.transferEnded = true;
  for (const recorded of replica.recordedEntries.keys()) {
    if (recorded <= s) replica.recordedEntries.delete(recorded);
  }
  replica.ownEntry = Math.max(replica.ownEntry, s);
  checkOwnVotes(replica, replica.stable + 1, s);
  forgetBatches(replica, s);
  replica.recentStates.clear();
  replica.out.discardBelow = s;
  if (replica.committed < s) {
    replica.committed = s;
    replica.committedDigest = checkpoint.hashChainDigest;
    forgetHeldProposals(replica);
    if (replica.unlinked !== undefined && replica.unlinked.sequenceNumber <= s) replica.unlinked = undefined;
  }
  replica.previousStable = s;
  replica.stable = s;
  replica.stableCertificate = checkpoint;
  replica.stableSummary = summary;
  replica.proposed = Math.max(replica.proposed, s);
  persist(replica, { type: 'stable', certificate: checkpoint, summary });
  replica.out.carry = carriedRecords(replica);
  settleSkipped(replica);
  if (s >= replica.newViewLast && replica.phase === 'normal') replica.newViewDeadlineMs = undefined;
  emit(replica, { type: 'transferred', sequenceNumber: s });
  emit(replica, { type: 'stable', sequenceNumber: s });
  verifyNewViewBase(replica);
  executeReady(replica);
  castVotes(replica);
  maybePropose(replica);
  replica.gapsDirty = true;
}

/** Nobody has the pieces of this checkpoint any more: begin again with a newer one. */
export function restartTransfer(replica: Replica): void {
  const { transfer } = replica;
  if (transfer?.installing === true) return;
  // Who offered it is asked last from now on: else a liar could offer the same old checkpoint again and again.
  if (transfer !== undefined) {
    addDemerit(replica, transfer.from);
    // Most chunks of the newer checkpoint may be the same.
    replica.receivedChunks.clear();
    for (const [index, bytes] of transfer.chunks) {
      replica.receivedChunks.set(keyOf(transfer.manifest[index]!), bytes);
    }
  }
  replica.transfer = undefined;
  replica.wantsTransfer = true;
  replica.gapsDirty = true;
}
