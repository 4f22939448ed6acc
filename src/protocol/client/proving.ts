/**
 * Taking a head as `seen` that no answer to an operation has brought (docs/protocol.md §3.10, §8): the one that Q replicas answered STALE with,
 * and those that the caller shows. Q replicas have signed it, but that does not put it on our history. A consistency proof between its L and ours
 * tells: either one history is a beginning of the other, or the proof is that of a fork. So it is with a head that FORKED was answered with,
 * which is not taken as `seen` whatever the proof says.
 */

import type { ReplicaIndex } from '../../types/identities.ts';
import { type Comparison, compareHeads } from '../accountability/compare.ts';
import type { EvidenceOf } from '../accountability/evidence.ts';
import { rejectHead } from '../certificates.ts';
import type { Head } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import { reportEvidence } from './findings.ts';
import { makeInquiry, nextReplica, wentRound } from './inquiry.ts';
import type { ClientOutput, Outcome } from './io.ts';
import {
  advance,
  type ClientSession,
  complete,
  end,
  land,
  type ProofCause,
  type ProofFlight,
  type Queued,
} from './session.ts';

/** On `observe`: the head waits its turn, or is rejected at once. */
export function enqueueHead(session: ClientSession, token: number, head: Head, out: ClientOutput): void {
  const { ended, shown, limits, context } = session;
  const isFull = shown.length >= limits.queuedMax;
  const status = ended ?? (isFull ? 'QUEUE-FULL' : rejectHead(context, head) && 'BAD-HEAD');
  if (status === undefined) shown.push({ token, head });
  else out.completions.push({ token, outcome: { type: 'rejected', status } });
}

/** The head that was shown first is held against ours. */
export function startObserving(session: ClientSession, nowMs: number, out: ClientOutput): void {
  const { token, head } = session.shown.shift()!;
  startProving(session, head, { type: 'OBSERVED', token }, nowMs, out);
}

/** Q replicas answered STALE with the head `to`. The operations are back in the queue: they were certainly not applied. */
export function startHealing(session: ClientSession, to: Head, nowMs: number, out: ClientOutput): void {
  if (session.accepted !== undefined) out.events.push({ type: 'healing', from: session.accepted, to });
  startProving(session, to, { type: 'STALE' }, nowMs, out);
}

/**
 * Q replicas answered FORKED with the head `theirs`. The session takes no more; `items` and what waits are told so once the two heads have become
 * evidence, or nobody gave the proof in time.
 */
export function startAccusing(
  session: ClientSession,
  theirs: Head,
  items: readonly Queued[],
  nowMs: number,
  out: ClientOutput,
): void {
  session.ended = 'FORKED';
  startProving(session, theirs, { type: 'FORKED', items }, nowMs, out);
}

function startProving(
  session: ClientSession,
  theirs: Head,
  cause: ProofCause,
  nowMs: number,
  out: ClientOutput,
): void {
  const { accepted: own, limits, context } = session;
  // Every history extends genesis.
  if (own === undefined) return settle(session, theirs, cause, out);
  const later = own.sequenceNumber > theirs.sequenceNumber ? own : theirs;
  const flight: ProofFlight = {
    type: 'proof',
    own,
    theirs,
    cause,
    number: session.nextFetchNumber++,
    // Its signers have executed all of it.
    inquiry: makeInquiry(
      later.votes.map(({ replica }) => replica),
      nowMs,
      limits.fetchMs,
    ),
    giveUpAtMs: cause.type === 'STALE' ? Number.POSITIVE_INFINITY : nowMs + limits.proofMs,
  };
  session.flight = flight;
  if (!conclude(session, flight, compareHeads(context, own, theirs), out))
    askNext(session, flight, nowMs, out);
}

/** Asks the next of the later head's signers, in rotation, more and more slowly. */
function askNext(session: ClientSession, flight: ProofFlight, nowMs: number, out: ClientOutput): void {
  const [from, to] = [flight.own.sequenceNumber, flight.theirs.sequenceNumber].sort((a, b) => a - b);
  const want = { type: 'proof' as const, from: from!, to: to! };
  const replica = nextReplica(flight.inquiry, session.limits, nowMs);
  out.sends.push({ to: replica, message: { type: 'fetch', number: flight.number, want } });
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
  if (flight?.type !== 'proof' || number !== flight.number) return 'NOT_AWAITED';
  const proof = payload.type === 'proof' ? payload : undefined;
  if (conclude(session, flight, compareHeads(context, flight.own, flight.theirs, proof), out))
    return undefined;
  if (!wentRound(flight.inquiry)) askNext(session, flight, nowMs, out);
  return proof === undefined ? 'NO_PROOF' : 'BAD_PROOF';
}

export function onProofTick(
  session: ClientSession,
  flight: ProofFlight,
  nowMs: number,
  out: ClientOutput,
): void {
  if (nowMs >= flight.giveUpAtMs) giveUp(session, flight, 'NO-PROOF', out);
  else if (nowMs >= flight.inquiry.askAtMs) askNext(session, flight, nowMs, out);
}

/** Nothing has changed: the head is taken for neither good nor bad. After STALE, which nobody waits for, there is no giving up. */
export function giveUp(
  session: ClientSession,
  { cause }: ProofFlight,
  status: 'NO-PROOF' | 'WITHDRAWN' | 'CLOSED' | 'FORKED',
  out: ClientOutput,
): void {
  land(session);
  completeCause(session, cause, { type: 'rejected', status }, out);
}

/** Whether the comparison has an answer, which is acted on. */
function conclude(
  session: ClientSession,
  flight: ProofFlight,
  comparison: Comparison,
  out: ClientOutput,
): boolean {
  if (comparison.type === 'NEEDS-PROOF') return false;
  land(session);
  if (comparison.type === 'FORK') onFork(session, flight, comparison.evidence, out);
  else settle(session, flight.theirs, flight.cause, out);
  return true;
}

/** One history holds both heads: the later one is `seen` from now on. */
function settle(session: ClientSession, theirs: Head, cause: ProofCause, out: ClientOutput): void {
  // Who answers FORKED from a history that is ours lies: there is nothing to go on from, and nothing to show.
  if (cause.type !== 'FORKED') advance(session, theirs, cause.type, out);
  completeCause(
    session,
    cause,
    { type: 'read', result: new Uint8Array(0), head: session.accepted ?? theirs },
    out,
  );
}

/** More than f replicas are faulty, and here is the proof. Nothing else is in flight: what waits was never sent. */
function onFork(
  session: ClientSession,
  { own, theirs, cause }: ProofFlight,
  evidence: EvidenceOf<'histories'>,
  out: ClientOutput,
): void {
  reportEvidence(session, evidence, out);
  completeCause(session, cause, { type: 'rejected', status: 'FORKED' }, out);
  if (cause.type === 'FORKED') return;
  session.number = undefined;
  session.timestamp = 0;
  session.unsaved ||= session.durable;
  out.events.push({ type: 'sessionLost', reason: 'FORKED' }, { type: 'forked', own, theirs });
  end(session, 'FORKED', out);
}

/** What was refused with FORKED ends so, whatever the proof was, and the session with it. */
function completeCause(session: ClientSession, cause: ProofCause, outcome: Outcome, out: ClientOutput): void {
  if (cause.type === 'OBSERVED') complete([cause], outcome, out);
  if (cause.type !== 'FORKED') return;
  complete(cause.items, { type: 'unknown', reason: 'FORKED' }, out);
  end(session, 'FORKED', out);
}
