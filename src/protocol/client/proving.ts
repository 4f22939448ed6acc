/**
 * Taking a head as `seen` that no answer to an operation has brought (docs/protocol.md §3.10, §8): the one that Q replicas answered STALE with,
 * and those that the caller shows. Q replicas have signed it, but that does not put it on our history. A consistency proof between its L and ours
 * tells: either one history is a beginning of the other, or the proof is that of a fork.
 */

import type { ReplicaIndex } from '../../types/identities.ts';
import { type Comparison, compareHeads } from '../accountability/compare.ts';
import { type EvidenceOf, judgeEvidence } from '../accountability/evidence.ts';
import { rejectHead } from '../certificates.ts';
import type { Head } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import { makeInquiry, nextReplica, wentRound } from './inquiry.ts';
import type { ClientOutput, Outcome } from './io.ts';
import { advance, type ClientSession, end, land, type ProofFlight } from './session.ts';

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
  startProving(session, head, token, nowMs, out);
}

/** Q replicas answered STALE with the head `to`. The operations are back in the queue: they were certainly not applied. */
export function startHealing(session: ClientSession, to: Head, nowMs: number, out: ClientOutput): void {
  if (session.accepted !== undefined) out.events.push({ type: 'healing', from: session.accepted, to });
  startProving(session, to, undefined, nowMs, out);
}

function startProving(
  session: ClientSession,
  theirs: Head,
  token: number | undefined,
  nowMs: number,
  out: ClientOutput,
): void {
  const { accepted: own, limits, context } = session;
  // Every history extends genesis.
  if (own === undefined) return settle(session, theirs, token, out);
  const later = own.sequenceNumber > theirs.sequenceNumber ? own : theirs;
  const flight: ProofFlight = {
    type: 'proof',
    own,
    theirs,
    token,
    number: session.nextFetchNumber++,
    // Its signers have executed all of it.
    inquiry: makeInquiry(
      later.votes.map(({ replica }) => replica),
      nowMs,
      limits.fetchMs,
    ),
    giveUpAtMs: token === undefined ? Number.POSITIVE_INFINITY : nowMs + limits.proofMs,
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
  { token }: ProofFlight,
  status: 'NO-PROOF' | 'WITHDRAWN' | 'CLOSED',
  out: ClientOutput,
): void {
  land(session);
  completeShown(token, { type: 'rejected', status }, out);
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
  else settle(session, flight.theirs, flight.token, out);
  return true;
}

/** One history holds both heads: the later one is `seen` from now on. */
function settle(session: ClientSession, theirs: Head, token: number | undefined, out: ClientOutput): void {
  advance(session, theirs, token === undefined ? 'STALE' : 'OBSERVED', out);
  completeShown(token, { type: 'read', result: new Uint8Array(0), head: session.accepted! }, out);
}

/** More than f replicas are faulty, and here is the proof. Nothing was in flight: what waits was never sent. */
function onFork(
  session: ClientSession,
  { own, theirs, token }: ProofFlight,
  evidence: EvidenceOf<'histories'>,
  out: ClientOutput,
): void {
  const { guilty, forked } = judgeEvidence(session.context, evidence) ?? { guilty: [], forked: false };
  out.events.push({ type: 'evidence', evidence, guilty, forked });
  session.number = undefined;
  session.timestamp = 0;
  session.unsaved ||= session.durable;
  out.events.push({ type: 'sessionLost', reason: 'FORKED' }, { type: 'forked', own, theirs });
  completeShown(token, { type: 'rejected', status: 'FORKED' }, out);
  end(session, 'FORKED', out);
}

function completeShown(token: number | undefined, outcome: Outcome, out: ClientOutput): void {
  if (token !== undefined) out.completions.push({ token, outcome });
}
