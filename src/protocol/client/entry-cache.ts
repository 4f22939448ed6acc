/**
 * Entries whose signatures were verified lately. All replies of one batch carry the same entry, so sessions that share a cache verify it
 * once per replica and batch. The cache also notices two entries of one signer at one s: proof of guilt.
 */

import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Evidence } from '../accountability/evidence.ts';
import { type Context, replicaKey, signedBy } from '../context.ts';
import { type Entry, entryStatement, sameEntry } from '../messages/entry.ts';

export interface EntryCache {
  readonly perReplicaMax: number;
  /** Oldest first. */
  readonly verified: Map<ReplicaIndex, Entry[]>;
  /** Replicas that this cache has proved guilty; each is reported once. */
  readonly guilty: Set<ReplicaIndex>;
}

/** Sessions of one cluster may share one cache. */
export function makeEntryCache(perReplicaMax: number): EntryCache {
  return { perReplicaMax, verified: new Map(), guilty: new Set() };
}

/**
 * The entry as the cache keeps it (its bytes copied, so that it holds no frame in memory), or undefined if it is not signed by the
 * replica it names. `onEvidence` is called at most once per replica.
 */
export function verifyEntry(
  context: Context,
  cache: EntryCache,
  entry: Entry,
  onEvidence: (evidence: Evidence) => void,
): Entry | undefined {
  const known = cache.verified.get(entry.replica);
  const same = known?.find((held) => isIdentical(held, entry));
  if (same !== undefined) return same;
  if (replicaKey(context, entry.replica) === undefined) return undefined;
  if (!signedBy(context, entry.replica, entryStatement(context.cluster, entry), entry.signature)) {
    return undefined;
  }
  const copy = copyEntry(entry);
  const conflict = known?.find(
    (held) => held.sequenceNumber === entry.sequenceNumber && !sameEntry(held, entry),
  );
  if (conflict !== undefined && !cache.guilty.has(entry.replica)) {
    cache.guilty.add(entry.replica);
    onEvidence({ type: 'entries', first: conflict, second: copy });
  }
  cache.verified.set(entry.replica, [...(known ?? []), copy].slice(-cache.perReplicaMax));
  return copy;
}

function isIdentical(a: Entry, b: Entry): boolean {
  return a.view === b.view && equalBytes(a.signature, b.signature) && sameEntry(a, b);
}

function copyEntry(entry: Entry): Entry {
  return {
    ...entry,
    hashChainDigest: entry.hashChainDigest.slice(),
    repliesRoot: entry.repliesRoot.slice(),
    logRoot: entry.logRoot.slice(),
    signature: entry.signature.slice(),
  };
}
