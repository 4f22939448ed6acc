/**
 * The newest head of this replica's own history. V alone would not do: it moves on while batches are executed, and where the cluster has forked it
 * moves on to another history, whose head would then be taken for ours, and nobody could prove anything.
 */

import { type Entry, type EntryContent, sameEntry } from '../messages/entry.ts';
import { headOf } from '../version-vector.ts';
import { maySignEntries } from './effects.ts';
import { isElsewhere } from './histories.ts';
import { signedEntry } from './replies.ts';
import type { Replica } from './state.ts';

/** Enter: an entry has come into V, or a batch was executed here. Keeps its head, if Q entries have its content and it is of our history. */
export function keepHead(replica: Replica, content: EntryContent): void {
  const { ledger, versionVector } = replica;
  const { sequenceNumber } = content;
  const { quorumSize } = replica.context.cluster.thresholds;
  if (sequenceNumber <= (replica.head?.sequenceNumber ?? 0) || sequenceNumber > ledger.tree.size) return;
  const agreeing = [...versionVector.values()].filter((entry) => sameEntry(entry, content));
  if (agreeing.length < quorumSize - 1) return;
  const own = sameEntry(ledger.executed, content)
    ? ownNewestEntry(replica)
    : replica.entries.get(sequenceNumber);
  if (own !== undefined && sameEntry(own, content)) agreeing.push(own);
  if (agreeing.length < quorumSize) return;
  const head = headOf(agreeing, quorumSize);
  if (!isElsewhere(replica, { type: 'head', ...head })) replica.head = head;
}

/** Our entry of what was executed last. One that has stopped ordering shows what it had signed before, and signs nothing new. */
export function ownNewestEntry(replica: Replica): Entry | undefined {
  const { executed } = replica.ledger;
  if (executed.sequenceNumber === 0) return undefined;
  if (maySignEntries(replica)) return signedEntry(replica, executed);
  return replica.silence === 'ordering' ? replica.entries.get(executed.sequenceNumber) : undefined;
}
