/** REQUEST and OPEN on their way out: signing, sending, repeating as the very same bytes (docs/protocol.md §3.1, §8). */

import { assert } from '../../types/assert.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { MessageOf } from '../messages/index.ts';
import { type ClientRequest, type Request, requestDigest, requestStatement } from '../messages/request.ts';
import { kthHighest } from '../quorum.ts';
import { repliesAgree } from './acceptance.ts';
import { makeAnswers } from './answers.ts';
import { nextReplica } from './inquiry.ts';
import type { ClientOutput } from './io.ts';
import { nextDelayMs } from './limits.ts';
import { makeOpen, OPEN_NONCE_BYTES } from './open.ts';
import { takeOperations } from './queue.ts';
import { type ClientSession, type Queued, type RequestFlight, seenOf } from './session.ts';

/** Something waits to be ordered and there is no session: ask for one. */
export function startOpen(session: ClientSession, nowMs: number, out: ClientOutput): void {
  const nonce = session.random(OPEN_NONCE_BYTES);
  const open = makeOpen(session.context, session.signer, nonce, seenOf(session));
  launch(session, open, [], nowMs, out);
}

/** Signs and sends the operations at the head of the queue under the next timestamp. */
export function startRequest(session: ClientSession, nowMs: number, out: ClientOutput): void {
  const { context, signer, number } = session;
  assert(number !== undefined, 'a request needs a session');
  const items = takeOperations(session);
  assert(items.length > 0, 'a request carries an operation');
  session.timestamp++;
  const unsigned = {
    type: 'request' as const,
    client: signer.publicKey,
    session: number,
    timestamp: session.timestamp,
    operations: items.map(({ operation }) => operation),
    seen: seenOf(session),
  };
  const signature = signer.sign(requestStatement(context.cluster, context.crypto, unsigned));
  const request: Request = { ...unsigned, signature };
  launch(session, request, items, nowMs, out);
}

/** Sends a signed request for the first time in this process; a restored one has been sent, perhaps, by an earlier one. */
export function launch(
  session: ClientSession,
  request: ClientRequest,
  items: readonly Queued[],
  nowMs: number,
  out: ClientOutput,
): void {
  const { context, limits } = session;
  const flight: RequestFlight = {
    type: 'request',
    message: { type: 'request', request },
    digest: requestDigest(context.cluster, context.crypto, request),
    items,
    answers: makeAnswers(limits.answersPerReplicaMax, repliesAgree, ({ results }) => results !== undefined),
    repeatAtMs: nowMs + limits.repeatMs,
    repeatDelayMs: limits.repeatMs,
    busyUntilMs: new Map(),
    agreed: undefined,
  };
  session.flight = flight;
  session.unsaved ||= session.durable;
  out.sends.push({ to: 'all', message: flight.message });
  out.events.push({ type: 'sent', request, operations: items.length });
}

/**
 * On BUSY: not an outcome, only a reason to repeat later. It is heeded as far as k_safe+1 replicas ask for it, so that faulty ones
 * cannot silence a client.
 */
export function onBusy(
  session: ClientSession,
  from: ReplicaIndex,
  { reference, retryAfterMs }: MessageOf<'busy'>,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  const { flight, limits, context } = session;
  if (flight?.type !== 'request' || !equalBytes(reference, flight.digest)) return 'NOT_AWAITED';
  out.events.push({ type: 'busy', from, retryAfterMs });
  flight.busyUntilMs.set(from, nowMs + Math.min(retryAfterMs, limits.repeatMaxMs));
  const believed = kthHighest([...flight.busyUntilMs.values()], context.cluster.thresholds.beliefSize);
  if (believed !== undefined) flight.repeatAtMs = Math.max(flight.repeatAtMs, believed);
  return undefined;
}

/** At a tick: repeats the same bytes when it is time, and asks the next replier for the results. */
export function onRequestTick(
  session: ClientSession,
  flight: RequestFlight,
  nowMs: number,
  out: ClientOutput,
): void {
  const { agreed } = flight;
  // Once Q agree, only the results are lacking, and GET-RESULT asks for them.
  if (agreed === undefined && nowMs >= flight.repeatAtMs) {
    flight.repeatDelayMs = nextDelayMs(session.limits, flight.repeatDelayMs);
    flight.repeatAtMs = nowMs + flight.repeatDelayMs;
    out.sends.push({ to: 'all', message: flight.message });
    out.events.push({ type: 'repeated' });
  }
  if (agreed !== undefined && nowMs >= agreed.inquiry.askAtMs) {
    const replier = nextReplica(agreed.inquiry, session.limits, nowMs);
    if (!agreed.without.has(replier)) agreed.without.set(replier, 0);
    out.sends.push({ to: replier, message: { type: 'get-result', requestDigest: flight.digest } });
  }
}
