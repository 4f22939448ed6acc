/**
 * The replicated state, and what executing a batch does to it (docs/protocol.md §3.8). Every function here depends on the prefix of
 * batches alone, never on a view or on who runs it: replicas, recovering replicas and auditors share it.
 */

import type { LeafStore } from '../crypto/leaf-store.ts';
import { createLogTree, type LogTree } from '../crypto/log-tree.ts';
import type { MerkleMapVersion } from '../crypto/merkle-map/index.ts';
import { rootOfHashes } from '../crypto/merkle-tree.ts';
import type { Chunk, Service, ServiceFactory, Snapshot } from '../services/service.ts';
import { assert } from '../types/assert.ts';
import { concatBytes, equalBytes, keyOf, u32Bytes, u64Bytes } from '../types/bytes.ts';
import type { Digest, PublicKey, SequenceNumber } from '../types/identities.ts';
import type { Context } from './context.ts';
import type { Batch } from './messages/batch.ts';
import type { EntryContent } from './messages/entry.ts';
import type { StateSummary } from './messages/fetch.ts';
import { logLeaf, replyLeaf, resultsRootOf, type Status } from './messages/reply.ts';
import type { ClientRequest, Open, Request, Seen, SessionNumber } from './messages/request.ts';
import { encodeSessionNumber, requestDigest } from './messages/request.ts';
import { treeWithPaths } from './reply-tree.ts';
import {
  compareNumbers,
  createSessions,
  findNonce,
  findSession,
  openSession,
  recordExecution,
  rememberNonce,
  restoreSessions,
  type Sessions,
  type StoredReply,
  sessionKey,
  snapshotSessions,
  trimSessions,
} from './sessions.ts';
import { statement } from './statement.ts';

/** (HCD, R) of one executed batch: the data of its leaf in L. */
export interface WindowEntry {
  readonly hashChainDigest: Digest;
  readonly repliesRoot: Digest;
}

export interface Ledger {
  readonly context: Context;
  readonly listed: ReadonlySet<string>;
  service: Service;
  sessions: Sessions;
  /** L. */
  readonly tree: LogTree;
  /** At least the last `chainWindow` executed batches. */
  readonly window: Map<SequenceNumber, WindowEntry>;
  /** Derived: the chunks of whole blocks of the window, by block number; they never change. */
  readonly windowBlocks: Map<number, Chunk>;
  /** The effective time of the last executed batch. */
  timeMs: number;
  /** The last executed batch. */
  executed: EntryContent;
}

/** One reply of an executed batch, and whom it goes to. */
export interface ExecutedReply {
  readonly client: PublicKey;
  readonly reply: StoredReply;
}

export interface Execution {
  readonly entry: EntryContent;
  readonly replies: readonly ExecutedReply[];
  readonly operations: number;
}

/** What stands for s = 0. */
export function genesisEntry(context: Context): EntryContent {
  const empty = context.crypto.hash();
  return {
    sequenceNumber: 0,
    hashChainDigest: context.cluster.id,
    repliesRoot: empty,
    logRoot: empty,
  };
}

/**
 * The genesis state. `leaves` must be empty, or hold exactly the leaves below the snapshot that is restored next.
 */
export function createLedger(context: Context, service: ServiceFactory, leaves: LeafStore): Ledger {
  return {
    context,
    listed: new Set(context.cluster.genesis.listed.map(keyOf)),
    service: service(),
    sessions: createSessions(context.crypto),
    tree: createLogTree(context.crypto.hash, leaves),
    window: new Map(),
    windowBlocks: new Map(),
    timeMs: 0,
    executed: genesisEntry(context),
  };
}

/** How `seen` stands to the executed prefix. */
export type SeenVerdict = 'on-chain' | 'off-chain' | 'too-old';

export function judgeSeen(ledger: Ledger, seen: Seen): SeenVerdict {
  if (seen.sequenceNumber === 0) {
    return equalBytes(seen.hashChainDigest, ledger.context.cluster.id) ? 'on-chain' : 'off-chain';
  }
  const age = ledger.executed.sequenceNumber - seen.sequenceNumber;
  if (age < 0) return 'off-chain';
  // By age, not by what happens to be held: a replica that transferred its state holds less than one that did not.
  if (age >= ledger.context.cluster.limits.chainWindow) return 'too-old';
  const entry = ledger.window.get(seen.sequenceNumber);
  assert(entry !== undefined, 'the chain window holds every entry younger than it is long');
  return equalBytes(entry.hashChainDigest, seen.hashChainDigest) ? 'on-chain' : 'off-chain';
}

/** The status that executing the request next would give it, or 'skip' where it would leave no trace. */
export function judgeRequest(ledger: Ledger, request: ClientRequest): Status | 'skip' {
  return request.type === 'open' ? judgeOpen(ledger, request) : judgeOperations(ledger, request);
}

function judgeOpen(ledger: Ledger, open: Open): Status | 'skip' {
  const made = findNonce(ledger.sessions, open);
  // The session that it made may be evicted by now: without an answer, a client that never heard of it would ask until the nonce is forgotten.
  if (made !== undefined) return findSession(ledger.sessions, made) === undefined ? 'NO-SESSION' : 'skip';
  if (ledger.context.cluster.genesis.listedOnly && !ledger.listed.has(keyOf(open.client))) return 'DENIED';
  const seen = judgeSeen(ledger, open.seen);
  return seen === 'off-chain' ? 'FORKED' : seen === 'too-old' ? 'STALE' : 'OK';
}

function judgeOperations(ledger: Ledger, request: Request): Status | 'skip' {
  const session = findSession(ledger.sessions, request.session);
  // A session of another key is nobody's business but that key's: the same answer as for none.
  if (session === undefined || !equalBytes(session.client, request.client)) return 'NO-SESSION';
  if (request.timestamp <= session.timestamp) return 'skip';
  const { seen } = request;
  const isLastApplied =
    seen.sequenceNumber === session.applied.sequenceNumber &&
    equalBytes(seen.hashChainDigest, session.applied.hashChainDigest);
  const verdict = judgeSeen(ledger, seen);
  if (verdict === 'off-chain') return 'FORKED';
  if (seen.sequenceNumber < session.applied.sequenceNumber) return 'GAP';
  return isLastApplied || verdict === 'on-chain' ? 'OK' : 'STALE';
}

/** A request of the batch that leaves a trace, between being judged and being recorded. */
interface Judged {
  readonly request: ClientRequest;
  readonly digest: Digest;
  readonly status: Status;
  readonly results: readonly Uint8Array[];
  readonly resultsRoot: Digest;
  /** The session it changed, or that it made. */
  readonly session: SessionNumber | undefined;
}

/** Executes batch s = executed+1, whose hash chain digest is `hashChainDigest`. */
export function executeBatch(ledger: Ledger, batch: Batch, hashChainDigest: Digest): Execution {
  const { context } = ledger;
  const { crypto, cluster } = context;
  const sequenceNumber = ledger.executed.sequenceNumber + 1;
  ledger.timeMs = Math.max(ledger.timeMs, batch.timeMs);
  const judged: Judged[] = [];
  const changed = new Set<string>();
  for (const [index, request] of batch.requests.entries()) {
    // A session's record changes only at the end of the batch, so its second request in one batch is caught here.
    const key = request.type === 'request' ? sessionKey(request.session) : undefined;
    if (key !== undefined && changed.has(key)) continue;
    const status = judgeRequest(ledger, request);
    if (status === 'skip') continue;
    const result = apply(ledger, request, status, sequenceNumber, index);
    if (key !== undefined && result.session !== undefined) changed.add(key);
    judged.push(result);
  }
  const leaves = judged.map((it) => replyLeaf(crypto, it.digest, it.status, it.resultsRoot));
  const { root: repliesRoot, paths } = treeWithPaths(crypto.hash, leaves);
  ledger.tree.append(logLeaf(crypto, hashChainDigest, repliesRoot));
  const entry = { sequenceNumber, hashChainDigest, repliesRoot, logRoot: ledger.tree.root() };
  ledger.executed = entry;
  ledger.window.set(sequenceNumber, { hashChainDigest, repliesRoot });
  // Kept somewhat longer than the chain window: peers that transfer a checkpoint we still serve need the window as it was there.
  const { chainWindow, watermarkWindow, checkpointInterval } = cluster.limits;
  ledger.window.delete(sequenceNumber - chainWindow - 2 * (watermarkWindow + checkpointInterval));
  const replies = judged.map((it, index) => ({
    client: it.request.client,
    session: it.session,
    request: it.request,
    reply: {
      requestDigest: it.digest,
      status: it.status,
      resultsRoot: it.resultsRoot,
      results: it.results,
      index,
      size: judged.length,
      path: paths[index]!,
      ...entry,
    },
  }));
  for (const it of replies.filter((each) => each.session !== undefined).sort(bySession)) {
    const timestamp = it.request.type === 'request' ? it.request.timestamp : 0;
    recordExecution(ledger.sessions, it.session!, timestamp, it.reply.status === 'OK', it.reply);
  }
  trimSessions(ledger.sessions, cluster.limits, sequenceNumber);
  const operations = judged.reduce(
    (sum, it) => sum + (it.request.type === 'request' ? it.results.length : 0),
    0,
  );
  return { entry, replies, operations };
}

function bySession(
  a: { readonly session: SessionNumber | undefined },
  b: { readonly session: SessionNumber | undefined },
): number {
  return compareNumbers(a.session!, b.session!);
}

function apply(
  ledger: Ledger,
  request: ClientRequest,
  judgedStatus: Status,
  sequenceNumber: SequenceNumber,
  index: number,
): Judged {
  const { cluster, crypto } = ledger.context;
  const digest = requestDigest(cluster, crypto, request);
  let status = judgedStatus;
  let results: readonly Uint8Array[] = [];
  let session: SessionNumber | undefined;
  if (request.type === 'request') {
    if (status === 'OK') results = applyOperations(ledger, request, sequenceNumber);
    // Every answered request of a known session is its last executed one, applied or not: none is judged twice.
    if (status !== 'NO-SESSION') session = request.session;
  } else {
    if (status === 'OK') {
      session = openSession(
        ledger.sessions,
        cluster.limits,
        ledger.listed,
        request,
        sequenceNumber,
        index,
      )?.number;
      if (session === undefined) status = 'FULL';
      else {
        results = [encodeSessionNumber(session)];
        rememberNonce(ledger.sessions, request, sequenceNumber, session);
      }
    }
  }
  return { request, digest, status, results, resultsRoot: resultsRootOf(crypto, results), session };
}

/** A result that does not fit what is left of the request's share becomes empty; services are told the limit beforehand. */
function applyOperations(
  ledger: Ledger,
  request: Request,
  sequenceNumber: SequenceNumber,
): readonly Uint8Array[] {
  let left = ledger.context.cluster.limits.resultBytesMax;
  return request.operations.map((operation) => {
    const result = ledger.service.apply(operation, {
      timeMs: ledger.timeMs,
      client: request.client,
      sequenceNumber,
      resultBytesMax: left,
    });
    if (result.length > left) return new Uint8Array(0);
    left -= result.length;
    return result;
  });
}

/** The replicated state as it was after a batch, unaffected by later ones. Taking it costs nothing; its digests may. */
export interface FrozenLedger {
  readonly entry: EntryContent;
  readonly timeMs: number;
  readonly sessions: MerkleMapVersion;
  readonly service: Snapshot;
}

export function freezeLedger(ledger: Ledger): FrozenLedger {
  const sessions = snapshotSessions(ledger.sessions);
  return { entry: ledger.executed, timeMs: ledger.timeMs, sessions, service: ledger.service.snapshot() };
}

/** Does a part of what `snapshotOf` would cost, as much as hashing `bytes` bytes takes; answers whether nothing is left of it. */
export function prepareSnapshot(frozen: FrozenLedger, bytes: number): boolean {
  return frozen.sessions.prepare(bytes) && (frozen.service.prepare?.(bytes) ?? true);
}

/** The replicated state at a checkpoint. */
export interface LedgerSnapshot {
  readonly entry: EntryContent;
  readonly summary: StateSummary;
  /** Σ. */
  readonly stateDigest: Digest;
  /** The session table's chunks, then the service's. */
  readonly chunks: readonly Chunk[];
  readonly service: Snapshot;
}

export function snapshotLedger(ledger: Ledger): LedgerSnapshot {
  return snapshotOf(ledger.context, freezeLedger(ledger));
}

export function snapshotOf(context: Context, frozen: FrozenLedger): LedgerSnapshot {
  const { entry, timeMs, sessions, service } = frozen;
  const sessionChunks = sessions.chunks();
  const chunks = [...sessionChunks, ...service.chunks()];
  const summary: StateSummary = {
    timeMs,
    manifestRoot: manifestRootOf(
      context,
      chunks.map((chunk) => chunk.digest),
    ),
    chunks: chunks.length,
    sessionChunks: sessionChunks.length,
    sessionsDigest: sessions.digest(),
    serviceDigest: service.digest(),
  };
  const stateDigest = stateDigestOf(context, entry.sequenceNumber, summary);
  return { entry, summary, stateDigest, chunks, service };
}

/** The RFC 6962 root over the chunk digests, taken as leaf hashes. */
export function manifestRootOf(context: Context, digests: readonly Digest[]): Digest {
  return rootOfHashes(context.crypto.hash, digests);
}

/** Σ^s. */
export function stateDigestOf(context: Context, s: SequenceNumber, summary: StateSummary): Digest {
  return context.crypto.hash(
    statement(
      context.cluster,
      'state',
      s,
      summary.timeMs,
      summary.manifestRoot,
      summary.chunks,
      summary.sessionChunks,
      summary.sessionsDigest,
      summary.serviceDigest,
    ),
  );
}

/**
 * Puts the state of a verified snapshot in place of the ledger's. The tree must already have the leaves up to the entry's s and
 * `window` the entries of the chain window.
 * @throws Error if the service or the session table refuses the chunks; the ledger is unusable then.
 */
export function restoreLedger(
  ledger: Ledger,
  makeService: ServiceFactory,
  entry: EntryContent,
  summary: StateSummary,
  chunks: readonly Uint8Array[],
  window: ReadonlyMap<SequenceNumber, WindowEntry>,
): void {
  assert(ledger.tree.size === entry.sequenceNumber, 'the log tree ends where the snapshot stands');
  assert(equalBytes(ledger.tree.root(), entry.logRoot), 'the log tree has the root that the snapshot names');
  ledger.sessions = restoreSessions(ledger.context.crypto, chunks.slice(0, summary.sessionChunks));
  ledger.service = makeService();
  ledger.service.restore(chunks.slice(summary.sessionChunks));
  ledger.window.clear();
  ledger.windowBlocks.clear();
  for (const [s, value] of window) ledger.window.set(s, value);
  ledger.timeMs = summary.timeMs;
  ledger.executed = entry;
}

/** Entries of one local window chunk; blocks are aligned at multiples of this, so that whole ones never change. */
export const WINDOW_BLOCK = 1024;

/** The chain window as chunks of 64-byte entries, each block beginning after a multiple of `WINDOW_BLOCK`. */
export function windowChunks(ledger: Ledger): readonly Chunk[] {
  const { hash } = ledger.context.crypto;
  const last = ledger.executed.sequenceNumber;
  const first = Math.max(1, last - ledger.context.cluster.limits.chainWindow + 1);
  const chunks: Chunk[] = [];
  const firstBlock = Math.floor((first - 1) / WINDOW_BLOCK);
  ledger.windowBlocks.delete(firstBlock);
  ledger.windowBlocks.delete(firstBlock - 1);
  for (let block = firstBlock; block * WINDOW_BLOCK < last; block++) {
    const whole = ledger.windowBlocks.get(block);
    if (whole !== undefined) {
      chunks.push(whole);
      continue;
    }
    const from = Math.max(first, block * WINDOW_BLOCK + 1);
    const to = Math.min(last, (block + 1) * WINDOW_BLOCK);
    const parts: Uint8Array[] = [u64Bytes(from), u32Bytes(to - from + 1)];
    for (let s = from; s <= to; s++) {
      const entry = ledger.window.get(s)!;
      parts.push(entry.hashChainDigest, entry.repliesRoot);
    }
    const content = concatBytes(...parts);
    const chunk = { digest: hash(content), bytes: () => content };
    if (to - from + 1 === WINDOW_BLOCK) ledger.windowBlocks.set(block, chunk);
    chunks.push(chunk);
  }
  return chunks;
}

/** @throws Error on bytes that `windowChunks` cannot have made. */
export function readWindowChunks(chunks: readonly Uint8Array[]): Map<SequenceNumber, WindowEntry> {
  const window = new Map<SequenceNumber, WindowEntry>();
  for (const chunk of chunks) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const from = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
    const count = view.getUint32(8);
    assert(chunk.length === 12 + 64 * count, 'a window chunk has the length that its count says');
    for (let i = 0; i < count; i++) {
      const offset = 12 + 64 * i;
      window.set(from + i, {
        hashChainDigest: chunk.slice(offset, offset + 32),
        repliesRoot: chunk.slice(offset + 32, offset + 64),
      });
    }
  }
  return window;
}
