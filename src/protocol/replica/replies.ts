/** REPLY and executed entries: what a replica tells clients about what it executed (docs/protocol.md §3.9). */

import { keyOf } from '../../types/bytes.ts';
import type { PublicKey, SequenceNumber, View } from '../../types/identities.ts';
import { type Entry, type EntryContent, entryStatement } from '../messages/entry.ts';
import type { MessageOf } from '../messages/index.ts';
import { FULL_RESULT_BYTES_MAX } from '../messages/reply.ts';
import type { StoredReply } from '../sessions.ts';
import { emit, maySignEntries, promiseToClient, sign } from './effects.ts';
import type { Party } from './io.ts';
import type { Replica } from './state.ts';

/**
 * Our signed entry with this content. The content is the only one this replica ever signs for its s: it comes from the
 * ledger, and its `executed` record precedes it in the log.
 */
export function signedEntry(replica: Replica, content: EntryContent): Entry {
  const known = replica.entries.get(content.sequenceNumber);
  if (known !== undefined) return known;
  const view = viewOf(replica, content.sequenceNumber);
  const { sequenceNumber, hashChainDigest, repliesRoot, logRoot } = content;
  const fields = { view, sequenceNumber, hashChainDigest, repliesRoot, logRoot };
  const signature = sign(replica, entryStatement(replica.context.cluster, fields));
  const entry = { ...fields, replica: replica.index, signature };
  replica.entries.set(sequenceNumber, entry);
  // The last 2W are kept, to be sent again without signing anew.
  const kept = 2 * replica.context.cluster.limits.pipelineWindow;
  if (replica.entries.size > kept) replica.entries.delete(replica.entries.keys().next().value!);
  return entry;
}

/** The view in which s was executed here, where that is still known: the same entry is then signed again byte for byte. */
function viewOf(replica: Replica, s: SequenceNumber): View {
  return replica.log.get(s)?.executedView ?? replica.view;
}

/** The REPLY to a stored reply, if this replica may sign what it executed. Long results go out in full from one replica only. */
export function sendReply(replica: Replica, client: PublicKey, reply: StoredReply, inFull = false): void {
  if (!maySignEntries(replica)) return;
  let bytes = 0;
  for (const result of reply.results ?? []) bytes += result.length;
  const { replicaCount } = replica.context.cluster.thresholds;
  const isDesignated = (reply.sequenceNumber + reply.index) % replicaCount === replica.index;
  const sendsFull = inFull || bytes <= FULL_RESULT_BYTES_MAX || isDesignated;
  promiseToClient(replica, client, {
    type: 'reply',
    requestDigest: reply.requestDigest,
    status: reply.status,
    resultsRoot: reply.resultsRoot,
    results: sendsFull ? reply.results : undefined,
    index: reply.index,
    size: reply.size,
    path: reply.path,
    entry: signedEntry(replica, reply),
  });
}

/** From a client that has Q hashes of a result and no result. */
export function onGetResult(replica: Replica, from: Party, message: MessageOf<'get-result'>): void {
  if (from.kind !== 'client') return;
  const key = keyOf(message.requestDigest);
  for (const session of replica.ledger.sessions.byClient.get(keyOf(from.key)) ?? []) {
    const reply = replica.ledger.sessions.byAge.get(session)?.reply;
    if (reply !== undefined && keyOf(reply.requestDigest) === key) {
      return sendReply(replica, from.key, reply, true);
    }
  }
  emit(replica, { type: 'refused', from, message: message.type, reason: 'NO_SUCH_RESULT' });
}
