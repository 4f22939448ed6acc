/**
 * The history that an archive's commit certificates prove (docs/protocol.md §3.7): a chain of batch digests from the genesis on, each run of
 * which leads to a certificate. Where the archive has a gap, the chain goes on from what the next certificate vouches for.
 */

import type { EvidenceOf } from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { chainOf } from '../protocol/hash-chain.ts';
import type { CommitCertificate } from '../protocol/messages/certificates.ts';
import type { DurableRecord } from '../protocol/records.ts';
import { equalBytes } from '../types/bytes.ts';
import type { Digest, SequenceNumber } from '../types/identities.ts';

export interface CommittedBatch {
  readonly sequenceNumber: SequenceNumber;
  readonly batchDigest: Digest;
  readonly hashChainDigest: Digest;
  /** Covers it. */
  readonly certificate: CommitCertificate;
}

export interface History {
  committed: { readonly sequenceNumber: SequenceNumber; readonly hashChainDigest: Digest };
  /** The last `RECENT` batches. */
  readonly recent: Map<SequenceNumber, CommittedBatch>;
  /** Above what is committed: the batch last accepted at each s, and the HCD that an executed entry or a checkpoint names. */
  readonly proposals: Map<SequenceNumber, Digest>;
  readonly claims: Map<SequenceNumber, Digest>;
}

/** What a `committed` record whose certificate holds adds. */
export interface Extension {
  readonly batches: readonly CommittedBatch[];
  /** Batches above `after` and up to `to` of which nothing but the last HCD is known. */
  readonly gap: { readonly after: SequenceNumber; readonly to: SequenceNumber } | undefined;
  /** The links of the record do not hash to its certificate. */
  readonly wrongLinks: boolean;
  readonly fork: EvidenceOf<'fork'> | undefined;
}

type Committed = Extract<DurableRecord, { type: 'committed' }>;

/** More than any two certificates of one replica lie apart, and than the links of one answer bring. */
const RECENT = 32_768;
/** Above what is committed, nothing correct lies further ahead than this. */
const AHEAD_MAX = 16_384;

/** Above `from`, or from the first batch on. */
export function createHistory({ cluster }: Context, from?: History['committed']): History {
  return {
    committed: from ?? { sequenceNumber: 0, hashChainDigest: cluster.id },
    recent: new Map(),
    proposals: new Map(),
    claims: new Map(),
  };
}

export function noteProposal({ committed, proposals }: History, s: SequenceNumber, digest: Digest): void {
  if (s > committed.sequenceNumber && s <= committed.sequenceNumber + AHEAD_MAX) proposals.set(s, digest);
}

/** Answers whether the claim agrees with the chain, as far as that is known. */
export function noteClaim(history: History, s: SequenceNumber, hashChainDigest: Digest): boolean {
  const { committed, claims } = history;
  if (s > committed.sequenceNumber) {
    // The oldest go first: what follows a gap is wanted.
    if (claims.size >= AHEAD_MAX) claims.delete(claims.keys().next().value!);
    claims.set(s, hashChainDigest);
    return true;
  }
  const known = digestAt(history, s);
  return known === undefined || equalBytes(known, hashChainDigest);
}

/** HCD^s, if the chain is known there. */
export function digestAt({ committed, recent }: History, s: SequenceNumber): Digest | undefined {
  return s === committed.sequenceNumber ? committed.hashChainDigest : recent.get(s)?.hashChainDigest;
}

/** Precondition: the certificate's votes hold. */
export function extendHistory(context: Context, history: History, record: Committed): Extension {
  const { after, links, certificate } = record;
  const { committed, recent, proposals, claims } = history;
  const reached = committed.sequenceNumber;
  const isWellFormed = after + links.length === certificate.sequenceNumber;
  if (certificate.sequenceNumber <= reached) {
    const known = digestAt(history, certificate.sequenceNumber);
    const contradicts = known !== undefined && !equalBytes(known, certificate.hashChainDigest);
    const fork = contradicts ? forkBelow(history, certificate) : undefined;
    return { batches: [], gap: undefined, wrongLinks: !isWellFormed, fork };
  }
  const leads = (start: Digest, run: readonly Digest[]): boolean =>
    equalBytes(chainOf(context.crypto, start, run).at(-1) ?? start, certificate.hashChainDigest);
  if (isWellFormed && after <= reached) {
    const rest = links.slice(reached - after);
    if (leads(committed.hashChainDigest, rest)) return extendBy(context, history, rest, certificate);
    const fork = forkAbove(context, history, record);
    if (fork !== undefined) return { batches: [], gap: undefined, wrongLinks: false, fork };
  }
  const wrongLinks = !isWellFormed || after <= reached;
  // The votes for the certificate are votes for all below it: what was accepted there may lead to it without the record that is lost.
  const proposed: Digest[] = [];
  for (let s = reached + 1; s <= certificate.sequenceNumber; s++) {
    const link = s > after && isWellFormed && !wrongLinks ? links[s - after - 1] : proposals.get(s);
    if (link === undefined) break;
    proposed.push(link);
  }
  if (
    proposed.length === certificate.sequenceNumber - reached &&
    leads(committed.hashChainDigest, proposed)
  ) {
    return { ...extendBy(context, history, proposed, certificate), wrongLinks };
  }
  const start = claims.get(after);
  if (!wrongLinks && start !== undefined && leads(start, links)) {
    history.committed = { sequenceNumber: after, hashChainDigest: start };
    forgetReached(history);
    const extension = extendBy(context, history, links, certificate);
    return { ...extension, gap: { after: reached, to: after } };
  }
  const { sequenceNumber: to, hashChainDigest } = certificate;
  history.committed = { sequenceNumber: to, hashChainDigest };
  recent.clear();
  forgetReached(history);
  return { batches: [], gap: { after: reached, to }, wrongLinks, fork: undefined };
}

function extendBy(
  context: Context,
  history: History,
  links: readonly Digest[],
  certificate: CommitCertificate,
): Extension {
  const { sequenceNumber: after, hashChainDigest: start } = history.committed;
  const chain = chainOf(context.crypto, start, links);
  const batches = links.map((batchDigest, i) => ({
    sequenceNumber: after + 1 + i,
    batchDigest,
    hashChainDigest: chain[i]!,
    certificate,
  }));
  for (const batch of batches) {
    history.recent.set(batch.sequenceNumber, batch);
    history.recent.delete(batch.sequenceNumber - RECENT);
    history.proposals.delete(batch.sequenceNumber);
    history.claims.delete(batch.sequenceNumber);
  }
  history.committed = certificate;
  return { batches, gap: undefined, wrongLinks: false, fork: undefined };
}

function forgetReached({ committed, proposals, claims }: History): void {
  for (const map of [proposals, claims]) {
    for (const s of map.keys()) if (s <= committed.sequenceNumber) map.delete(s);
  }
}

/** A certificate of another history than ours at an s that we have: ours at or above it, with the links between. */
function forkBelow(history: History, certificate: CommitCertificate): EvidenceOf<'fork'> | undefined {
  const ours = history.recent.get(certificate.sequenceNumber);
  return ours === undefined ? undefined : forkBetween(history, certificate, ours.certificate);
}

/** Evidence from `first`, which is not of this history, and `second`, which is and lies at or above it. */
export function forkBetween(
  { recent }: History,
  first: CommitCertificate,
  second: CommitCertificate,
): EvidenceOf<'fork'> | undefined {
  const links: Digest[] = [];
  for (let s = first.sequenceNumber + 1; s <= second.sequenceNumber; s++) {
    const batch = recent.get(s);
    if (batch === undefined) return undefined;
    links.push(batch.batchDigest);
  }
  const before = recent.get(first.sequenceNumber)?.hashChainDigest;
  if (before === undefined) return undefined;
  return { type: 'fork', first, second, before, links, viewChanges: [] };
}

/** Links that begin on our chain and lead, past another batch than ours, to a true certificate. */
function forkAbove(
  context: Context,
  history: History,
  { after, links, certificate }: Committed,
): EvidenceOf<'fork'> | undefined {
  const { committed, recent } = history;
  const ours = recent.get(committed.sequenceNumber)?.certificate;
  const start = after === 0 ? context.cluster.id : digestAt(history, after);
  if (ours === undefined || start === undefined) return undefined;
  const chain = chainOf(context.crypto, start, links);
  const split = committed.sequenceNumber - after;
  if (split === 0 || !equalBytes(chain.at(-1)!, certificate.hashChainDigest)) return undefined;
  const before = chain[split - 1]!;
  if (equalBytes(before, committed.hashChainDigest)) return undefined;
  return {
    type: 'fork',
    first: ours,
    second: certificate,
    before,
    links: links.slice(split),
    viewChanges: [],
  };
}
