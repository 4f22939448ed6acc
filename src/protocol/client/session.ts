/**
 * The state of one client session: what §1 of docs/protocol.md calls a client. It has ONE request or read in flight; that is what makes forks
 * join at most once. Changed only by the handlers beside this file.
 */

import type { Signer } from '../../crypto/port.ts';
import type { Digest, ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import type { Context } from '../context.ts';
import type { EntryContent, Head } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import type { ReadReply, Reply } from '../messages/reply.ts';
import type { Seen, SessionNumber } from '../messages/request.ts';
import type { VersionVector } from '../version-vector.ts';
import { noteEntry } from '../version-vector.ts';
import type { Verification } from './acceptance.ts';
import type { Answers } from './answers.ts';
import type { DurableSession } from './durable.ts';
import type { EntryCache } from './entry-cache.ts';
import { type Findings, reportEvidence } from './findings.ts';
import type { Inquiry } from './inquiry.ts';
import type { ClientEvent, ClientOutput, Outcome, Rejection } from './io.ts';
import type { ClientLimits } from './limits.ts';

/** An operation that waits, or is in flight. */
export interface Queued {
  /** 'head': a READ of nothing, for the entry that answers it. */
  readonly kind: 'operation' | 'read' | 'head';
  readonly token: number;
  readonly operation: Uint8Array;
}

/** A REQUEST or OPEN that is repeated, always as these very bytes, until Q replicas agree on its answer. */
export interface RequestFlight {
  readonly type: 'request';
  readonly message: MessageOf<'request'>;
  readonly digest: Digest;
  /** Whose operations it carries, in their order; none for OPEN. */
  readonly items: readonly Queued[];
  readonly answers: Answers<Reply>;
  repeatAtMs: number;
  repeatDelayMs: number;
  /** Until when each replica asked us last not to repeat. */
  readonly busyUntilMs: Map<ReplicaIndex, number>;
  /** Q replicas agree that it was executed, and none of them has sent the results in full. */
  agreed: Agreed | undefined;
}

export interface Agreed {
  readonly reply: Reply;
  readonly head: Head;
  /** Of GET-RESULT, to the repliers. */
  readonly inquiry: Inquiry;
  /** How many answers without results each replica gave since it was asked for them. */
  readonly without: Map<ReplicaIndex, number>;
}

/** A READ that Q replicas may answer alike; else it is ordered. */
export interface ReadFlight {
  readonly type: 'read';
  readonly item: Queued;
  /** The newest READ sent; a second one names `at`. */
  message: MessageOf<'read'>;
  readonly answers: Answers<ReadReply>;
  /** Q replicas agree, and none of them has sent the result in full: who is asked for it, and at which s. */
  agreed: { readonly at: SequenceNumber; readonly inquiry: Inquiry } | undefined;
  readonly orderAtMs: number;
}

/** A head that the caller shows. */
export interface Shown {
  readonly token: number;
  readonly head: Head;
}

/**
 * Why the proof is wanted: Q replicas answered STALE; the caller of `token` shows the head; or Q replicas answered FORKED, the session is over,
 * and the proof can only turn the two heads into evidence before these items are told.
 */
export type ProofCause =
  | { readonly type: 'STALE' }
  | { readonly type: 'OBSERVED'; readonly token: number }
  | { readonly type: 'FORKED'; readonly items: readonly Queued[] };

/** Waiting for the proof of how another head stands to ours. */
export interface ProofFlight {
  readonly type: 'proof';
  readonly own: Head;
  readonly theirs: Head;
  readonly cause: ProofCause;
  /** Of the FETCHes; the same for every replica asked, since the proof speaks for itself. */
  readonly number: number;
  readonly inquiry: Inquiry;
  readonly giveUpAtMs: number;
}

export type Flight = RequestFlight | ReadFlight | ProofFlight;

export interface ClientSession {
  readonly context: Context;
  readonly signer: Signer;
  readonly random: (length: number) => Uint8Array;
  readonly durable: boolean;
  readonly limits: ClientLimits;
  readonly entries: EntryCache;
  readonly findings: Findings;
  /** V: the newest verified entry of each replica. */
  readonly vector: VersionVector;
  /** The last accepted head, whose (s, HCD) is the next request's `seen`; undefined: genesis. Its s never falls. */
  accepted: Head | undefined;
  /** Undefined until OPEN was answered, and after the session was lost. */
  number: SessionNumber | undefined;
  /** The last one used in the session. */
  timestamp: number;
  /** In the order in which they were submitted. */
  queue: Queued[];
  queuedBytes: number;
  /** Heads that wait to be held against ours, before anything else that waits. */
  shown: Shown[];
  flight: Flight | undefined;
  /** Whether a quorum can be reached; while not, no new flight begins. */
  reachesQuorum: boolean;
  nextFetchNumber: number;
  /** Why nothing is sent any more, and what later operations are rejected with. */
  ended: Rejection | undefined;
  /** Whether what must be stored has changed in this step. */
  unsaved: boolean;
}

/** `seen` of the next request: the accepted head's (s, HCD), or genesis. */
export function seenOf(session: ClientSession): Seen {
  const { accepted } = session;
  return accepted === undefined
    ? genesisSeen(session)
    : { sequenceNumber: accepted.sequenceNumber, hashChainDigest: accepted.hashChainDigest };
}

export function genesisSeen({ context }: ClientSession): Seen {
  return { sequenceNumber: 0, hashChainDigest: context.cluster.id };
}

/** What the next process of this key must know. */
export function durableOf(session: ClientSession): DurableSession {
  const { context, signer, accepted, durable, flight } = session;
  return {
    cluster: context.cluster.id,
    client: signer.publicKey,
    session: durable ? session.number : undefined,
    timestamp: durable ? session.timestamp : 0,
    inFlight: durable && flight?.type === 'request' ? flight.message.request : undefined,
    accepted,
  };
}

/**
 * Takes an accepted head as `seen`. One that is not above ours changes nothing: after a restart, the request in flight may be older than
 * what another session of the key has accepted meanwhile.
 */
export function advance(
  session: ClientSession,
  head: Head,
  by: Extract<ClientEvent, { type: 'advanced' }>['by'],
  out: ClientOutput,
): void {
  if (head.sequenceNumber <= acceptedSequenceNumber(session)) return;
  session.accepted = head;
  session.unsaved = true;
  out.events.push({ type: 'advanced', head, by });
}

export function acceptedSequenceNumber(session: ClientSession): EntryContent['sequenceNumber'] {
  return session.accepted?.sequenceNumber ?? 0;
}

/** The flight is over: what is stored of it goes, and the next may start. */
export function land(session: ClientSession): void {
  if (session.durable && session.flight?.type === 'request') session.unsaved = true;
  session.flight = undefined;
}

export function complete(items: readonly Pick<Queued, 'token'>[], outcome: Outcome, out: ClientOutput): void {
  for (const { token } of items) out.completions.push({ token, outcome });
}

/** Ends the session for good: what was never sent is rejected. What was in flight must have been completed. */
export function end(session: ClientSession, status: Rejection, out: ClientOutput): void {
  complete([...session.queue, ...session.shown], { type: 'rejected', status }, out);
  session.queue = [];
  session.shown = [];
  session.queuedBytes = 0;
  session.ended = status;
}

/** What verifying an answer needs; evidence found on the way becomes an event. */
export function verificationOf(session: ClientSession, out: ClientOutput): Verification {
  return {
    context: session.context,
    entries: session.entries,
    onEvidence: (evidence) => reportEvidence(session, evidence, out),
  };
}

export function noteVerified(session: ClientSession, answer: Pick<Reply, 'entry'>): void {
  noteEntry(session.vector, answer.entry);
}
