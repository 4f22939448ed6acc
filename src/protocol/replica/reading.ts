/** READ: answered from executed state with the entry that already exists for it; no new signature (docs/protocol.md §4). */

import { equalBytes } from '../../types/bytes.ts';
import type { SequenceNumber } from '../../types/identities.ts';
import { judgeSeen } from '../ledger.ts';
import type { EntryContent } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import { FULL_RESULT_BYTES_MAX, type Read, type ReadReply } from '../messages/reply.ts';
import { emit, maySignEntries, promiseToClient, refuse, sendToParty } from './effects.ts';
import type { Party } from './io.ts';
import { signedEntry } from './replies.ts';
import type { Replica } from './state.ts';

/** READs of one client key that wait at once. */
const HELD_READS_PER_KEY_MAX = 16;

/** Enter: READ from a client. Held, within bounds, until the state that it needs has been executed. */
export function onRead(replica: Replica, from: Party, message: MessageOf<'read'>): void {
  if (from.kind !== 'client') return refuse(replica, from, message, 'NOT_A_CLIENT');
  if (message.operation.length > replica.context.cluster.limits.requestBytesMax) {
    return refuse(replica, from, message, 'READ_TOO_LARGE');
  }
  if (!maySignEntries(replica)) return refuse(replica, from, message, 'NOT_READY');
  const { type: _, ...read } = message;
  if (needs(read) <= replica.ledger.executed.sequenceNumber) return answer(replica, from.key, read);
  const ofKey = replica.heldReads.filter((held) => equalBytes(held.from, from.key)).length;
  if (ofKey < HELD_READS_PER_KEY_MAX) {
    // The oldest gives way: a client asks for what was never executed as long as it likes, but holds no place by it.
    if (replica.heldReads.length >= replica.limits.heldReadsMax) replica.heldReads.shift();
    replica.heldReads.push({ from: from.key, read });
    return;
  }
  refuse(replica, from, message, 'TOO_MANY_HELD');
  const busy = { type: 'busy', reference: read.nonce, retryAfterMs: replica.limits.busyRetryMs } as const;
  sendToParty(replica, from, busy);
}

/** The s that must have been executed before the read is answered. */
function needs(read: Read): SequenceNumber {
  return Math.max(read.seen.sequenceNumber, read.at ?? 0);
}

export function serveHeldReads(replica: Replica): void {
  if (replica.heldReads.length === 0) return;
  const ready = replica.heldReads.filter(({ read }) => needs(read) <= replica.ledger.executed.sequenceNumber);
  if (ready.length === 0) return;
  const waiting = replica.heldReads.filter((held) => !ready.includes(held));
  replica.heldReads.splice(0, replica.heldReads.length, ...waiting);
  for (const { from, read } of ready) answer(replica, from, read);
}

function answer(replica: Replica, client: Uint8Array, read: Read): void {
  const { ledger } = replica;
  if (!maySignEntries(replica) || ledger.executed.sequenceNumber === 0)
    return refuseAtGenesis(replica, client);
  const seen = judgeSeen(ledger, read.seen);
  if (seen !== 'on-chain') {
    const status = seen === 'off-chain' ? 'FORKED' : 'STALE';
    return reply(replica, client, read, status, ledger.executed, new Uint8Array(0));
  }
  const s = read.at ?? ledger.executed.sequenceNumber;
  const state = replica.recentStates.get(s);
  const entry = s === ledger.executed.sequenceNumber ? ledger.executed : replica.log.get(s)?.executed;
  if (state === undefined || entry === undefined) {
    const from: Party = { kind: 'client', key: client };
    return emit(replica, { type: 'refused', from, message: 'read', reason: 'STATE_GONE' });
  }
  const result = state.snapshot.read(read.operation, {
    timeMs: state.timeMs,
    client,
    resultBytesMax: replica.context.cluster.limits.resultBytesMax,
  });
  reply(replica, client, read, 'OK', entry, result);
}

/** Before the first batch there is no entry to sign: the client orders the read instead, and learns so by the timeout. */
function refuseAtGenesis(replica: Replica, client: Uint8Array): void {
  const from: Party = { kind: 'client', key: client };
  emit(replica, { type: 'refused', from, message: 'read', reason: 'NOTHING_EXECUTED' });
}

function reply(
  replica: Replica,
  client: Uint8Array,
  read: Read,
  status: ReadReply['status'],
  entry: EntryContent,
  result: Uint8Array,
): void {
  const isFull = result.length <= FULL_RESULT_BYTES_MAX || read.designated === replica.index;
  promiseToClient(replica, client, {
    type: 'read-reply',
    nonce: read.nonce,
    status,
    result: isFull ? result : undefined,
    resultDigest: replica.context.crypto.hash(result),
    entry: signedEntry(replica, entry),
  });
}
