/** What the answers to a REQUEST or OPEN mean, once Q replicas agree (docs/protocol.md §3.10). */

import { assert, unreachable } from '../../types/assert.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Head } from '../messages/entry.ts';
import type { Reply, Status } from '../messages/reply.ts';
import { headOf } from '../version-vector.ts';
import { rejectResults, verifyReply } from './acceptance.ts';
import { addAnswer } from './answers.ts';
import { makeInquiry } from './inquiry.ts';
import type { ClientOutput, Rejection } from './io.ts';
import { readSessionNumber } from './open.ts';
import { startAccusing, startHealing } from './proving.ts';
import { putBack, rejectOperations } from './queue.ts';
import {
  type Agreed,
  advance,
  type ClientSession,
  complete,
  end,
  land,
  noteVerified,
  type Queued,
  type RequestFlight,
  verificationOf,
} from './session.ts';

/** On REPLY: counts it once it is verified, and settles the request when Q agree. Answers why it was refused, if it was. */
export function onReply(
  session: ClientSession,
  from: ReplicaIndex,
  reply: Reply,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  const { flight, context } = session;
  if (flight?.type !== 'request' || !equalBytes(reply.requestDigest, flight.digest)) return 'NOT_AWAITED';
  if (flight.agreed !== undefined && isResultOf(flight.agreed, reply)) {
    return onResult(session, flight, flight.agreed, from, reply, out);
  }
  const verified = verifyReply(verificationOf(session, out), flight.message.request, from, reply);
  if (!verified.ok) return verified.error;
  noteVerified(session, verified.value);
  const agreeing = addAnswer(flight.answers, from, verified.value);
  const { quorumSize } = context.cluster.thresholds;
  if (agreeing.length < quorumSize) return undefined;
  const head = headOf(
    agreeing.map(({ entry }) => entry),
    quorumSize,
  );
  if (reply.status === 'OK') onExecuted(session, flight, agreeing, head, nowMs, out);
  else onRefused(session, flight, reply.status, head, nowMs, out);
  return undefined;
}

/** Q replicas say that it was executed. With the results the request is done; else they are asked for. */
function onExecuted(
  session: ClientSession,
  flight: RequestFlight,
  agreeing: readonly Reply[],
  head: Head,
  nowMs: number,
  out: ClientOutput,
): void {
  const full = agreeing.find(({ results }) => results !== undefined);
  if (full?.results !== undefined) {
    accept(session, flight, full, full.results, head, out);
    return;
  }
  const { resultMs } = session.limits;
  flight.agreed ??= {
    reply: agreeing[0]!,
    head,
    inquiry: makeInquiry(
      agreeing.map(({ entry }) => entry.replica),
      nowMs + resultMs,
      resultMs,
    ),
    without: new Map(),
  };
}

/** The answer that was agreed on again, perhaps with the results this time. Its entry needs no second look. */
function isResultOf({ reply }: Agreed, other: Reply): boolean {
  return reply.status === other.status && equalBytes(reply.resultsRoot, other.resultsRoot);
}

function onResult(
  session: ClientSession,
  flight: RequestFlight,
  agreed: Agreed,
  from: ReplicaIndex,
  { results }: Reply,
  out: ClientOutput,
): string | undefined {
  if (results !== undefined) {
    const refusal = rejectResults(session.context, flight.message.request, agreed.reply, results);
    if (refusal === undefined) accept(session, flight, agreed.reply, results, agreed.head, out);
    return refusal;
  }
  const count = agreed.without.get(from);
  if (count === undefined) return undefined;
  agreed.without.set(from, count + 1);
  if (isResultLost(agreed, session.context.cluster.thresholds.beliefSize)) {
    advance(session, agreed.head, 'OK', out);
    land(session);
    complete(flight.items, { type: 'unknown', reason: 'RESULT-LOST' }, out);
  }
  return undefined;
}

/** Answers without results that convince us that a replica has none: two may have been on their way when it was asked. */
const EMPTY_ANSWERS_TO_BELIEVE = 3;

/**
 * The session table may have dropped the bytes of a result, alike at all correct replicas. It is believed of k_safe+1 replicas, each asked
 * again and again; without it, one large result that came too late would block the session for ever.
 */
function isResultLost({ without }: Agreed, beliefSize: number): boolean {
  return [...without.values()].filter((count) => count >= EMPTY_ANSWERS_TO_BELIEVE).length >= beliefSize;
}

/** The operations are done, or the session is open. */
function accept(
  session: ClientSession,
  flight: RequestFlight,
  reply: Reply,
  results: readonly Uint8Array[],
  head: Head,
  out: ClientOutput,
): void {
  const { request } = flight.message;
  advance(session, head, 'OK', out);
  land(session);
  if (request.type === 'open') {
    const number = readSessionNumber(results);
    assert(number !== undefined, 'the results of an accepted OPEN hold a session number');
    session.number = number;
    session.timestamp = 0;
    out.events.push({ type: 'opened', session: number });
    return;
  }
  const { status, index, size, path } = reply;
  for (const [operation, item] of flight.items.entries()) {
    const receipt = { operation, request, status, results, index, size, path, head };
    complete([item], { type: 'accepted', result: results[operation]!, receipt }, out);
  }
}

/** Q replicas say that it was not applied, and why. Only STALE is healed; none of them moves `seen` by itself. */
function onRefused(
  session: ClientSession,
  flight: RequestFlight,
  status: Exclude<Status, 'OK'>,
  head: Head,
  nowMs: number,
  out: ClientOutput,
): void {
  const { items } = flight;
  land(session);
  if (flight.message.request.type === 'open' && (status === 'NO-SESSION' || status === 'GAP')) {
    // NO-SESSION: the key's own later OPENs have evicted the session that this one made. GAP no correct replica answers. Not to ask again at
    // once keeps two processes with too many sessions of one key from evicting each other for ever.
    refuseOperations(session, items, status, out);
    return;
  }
  switch (status) {
    case 'STALE':
      putBack(session, items);
      startHealing(session, head, nowMs, out);
      return;
    case 'FORKED':
      loseSession(session, 'FORKED', out);
      out.events.push({ type: 'forked', own: session.accepted, theirs: head });
      startAccusing(session, head, items, nowMs, out);
      return;
    case 'NO-SESSION':
      complete(items, { type: 'unknown', reason: 'NO-SESSION' }, out);
      loseSession(session, 'NO-SESSION', out);
      return;
    case 'GAP':
      // Our session has applied a request whose answer we do not remember accepting: our stored state is an old copy, or two
      // processes use the session. Going on would break self-consistency unnoticed.
      complete(items, { type: 'rejected', status }, out);
      loseSession(session, 'GAP', out);
      end(session, 'GAP', out);
      return;
    case 'FULL':
    case 'DENIED':
      refuseOperations(session, items, status, out);
      return;
    default:
      unreachable(status);
  }
}

/** There is no session to order in, for now: nothing that waits was sent. The next `submit` asks again. */
function refuseOperations(
  session: ClientSession,
  items: readonly Queued[],
  status: Rejection,
  out: ClientOutput,
): void {
  complete(items, { type: 'rejected', status }, out);
  rejectOperations(session, status, out);
}

function loseSession(
  session: ClientSession,
  reason: 'NO-SESSION' | 'FORKED' | 'GAP',
  out: ClientOutput,
): void {
  session.number = undefined;
  session.timestamp = 0;
  session.unsaved ||= session.durable;
  out.events.push({ type: 'sessionLost', reason });
}
