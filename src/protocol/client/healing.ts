/**
 * After STALE (docs/protocol.md §3.10): our head is older than the chain window, so replicas cannot tell whether we are on their chain.
 * A consistency proof from our L to the answer's L tells us: Q replicas signed our (s, HCD, R) together with our L, whose last leaf they
 * are, so our whole history is a beginning of theirs. Only then is the answer's head taken as `seen`.
 */

import { verifyConsistency } from '../../crypto/merkle-tree.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Head } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import { makeInquiry, nextReplica, wentRound } from './inquiry.ts';
import type { ClientOutput } from './io.ts';
import { acceptedSequenceNumber, advance, type ClientSession, type HealFlight, land } from './session.ts';

/** Q replicas answered STALE with the head `to`. The operations are back in the queue: they were certainly not applied. */
export function startHealing(session: ClientSession, to: Head, nowMs: number, out: ClientOutput): void {
  const from = session.accepted;
  // Every history extends genesis; and a head that another session of the key brought meanwhile is newer than this answer.
  if (from === undefined || acceptedSequenceNumber(session) >= to.sequenceNumber) {
    advance(session, to, 'STALE', out);
    return;
  }
  const flight: HealFlight = {
    type: 'heal',
    from,
    to,
    number: session.nextFetchNumber++,
    inquiry: makeInquiry(
      to.votes.map(({ replica }) => replica),
      nowMs,
      session.limits.fetchMs,
    ),
  };
  session.flight = flight;
  out.events.push({ type: 'healing', from, to });
  askNext(session, flight, nowMs, out);
}

/** Asks the next of the head's signers, in rotation, more and more slowly. */
function askNext(session: ClientSession, flight: HealFlight, nowMs: number, out: ClientOutput): void {
  const { from, to, number, inquiry } = flight;
  const replica = nextReplica(inquiry, session.limits, nowMs);
  const want = { type: 'proof' as const, from: from.sequenceNumber, to: to.sequenceNumber };
  out.sends.push({ to: replica, message: { type: 'fetch', number, want } });
}

/** On FETCHED: a proof that holds ends the wait, whoever sent it; another answer makes us ask on, at once in the first round. */
export function onFetched(
  session: ClientSession,
  _from: ReplicaIndex,
  { number, payload }: MessageOf<'fetched'>,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  const { flight, context } = session;
  if (flight?.type !== 'heal' || number !== flight.number) return 'NOT_AWAITED';
  const { from, to } = flight;
  const isProved =
    payload.type === 'proof' &&
    verifyConsistency(context.crypto.hash, {
      size1: from.sequenceNumber,
      root1: from.logRoot,
      size2: to.sequenceNumber,
      root2: to.logRoot,
      path: payload.path,
    });
  if (isProved) {
    land(session);
    advance(session, to, 'STALE', out);
    return undefined;
  }
  if (!wentRound(flight.inquiry)) askNext(session, flight, nowMs, out);
  return payload.type === 'proof' ? 'BAD_PROOF' : 'NO_PROOF';
}

export function onHealTick(
  session: ClientSession,
  flight: HealFlight,
  nowMs: number,
  out: ClientOutput,
): void {
  if (nowMs >= flight.inquiry.askAtMs) askNext(session, flight, nowMs, out);
}
