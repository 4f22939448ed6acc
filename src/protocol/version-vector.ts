/**
 * The version vector V of BFT2F §4: of each replica the newest signed entry known. Clients fill it from replies, replicas from STATUS. It
 * tells which history a quorum stands on, without asking anyone.
 */

import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import { type Entry, type EntryContent, type Head, sameEntry } from './messages/entry.ts';

export type VersionVector = Map<ReplicaIndex, Entry>;

/** Whether `a` dominates `b`: of no lower view, and above it, or at the same s with the same HCD (BFT2F §4). */
export function dominates(
  a: Pick<Entry, 'view' | 'sequenceNumber' | 'hashChainDigest'>,
  b: Pick<Entry, 'view' | 'sequenceNumber' | 'hashChainDigest'>,
): boolean {
  if (a.view < b.view) return false;
  if (a.sequenceNumber !== b.sequenceNumber) return a.sequenceNumber > b.sequenceNumber;
  return equalBytes(a.hashChainDigest, b.hashChainDigest);
}

/**
 * Takes a *verified* entry into V if it is above what V holds of its signer, or says the same of the same s in a later view. An entry of
 * a lower s signed again in a later view is no news, though neither dominates the other.
 */
export function noteEntry(vector: VersionVector, entry: Entry): void {
  const held = vector.get(entry.replica);
  if (held === undefined || entry.sequenceNumber > held.sequenceNumber || dominates(entry, held)) {
    vector.set(entry.replica, entry);
  }
}

/** cur(V): the entry on which at least Q replicas agree in (s, HCD, R, L), whatever their views; undefined if there is none. */
export function currentOf(vector: VersionVector, quorumSize: number): Head | undefined {
  const entries = [...vector.values()];
  for (const candidate of entries) {
    const agreeing = entries.filter((entry) => sameEntry(entry, candidate));
    if (agreeing.length >= quorumSize) return headOf(agreeing, quorumSize);
  }
  return undefined;
}

/** The head made of the first Q entries by signer; `entries` are verified, of one content and of different signers. */
export function headOf(entries: readonly Entry[], quorumSize: number): Head {
  const votes = [...entries].sort((a, b) => a.replica - b.replica).slice(0, quorumSize);
  const { sequenceNumber, hashChainDigest, repliesRoot, logRoot }: EntryContent = votes[0]!;
  return {
    sequenceNumber,
    hashChainDigest,
    repliesRoot,
    logRoot,
    votes: votes.map(({ replica, view, signature }) => ({ replica, view, signature })),
  };
}
