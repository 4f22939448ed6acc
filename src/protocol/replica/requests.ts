/** Requests on their way into a batch: admission, relay to the primary, packing (docs/protocol.md §3.1–3.3). */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { Digest, ReplicaIndex } from '../../types/identities.ts';
import { isRequestSigned } from '../certificates.ts';
import { primaryOf } from '../genesis.ts';
import { judgeRequest } from '../ledger.ts';
import type { Batch } from '../messages/batch.ts';
import type { MessageOf } from '../messages/index.ts';
import { type ClientRequest, rejectRequestForm, requestBytes, requestDigest } from '../messages/request.ts';
import { findNonce, findSession, type StoredReply, sessionKey } from '../sessions.ts';
import { emit, isPrimary, maySignOrdering, refuse, sendTo, sendToParty } from './effects.ts';
import type { Party } from './io.ts';
import { propose } from './ordering.ts';
import { sendReply } from './replies.ts';
import type { Pending, Replica } from './state.ts';
import { statusDueToAll } from './status.ts';

/**
 * One key per client and session, or per OPEN: a newer request of a session takes the place of an older one. The client is part of it:
 * anyone may name any session, and is told NO-SESSION, but must not take the place of its owner.
 */
export function pendingKey(request: ClientRequest): string {
  return request.type === 'request'
    ? `s${keyOf(request.client)}${sessionKey(request.session)}`
    : `o${keyOf(request.client)}${keyOf(request.nonce)}`;
}

/** From a client: REQUEST or OPEN. */
export function onRequest(replica: Replica, from: Party, message: MessageOf<'request'>): void {
  const { request } = message;
  const { cluster, crypto } = replica.context;
  // Only its own key may bring a request: a stranger with recorded ones would fill the places of their client.
  if (from.kind !== 'client' || !equalBytes(from.key, request.client)) {
    return refuse(replica, from, message, 'NOT_YOUR_KEY');
  }
  const form = rejectRequestForm(cluster, request);
  if (form !== undefined) return refuse(replica, from, message, form);
  const digest = requestDigest(cluster, crypto, request);
  const past = findPast(replica, request);
  if (past !== undefined) {
    if (past.reply !== undefined && equalBytes(past.reply.requestDigest, digest)) {
      sendReply(replica, request.client, past.reply);
    } else refuse(replica, from, message, 'EXECUTED_BEFORE');
    return;
  }
  if (!maySignOrdering(replica)) return refuse(replica, from, message, 'NOT_ORDERING');
  const key = pendingKey(request);
  const waiting = replica.pending.get(key);
  if (waiting !== undefined && equalBytes(waiting.digest, digest)) {
    // The client asks again: perhaps we are the one that is left behind (docs/protocol.md §6).
    statusDueToAll(replica);
    return;
  }
  if (waiting !== undefined && !isNewer(request, waiting.request)) {
    return refuse(replica, from, message, 'ANOTHER_IS_WAITING');
  }
  const limit = rejectOverLimit(replica, request, waiting);
  if (limit !== undefined) {
    refuse(replica, from, message, limit);
    const busy = { type: 'busy', reference: digest, retryAfterMs: replica.limits.busyRetryMs } as const;
    return sendToParty(replica, from, busy);
  }
  if (!isRequestSigned(replica.context, request)) return refuse(replica, from, message, 'BAD_SIGNATURE');
  if (waiting !== undefined) removePending(replica, key);
  admit(replica, key, request, digest);
}

/** What an executed request left: its reply, if it is the session's last one. Undefined if it has not been executed. */
function findPast(
  replica: Replica,
  request: ClientRequest,
): { readonly reply: StoredReply | undefined } | undefined {
  const { sessions } = replica.ledger;
  if (request.type === 'open') {
    const made = findNonce(sessions, request);
    const session = made && findSession(sessions, made);
    // One whose session was evicted is ordered again: NO-SESSION is its answer.
    return session && { reply: session.reply };
  }
  const session = findSession(sessions, request.session);
  if (session === undefined || !equalBytes(session.client, request.client)) return undefined;
  if (request.timestamp > session.timestamp) return undefined;
  return { reply: request.timestamp === session.timestamp ? session.reply : undefined };
}

function isNewer(request: ClientRequest, than: ClientRequest): boolean {
  return request.type === 'request' && than.type === 'request' && request.timestamp > than.timestamp;
}

function rejectOverLimit(
  replica: Replica,
  request: ClientRequest,
  replaced: Pending | undefined,
): string | undefined {
  const { limits } = replica;
  const bytes = replica.pendingBytes - (replaced?.bytes ?? 0) + requestBytes(request);
  if (bytes > limits.pendingBytesMax) return 'TOO_MANY_PENDING_BYTES';
  if (replaced !== undefined) return undefined;
  if (replica.pending.size >= limits.pendingRequestsMax) return 'TOO_MANY_PENDING';
  const client = keyOf(request.client);
  if ((replica.pendingPerKey.get(client) ?? 0) >= limits.pendingPerKeyMax) return 'TOO_MANY_OF_KEY';
  if (isSessionKnown(replica, request)) return undefined;
  let unknown = 0;
  for (const waiting of replica.pending.values()) {
    if (!waiting.knownSession && equalBytes(waiting.request.client, request.client)) unknown++;
  }
  return unknown >= limits.unknownSessionsPerKeyMax ? 'TOO_MANY_UNKNOWN_SESSIONS' : undefined;
}

function isSessionKnown(replica: Replica, request: ClientRequest): boolean {
  if (request.type !== 'request') return false;
  const session = findSession(replica.ledger.sessions, request.session);
  return session !== undefined && equalBytes(session.client, request.client);
}

function admit(replica: Replica, key: string, request: ClientRequest, digest: Digest): void {
  const pending: Pending = {
    key,
    request,
    digest,
    bytes: requestBytes(request),
    knownSession: isSessionKnown(replica, request),
    clockStartMs: undefined,
    relayed: false,
    proposedAt: undefined,
  };
  replica.pending.set(key, pending);
  replica.pendingBytes += pending.bytes;
  const client = keyOf(request.client);
  replica.pendingPerKey.set(client, (replica.pendingPerKey.get(client) ?? 0) + 1);
  startClocks(replica);
  emit(replica, { type: 'admitted', requestDigest: digest });
  maybePropose(replica);
}

export function removePending(replica: Replica, key: string): void {
  const pending = replica.pending.get(key);
  if (pending === undefined) return;
  replica.pending.delete(key);
  replica.pendingBytes -= pending.bytes;
  const client = keyOf(pending.request.client);
  const left = replica.pendingPerKey.get(client)! - 1;
  if (left === 0) replica.pendingPerKey.delete(client);
  else replica.pendingPerKey.set(client, left);
}

/** After a batch was executed: what it executed or overtook waits no longer, here or among the relayed. */
export function settlePending(replica: Replica, batch: Batch): void {
  for (const request of batch.requests) {
    const key = pendingKey(request);
    const waiting = replica.pending.get(key);
    if (waiting !== undefined && isSettled(replica, waiting.request, request)) removePending(replica, key);
    for (const queue of replica.relayed.values()) {
      const relayed = queue.get(key);
      // A newer request of the same session stays: its backup relays it once, and its clock there runs on.
      if (relayed !== undefined && isSettled(replica, relayed, request)) queue.delete(key);
    }
  }
  startClocks(replica);
}

/** After a state transfer: what can no longer execute, because it was among what was skipped, waits no longer. */
export function settleSkipped(replica: Replica): void {
  for (const { key, request } of [...replica.pending.values()]) {
    if (judgeRequest(replica.ledger, request) === 'skip') removePending(replica, key);
  }
  restartClocks(replica);
}

/**
 * Whether a request need not wait any longer now that `executed` was: it can no longer execute, or it is this one, which was answered even
 * where it left no trace in a session (NO-SESSION, a refused OPEN).
 */
function isSettled(replica: Replica, request: ClientRequest, executed: ClientRequest): boolean {
  return (
    judgeRequest(replica.ledger, request) === 'skip' ||
    equalBytes(digestOf(replica, request), digestOf(replica, executed))
  );
}

function digestOf(replica: Replica, request: ClientRequest): Digest {
  return requestDigest(replica.context.cluster, replica.context.crypto, request);
}

/** The oldest requests have clocks; a request that becomes one of them starts its own now. */
export function startClocks(replica: Replica): void {
  let left = replica.limits.clockedRequests;
  for (const pending of replica.pending.values()) {
    if (left-- === 0) return;
    pending.clockStartMs ??= replica.now.monotonicMs;
  }
}

/** On entering a view, and after each batch while far behind: every clock begins again. */
export function restartClocks(replica: Replica): void {
  for (const pending of replica.pending.values()) pending.clockStartMs = undefined;
  startClocks(replica);
}

/** T/2 after a clock started, and on entering a view: the primary may never have got the request. */
export function relayOldest(replica: Replica, evenFresh: boolean): void {
  if (isPrimary(replica) || replica.phase !== 'normal') return;
  const primary = primaryOf(replica.context.cluster, replica.view);
  const half = replica.timeoutMs / 2;
  let left = replica.limits.clockedRequests;
  for (const pending of replica.pending.values()) {
    if (left-- === 0) return;
    if (pending.relayed || pending.proposedAt !== undefined || pending.clockStartMs === undefined) continue;
    if (!evenFresh && replica.now.monotonicMs - pending.clockStartMs < half) continue;
    pending.relayed = true;
    sendTo(replica, primary, { type: 'relay', request: pending.request });
  }
}

/** From a backup, at the primary: room for a few per backup, outside all limits on clients. */
export function onRelay(replica: Replica, peer: ReplicaIndex, message: MessageOf<'relay'>): void {
  const from: Party = { kind: 'replica', index: peer };
  const { request } = message;
  if (!isPrimary(replica)) return refuse(replica, from, message, 'NOT_PRIMARY');
  const form = rejectRequestForm(replica.context.cluster, request);
  if (form !== undefined) return refuse(replica, from, message, form);
  if (judgeRequest(replica.ledger, request) === 'skip') {
    return refuse(replica, from, message, 'EXECUTED_BEFORE');
  }
  const relayed = replica.relayed.get(peer) ?? new Map<string, ClientRequest>();
  const key = pendingKey(request);
  if (!relayed.has(key) && relayed.size >= replica.limits.clockedRequests) {
    return refuse(replica, from, message, 'TOO_MANY_RELAYED');
  }
  if (!isRequestSigned(replica.context, request)) return refuse(replica, from, message, 'BAD_SIGNATURE');
  replica.relayed.set(peer, relayed);
  relayed.set(key, request);
  maybePropose(replica);
}

/**
 * The primary proposes at once when nothing is in flight; otherwise it waits a while for company (`companyDelayMs`), since one batch of
 * many costs hardly more than one of one.
 */
export function maybePropose(replica: Replica): void {
  if (!isPrimary(replica) || replica.phase !== 'normal' || !replica.newViewVerified) return;
  if (!replica.mayPropose || !maySignOrdering(replica)) return;
  const { pipelineWindow, watermarkWindow, requestsPerBatchMax } = replica.context.cluster.limits;
  while (
    replica.proposed - replica.ledger.executed.sequenceNumber < pipelineWindow &&
    replica.proposed < replica.stable + watermarkWindow
  ) {
    const isIdle = replica.proposed === replica.ledger.executed.sequenceNumber;
    if (!isIdle && isWaitingForCompany(replica) && replica.pending.size < requestsPerBatchMax) return;
    const packed = pack(replica);
    if (packed.requests.length === 0) {
      replica.batchWaitingSinceMs = undefined;
      return;
    }
    replica.batchWaitingSinceMs ??= replica.now.monotonicMs;
    if (!isIdle && !packed.isFull && isWaitingForCompany(replica)) return;
    replica.batchWaitingSinceMs = undefined;
    const s = replica.proposed + 1;
    for (const [key, peer] of packed.relayed) replica.relayed.get(peer)?.delete(key);
    for (const request of packed.requests) {
      const waiting = replica.pending.get(pendingKey(request));
      if (waiting !== undefined) waiting.proposedAt = s;
    }
    propose(replica, packed.requests);
  }
}

/**
 * How long a request may wait for others before it is proposed: `batchDelayMs` with one batch in flight, and longer with more. Where
 * batches take long, because replicas are busy or far away, a fixed short wait would cut the same load into ever more small ones, each
 * of which makes all replicas busier. A request that has waited a while for its turn loses little by it.
 */
export function companyDelayMs(replica: Replica): number {
  const inFlight = replica.proposed - replica.ledger.executed.sequenceNumber;
  return replica.limits.batchDelayMs * Math.min(inFlight, DELAYING_BATCHES_MAX) ** 2;
}

/** More batches in flight do not lengthen the wait further: it stays far below what makes a view slow. */
const DELAYING_BATCHES_MAX = 4;

function isWaitingForCompany(replica: Replica): boolean {
  const since = replica.batchWaitingSinceMs;
  return since !== undefined && replica.now.monotonicMs - since < companyDelayMs(replica);
}

interface Packed {
  readonly requests: readonly ClientRequest[];
  readonly relayed: readonly (readonly [key: string, peer: ReplicaIndex])[];
  readonly isFull: boolean;
}

/** Relayed requests first, one of each backup in turn; then what came from clients, oldest first. */
function pack(replica: Replica): Packed {
  const { requestsPerBatchMax, batchBytesMax } = replica.context.cluster.limits;
  const requests: ClientRequest[] = [];
  const relayed: [string, ReplicaIndex][] = [];
  const keys = new Set<string>();
  let bytes = 12;
  let isFull = false;
  const add = (key: string, request: ClientRequest): boolean => {
    if (keys.has(key)) return true;
    const size = requestBytes(request);
    if (requests.length >= requestsPerBatchMax || bytes + size > batchBytesMax) {
      isFull = true;
      return false;
    }
    keys.add(key);
    requests.push(request);
    bytes += size;
    return true;
  };
  const queues = [...replica.relayed].map(([peer, queue]) => ({ peer, queue: [...queue] }));
  for (let round = 0; queues.some(({ queue }) => round < queue.length); round++) {
    for (const { peer, queue } of queues) {
      const next = queue[round];
      if (next === undefined) continue;
      const [key, request] = next;
      const waiting = replica.pending.get(key);
      // What is proposed may be an older request of the session.
      const isProposed =
        waiting?.proposedAt !== undefined && equalBytes(waiting.digest, digestOf(replica, request));
      if (isProposed || judgeRequest(replica.ledger, request) === 'skip') {
        replica.relayed.get(peer)?.delete(key);
      } else if (add(key, request)) relayed.push([key, peer]);
    }
  }
  for (const pending of replica.pending.values()) {
    if (pending.proposedAt === undefined && !add(pending.key, pending.request)) break;
  }
  return { requests, relayed, isFull };
}
