/**
 * The executed entry ⟨v, s, HCD^s, R^s, L^s⟩: what a replica signs after it has executed batch s. R is the root over the batch's
 * replies, L the root of the log of all (HCD, R). A correct replica signs at most one content per s, ever: all proofs of guilt
 * rest on it.
 */

import { fixed, list, struct, type TypeOf, u8, u53 } from '../../codec/index.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { statement } from '../statement.ts';

/** What the entry says of s, without who says it and in which view. */
export interface EntryContent {
  readonly sequenceNumber: SequenceNumber;
  /** HCD^s. */
  readonly hashChainDigest: Digest;
  /** R^s. */
  readonly repliesRoot: Digest;
  /** L^s. */
  readonly logRoot: Digest;
}

export const entrySchema = struct({
  /** The signer's view when it signed. */
  view: u53,
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  repliesRoot: fixed(32),
  logRoot: fixed(32),
  replica: u8,
  signature: fixed(64),
});
export type Entry = TypeOf<typeof entrySchema>;

/** Q entries of one content: proof of what the cluster executed at s; to outsiders, a head. */
export const headSchema = struct({
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  repliesRoot: fixed(32),
  logRoot: fixed(32),
  votes: list(struct({ replica: u8, view: u53, signature: fixed(64) }), REPLICAS_MAX),
});
export type Head = TypeOf<typeof headSchema>;

export function entryStatement(
  cluster: Cluster,
  entry: EntryContent & { readonly view: number },
): Uint8Array {
  return statement(
    cluster,
    'entry',
    entry.view,
    entry.sequenceNumber,
    entry.hashChainDigest,
    entry.repliesRoot,
    entry.logRoot,
  );
}

/** Equal in (s, HCD, R, L); view and signer may differ. */
export function sameEntry(a: EntryContent, b: EntryContent): boolean {
  return (
    a.sequenceNumber === b.sequenceNumber &&
    equalBytes(a.hashChainDigest, b.hashChainDigest) &&
    equalBytes(a.repliesRoot, b.repliesRoot) &&
    equalBytes(a.logRoot, b.logRoot)
  );
}
