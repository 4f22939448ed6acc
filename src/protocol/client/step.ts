/** The client session's one way in: `startSession`, then `clientStep` with one input at a time. It only dispatches; io.ts has the contract. */

import { encode } from '../../codec/index.ts';
import type { Signer } from '../../crypto/port.ts';
import { unreachable } from '../../types/assert.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { evidenceSchema } from '../accountability/evidence.ts';
import type { Context } from '../context.ts';
import type { Head } from '../messages/entry.ts';
import { EVIDENCE_BYTES_MAX, type Message } from '../messages/index.ts';
import type { Clock } from '../replica/io.ts';
import type { DurableSession } from './durable.ts';
import { type EntryCache, makeEntryCache } from './entry-cache.ts';
import { type Findings, makeFindings, onEvidence } from './findings.ts';
import { type ClientInput, type ClientOutput, emptyClientOutput } from './io.ts';
import type { ClientLimits } from './limits.ts';
import { enqueueHead, giveUp, onFetched, onProofTick, startObserving } from './proving.ts';
import { enqueue, withdraw } from './queue.ts';
import { onReadReply, onReadTick, startRead } from './reads.ts';
import { onReply } from './replies.ts';
import { launch, onBusy, onRequestTick, startOpen, startRequest } from './requests.ts';
import { type ClientSession, complete, durableOf, end, type Queued } from './session.ts';

export interface SessionOptions {
  readonly context: Context;
  readonly signer: Signer;
  /** The only source of randomness: `length` bytes for nonces. */
  readonly random: (length: number) => Uint8Array;
  /** The key's last accepted head; undefined only for a key that never accepted one. */
  readonly seen: Head | undefined;
  /** Whether requests are stored before they are sent, so that a later process can go on. */
  readonly durable: boolean;
  /** What an earlier process stored, if the session is durable and it stored something. */
  readonly restored: DurableSession | undefined;
  readonly limits: ClientLimits;
  /** Shared by the sessions of one process; each makes its own without it. */
  readonly entries?: EntryCache;
  /** Likewise: who is proved guilty. When it says that a fork is proved, each session ends at its next step. */
  readonly findings?: Findings;
}

/**
 * Makes a session; it sends nothing unless a request is in flight from an earlier process, which is sent again as it was.
 * @throws Error if `restored` is of another cluster or key, or given to a volatile session.
 */
export function startSession(
  options: SessionOptions,
  clock: Clock,
): { readonly session: ClientSession; readonly output: ClientOutput } {
  const { context, signer, random, durable, restored, limits } = options;
  if (restored !== undefined) assertRestorable(options, restored);
  const session: ClientSession = {
    context,
    signer,
    random,
    durable,
    limits,
    entries: options.entries ?? makeEntryCache(limits.entriesPerReplicaMax),
    findings: options.findings ?? makeFindings(),
    vector: new Map(),
    accepted: newer(restored?.accepted, options.seen),
    number: restored?.session,
    timestamp: restored?.timestamp ?? 0,
    queue: [],
    queuedBytes: 0,
    shown: [],
    flight: undefined,
    reachesQuorum: true,
    nextFetchNumber: 1,
    ended: undefined,
    unsaved: false,
  };
  const out = emptyClientOutput();
  const request = restored?.inFlight;
  if (request !== undefined) {
    out.events.push({ type: 'restored', request });
    const operations = request.type === 'request' ? request.operations : [];
    const items = operations.map((operation, i): Queued => ({ kind: 'operation', token: -1 - i, operation }));
    launch(session, request, items, clock.monotonicMs, out);
  }
  return { session, output: finish(session, clock.monotonicMs, out) };
}

function assertRestorable({ context, signer, durable }: SessionOptions, restored: DurableSession): void {
  if (!durable) throw new Error('a volatile session restores nothing: pass durable: true, or only `seen`');
  if (!equalBytes(restored.cluster, context.cluster.id)) {
    throw new Error('the stored session is of another cluster: use a directory of its own for each cluster');
  }
  const owner = restored.inFlight?.client ?? restored.client;
  if (!equalBytes(restored.client, signer.publicKey) || !equalBytes(owner, signer.publicKey)) {
    throw new Error('the stored session is of another key: give the key it was made with');
  }
}

function newer(a: Head | undefined, b: Head | undefined): Head | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.sequenceNumber > a.sequenceNumber ? b : a;
}

/** One input, one output. Never throws on what was received; @throws Error on a token that is no integer ≥ 0. */
export function clientStep(session: ClientSession, input: ClientInput, clock: Clock): ClientOutput {
  const out = emptyClientOutput();
  const nowMs = clock.monotonicMs;
  switch (input.type) {
    case 'submit':
    case 'read': {
      const { token, operation } = input;
      assertToken(token);
      enqueue(session, { kind: input.type === 'read' ? 'read' : 'operation', token, operation }, out);
      break;
    }
    case 'head':
      assertToken(input.token);
      enqueue(session, { kind: 'head', token: input.token, operation: new Uint8Array(0) }, out);
      break;
    case 'observe':
      assertToken(input.token);
      enqueueHead(session, input.token, input.head, out);
      break;
    case 'withdraw':
      withdraw(session, input.token, out);
      break;
    case 'receive': {
      const { from, message } = input;
      const reason = onMessage(session, from, message, nowMs, out);
      if (reason !== undefined) out.events.push({ type: 'refused', from, message: message.type, reason });
      break;
    }
    case 'connected':
      onConnected(session, input.replica, out);
      break;
    case 'reach':
      session.reachesQuorum = input.quorum;
      break;
    case 'tick':
      onTick(session, nowMs, out);
      break;
    case 'close':
      stop(session, 'CLOSED', out);
      break;
    default:
      unreachable(input);
  }
  return finish(session, nowMs, out);
}

function assertToken(token: number): void {
  if (!Number.isSafeInteger(token) || token < 0) {
    throw new Error(`a token must be an integer ≥ 0, got ${token}: negative ones name restored operations`);
  }
}

/** Answers why the message was refused, if it was. */
function onMessage(
  session: ClientSession,
  from: ReplicaIndex,
  message: Message,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  switch (message.type) {
    case 'reply':
      return onReply(session, from, message, nowMs, out);
    case 'read-reply':
      return onReadReply(session, from, message, nowMs, out);
    case 'busy':
      return onBusy(session, from, message, nowMs, out);
    case 'fetched':
      return onFetched(session, from, message, nowMs, out);
    case 'evidence':
      return onEvidence(session, from, message, nowMs, out);
    default:
      return 'NOT_FOR_CLIENTS';
  }
}

/** What is in flight may have been lost with the old connection. */
function onConnected({ flight }: ClientSession, replica: ReplicaIndex, out: ClientOutput): void {
  if (flight?.type === 'request' || flight?.type === 'read') {
    out.sends.push({ to: replica, message: flight.message });
  }
}

function onTick(session: ClientSession, nowMs: number, out: ClientOutput): void {
  const { flight } = session;
  if (flight?.type === 'request') onRequestTick(session, flight, nowMs, out);
  else if (flight?.type === 'read') onReadTick(session, flight, nowMs, out);
  else if (flight?.type === 'proof') onProofTick(session, flight, nowMs, out);
}

/**
 * Nothing more is sent. What was sent may still be applied, and a durable session's request stays stored; a read changes nothing, and what waits
 * was not applied.
 */
function stop(session: ClientSession, reason: 'CLOSED' | 'FORKED', out: ClientOutput): void {
  const { flight } = session;
  if (flight?.type === 'request') complete(flight.items, { type: 'unknown', reason }, out);
  if (flight?.type === 'read') complete([flight.item], { type: 'rejected', status: reason }, out);
  if (flight?.type === 'proof') giveUp(session, flight, reason, out);
  session.flight = undefined;
  end(session, reason, out);
}

/**
 * Ends every step: stops on proof of a fork, else starts the next flight if there is none, and says what to store and when to come back.
 */
function finish(session: ClientSession, nowMs: number, out: ClientOutput): ClientOutput {
  const isOver = session.ended !== undefined && session.flight === undefined;
  if (session.findings.forked && !isOver) stop(session, 'FORKED', out);
  // One replica can prove what a shown head is: it needs no quorum in reach. What it comes to may take no time at all.
  while (session.flight === undefined && session.shown.length > 0) startObserving(session, nowMs, out);
  const next = session.queue[0];
  if (session.flight === undefined && session.reachesQuorum && next !== undefined) {
    if (next.kind !== 'operation') startRead(session, nowMs, out);
    else if (session.number === undefined) startOpen(session, nowMs, out);
    else startRequest(session, nowMs, out);
  }
  shareEvidence(out);
  if (session.unsaved) {
    session.unsaved = false;
    out.persist = durableOf(session);
  }
  out.wakeAtMs = wakeAtMs(session);
  return out;
}

/** What was found goes to the replicas: the correct ones keep it, tell each other, and stop if it proves a fork. */
function shareEvidence(out: ClientOutput): void {
  for (const event of out.events) {
    if (event.type !== 'evidence') continue;
    const evidence = encode(evidenceSchema, event.evidence);
    if (evidence.length <= EVIDENCE_BYTES_MAX)
      out.sends.push({ to: 'all', message: { type: 'evidence', evidence } });
  }
}

function wakeAtMs({ flight }: ClientSession): number {
  switch (flight?.type) {
    case undefined:
      return Number.POSITIVE_INFINITY;
    case 'request':
      return flight.agreed?.inquiry.askAtMs ?? flight.repeatAtMs;
    case 'read':
      return Math.min(flight.agreed?.inquiry.askAtMs ?? flight.orderAtMs, flight.orderAtMs);
    case 'proof':
      return Math.min(flight.inquiry.askAtMs, flight.giveUpAtMs);
    default:
      return unreachable(flight);
  }
}
