/** The newest head that this replica can show: cur(V), its own entry among V. */

import type { Entry, Head } from '../messages/entry.ts';
import { currentOf } from '../version-vector.ts';
import { maySignEntries } from './effects.ts';
import { signedEntry } from './replies.ts';
import type { Replica } from './state.ts';

/** The content on which Q of the newest entries agree, ours included; undefined while they are of different s. */
export function newestHead(replica: Replica): Head | undefined {
  const vector = new Map(replica.versionVector);
  const own = ownNewestEntry(replica);
  if (own !== undefined) vector.set(replica.index, own);
  return currentOf(vector, replica.context.cluster.thresholds.quorumSize);
}

/** Our entry of what was executed last. One that has stopped ordering shows what it had signed before, and signs nothing new. */
export function ownNewestEntry(replica: Replica): Entry | undefined {
  const { executed } = replica.ledger;
  if (executed.sequenceNumber === 0) return undefined;
  if (maySignEntries(replica)) return signedEntry(replica, executed);
  return replica.silence === 'ordering' ? replica.entries.get(executed.sequenceNumber) : undefined;
}
