/**
 * EVIDENCE between replicas and with clients (docs/protocol.md §9): every replica tells every peer each piece once per connection, at most one a
 * second, which is 64 KiB. A piece is judged before it is believed; who sends them faster is not heard.
 */

import { decode, encode } from '../../codec/index.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { evidenceSchema } from '../accountability/evidence.ts';
import { EVIDENCE_BYTES_MAX, type MessageOf } from '../messages/index.ts';
import { refuse, sendTo, sendToParty } from './effects.ts';
import { reportEvidence } from './evidence.ts';
import type { Party } from './io.ts';
import type { Replica } from './state.ts';

const SEND_INTERVAL_MS = 1_000;
/** Shorter, since messages of one sender may arrive closer together than they left. */
const TAKE_INTERVAL_MS = SEND_INTERVAL_MS / 4;

/** Enter: STATUS from a peer, so it is there. It gets the next piece that it was not sent, if it is time. */
export function shareEvidence(replica: Replica, peer: ReplicaIndex): void {
  if (replica.evidence.size === 0) return;
  const { evidenceSent, now } = replica;
  const sent = evidenceSent.get(peer) ?? { keys: new Set<string>(), atMs: Number.NEGATIVE_INFINITY };
  if (now.monotonicMs - sent.atMs < SEND_INTERVAL_MS) return;
  for (const [key, piece] of replica.evidence) {
    if (sent.keys.has(key)) continue;
    sent.keys.add(key);
    const evidence = encode(evidenceSchema, piece);
    // Of a fork with very many links each side finds its own.
    if (evidence.length > EVIDENCE_BYTES_MAX) continue;
    sent.atMs = now.monotonicMs;
    evidenceSent.set(peer, sent);
    return sendTo(replica, peer, { type: 'evidence', evidence });
  }
}

/** To a client that asks for what is not done any more: the proof that tells it why, at most one a second to all together. */
export function answerWithEvidence(replica: Replica, client: Party): void {
  const last = replica.clientEvidenceAtMs.sent;
  if (replica.silence !== 'ordering' || replica.now.monotonicMs - last < SEND_INTERVAL_MS) return;
  const pieces = [...replica.evidence.values()].map((piece) => encode(evidenceSchema, piece));
  const evidence = pieces.filter(({ length }) => length <= EVIDENCE_BYTES_MAX).at(-1);
  if (evidence === undefined) return;
  replica.clientEvidenceAtMs.sent = replica.now.monotonicMs;
  sendToParty(replica, client, { type: 'evidence', evidence });
}

/** Enter: EVIDENCE from anyone. */
export function onEvidence(replica: Replica, from: Party, message: MessageOf<'evidence'>): void {
  const nowMs = replica.now.monotonicMs;
  if (from.kind === 'replica') {
    const last = replica.evidenceTakenAtMs.get(from.index) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - last < TAKE_INTERVAL_MS) return refuse(replica, from, message, 'TOO_MUCH_EVIDENCE');
    replica.evidenceTakenAtMs.set(from.index, nowMs);
  } else {
    // Anyone may be a client: all of them share what one replica has.
    if (nowMs - replica.clientEvidenceAtMs.taken < TAKE_INTERVAL_MS) {
      return refuse(replica, from, message, 'TOO_MUCH_EVIDENCE');
    }
    replica.clientEvidenceAtMs.taken = nowMs;
  }
  const decoded = decode(evidenceSchema, message.evidence);
  if (!decoded.ok) return refuse(replica, from, message, 'MALFORMED_EVIDENCE');
  if (!reportEvidence(replica, decoded.value)) refuse(replica, from, message, 'NOTHING_NEW_PROVED');
}
