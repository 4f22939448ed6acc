/**
 * READ (docs/protocol.md §4): an operation that changes nothing is answered without ordering when Q replicas agree in their entry and in the
 * result. Equal results from different states are not enough: if a value was changed and changed back in between, two such reads could see
 * other values in the wrong order.
 */

import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import { sameEntry } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import type { ReadReply } from '../messages/reply.ts';
import { headOf } from '../version-vector.ts';
import type { Verification } from './acceptance.ts';
import { type Answers, addAnswer, makeAnswers } from './answers.ts';
import { verifyEntry } from './entry-cache.ts';
import { makeInquiry, nextReplica } from './inquiry.ts';
import type { ClientOutput } from './io.ts';
import { putBack, take } from './queue.ts';
import {
  advance,
  type ClientSession,
  complete,
  genesisSeen,
  land,
  noteVerified,
  type ReadFlight,
  seenOf,
  verificationOf,
} from './session.ts';

/** Bytes of a READ's nonce. */
export const READ_NONCE_BYTES = 32;

export function startRead(session: ClientSession, nowMs: number, out: ClientOutput): void {
  const [item] = take(session, 1);
  const nonce = session.random(READ_NONCE_BYTES);
  const flight: ReadFlight = {
    type: 'read',
    item: item!,
    message: {
      type: 'read',
      nonce,
      operation: item!.operation,
      // A head is asked for whatever our own history; to be taken as `seen` it must be shown and proved.
      seen: item!.kind === 'head' ? genesisSeen(session) : seenOf(session),
      at: undefined,
      designated: nonce[0]! % session.context.cluster.thresholds.replicaCount,
    },
    answers: makeAnswers(
      session.limits.answersPerReplicaMax,
      readsAgree,
      ({ result }) => result !== undefined,
    ),
    agreed: undefined,
    orderAtMs: nowMs + session.limits.readMs,
  };
  session.flight = flight;
  out.sends.push({ to: 'all', message: flight.message });
}

/** Agreement in everything but signer, view and signature. */
export function readsAgree(a: ReadReply, b: ReadReply): boolean {
  return a.status === b.status && equalBytes(a.resultDigest, b.resultDigest) && sameEntry(a.entry, b.entry);
}

/**
 * Verifies one answer to `read` that came from replica `from`:
 *   a. it answers our READ: its nonce is ours;
 *   b. `from` itself is the signer, and its entry is ours or of a later s;
 *   c. the result, if it is there, is within the cluster's limit and hashes to its digest;
 *   d. the entry's signature holds.
 */
export function verifyReadReply(
  verification: Verification,
  { nonce, seen }: MessageOf<'read'>,
  from: ReplicaIndex,
  reply: ReadReply,
): Result<ReadReply, string> {
  const { cluster, crypto } = verification.context;
  const { entry, result } = reply;
  if (!equalBytes(reply.nonce, nonce)) return fail('NOT_AWAITED');
  if (entry.replica !== from) return fail('WRONG_SIGNER');
  if (entry.sequenceNumber < seen.sequenceNumber) return fail('BEFORE_SEEN');
  if (
    entry.sequenceNumber === seen.sequenceNumber &&
    !equalBytes(entry.hashChainDigest, seen.hashChainDigest)
  ) {
    return fail('OTHER_HISTORY');
  }
  if (result !== undefined) {
    if (result.length > cluster.limits.resultBytesMax) return fail('RESULTS_TOO_LARGE');
    if (!equalBytes(crypto.hash(result), reply.resultDigest)) return fail('WRONG_RESULTS');
  }
  const verified = verifyEntry(verification.context, verification.entries, entry, verification.onEvidence);
  return verified === undefined ? fail('BAD_SIGNATURE') : ok({ ...reply, entry: verified });
}

/** On READ-REPLY: accepts when Q agree; asks once more when Q have answered and do not; orders when Q no longer can. */
export function onReadReply(
  session: ClientSession,
  from: ReplicaIndex,
  reply: ReadReply,
  nowMs: number,
  out: ClientOutput,
): string | undefined {
  const { flight, context } = session;
  if (flight?.type !== 'read') return 'NOT_AWAITED';
  const verified = verifyReadReply(verificationOf(session, out), flight.message, from, reply);
  if (!verified.ok) return verified.error;
  noteVerified(session, verified.value);
  const agreeing = addAnswer(flight.answers, from, verified.value);
  const { quorumSize, liveWhile } = context.cluster.thresholds;
  if (reply.status !== 'OK') {
    // So many refuse that no quorum is left to agree: ordered, the refusal is signed.
    if (refusers(flight.answers) > liveWhile) giveUpReading(session, flight, 'REFUSED', out);
    return undefined;
  }
  if (agreeing.length < quorumSize) {
    maybeAskAgain(flight, quorumSize, out);
    return undefined;
  }
  const full = agreeing.find(({ result }) => result !== undefined);
  if (full?.result === undefined) {
    const repliers = agreeing.map(({ entry }) => entry.replica);
    const { resultMs } = session.limits;
    flight.agreed ??= {
      at: reply.entry.sequenceNumber,
      inquiry: makeInquiry(repliers, nowMs + resultMs, resultMs),
    };
    return undefined;
  }
  const head = headOf(
    agreeing.map(({ entry }) => entry),
    quorumSize,
  );
  if (flight.item.kind === 'read') advance(session, head, 'READ', out);
  land(session);
  complete([flight.item], { type: 'read', result: full.result, head }, out);
  return undefined;
}

function refusers({ byReplica }: Answers<ReadReply>): number {
  return [...byReplica.values()].filter((own) => own.some(({ status }) => status !== 'OK')).length;
}

/**
 * Q replicas have answered from different states: all are asked for the highest s among them. It must be the highest of *Q* answers:
 * any operation completed before this read was executed by a correct replica among any Q, so no lower s is sure to include it.
 * A faulty replica that names an s far ahead only gains that the read is ordered after its time.
 */
function maybeAskAgain(flight: ReadFlight, quorumSize: number, out: ClientOutput): void {
  if (flight.message.at !== undefined || flight.agreed !== undefined) return;
  let answered = 0;
  let highest = 0;
  for (const own of flight.answers.byReplica.values()) {
    const states = own.filter(({ status }) => status === 'OK').map(({ entry }) => entry.sequenceNumber);
    if (states.length > 0) answered++;
    highest = Math.max(highest, ...states);
  }
  if (answered < quorumSize) return;
  flight.message = { ...flight.message, at: highest };
  out.sends.push({ to: 'all', message: flight.message });
}

/** The read becomes an operation, ahead of all that waits. A head is asked for once more. */
function giveUpReading(
  session: ClientSession,
  flight: ReadFlight,
  reason: 'TIMEOUT' | 'REFUSED',
  out: ClientOutput,
): void {
  land(session);
  if (flight.item.kind === 'head') return putBack(session, [flight.item]);
  putBack(session, [{ ...flight.item, kind: 'operation' }]);
  out.events.push({ type: 'readOrdered', token: flight.item.token, reason });
}

/** At a tick: asks the next replier for the result that Q have agreed on, or orders the read when it has taken too long. */
export function onReadTick(
  session: ClientSession,
  flight: ReadFlight,
  nowMs: number,
  out: ClientOutput,
): void {
  const { agreed } = flight;
  if (nowMs >= flight.orderAtMs) giveUpReading(session, flight, 'TIMEOUT', out);
  else if (agreed !== undefined && nowMs >= agreed.inquiry.askAtMs) {
    const replier = nextReplica(agreed.inquiry, session.limits, nowMs);
    // The same READ again, of that one state: the replica needs to keep nothing for it.
    const message = { ...flight.message, at: agreed.at, designated: replier };
    out.sends.push({ to: replier, message });
  }
}
