/**
 * Commit certificates and the links that lead to them (docs/protocol.md §3.7). Q votes for HCD^s commit the whole prefix up to s, whatever
 * this replica had accepted; bodies may come later.
 */

import { equalBytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import { chainOf } from '../hash-chain.ts';
import type { CommitCertificate } from '../messages/certificates.ts';
import { emit, persist } from './effects.ts';
import { reportFork } from './evidence.ts';
import { executeReady } from './execution.ts';
import { castVotes, checkOwnVotes } from './ordering.ts';
import { forgetHeldProposals, hashChainDigestAt, logLinks } from './slots.ts';
import type { Replica } from './state.ts';
import { maybeSendViewChange, verifyNewViewBase } from './view-change.ts';

/** Enter: a verified commit certificate, from our own count of votes or brought by someone. */
export function onCertificate(replica: Replica, certificate: CommitCertificate): void {
  if (certificate.sequenceNumber <= replica.committed) return checkAgainstOurs(replica, certificate);
  if (commitFromSlots(replica, certificate)) return;
  if ((replica.unlinked?.sequenceNumber ?? 0) < certificate.sequenceNumber) replica.unlinked = certificate;
  replica.gapsDirty = true;
}

/** Commits up to the certificate if the headers that we hold, as links, hash to its HCD; answers whether they do. */
function commitFromSlots(replica: Replica, certificate: CommitCertificate): boolean {
  const links: Digest[] = [];
  for (let s = replica.committed + 1; s <= certificate.sequenceNumber; s++) {
    const header = replica.slots.get(s)?.header;
    if (header === undefined) return false;
    links.push(header.batchDigest);
  }
  const chain = chainOf(replica.context.crypto, replica.committedDigest, links);
  if (!equalBytes(chain.at(-1)!, certificate.hashChainDigest)) return false;
  commitLinks(replica, links, chain, certificate);
  return true;
}

/** Precondition: `chain` is HCD after each link, from our committed prefix to the certificate's. Postcondition: all are committed. */
function commitLinks(
  replica: Replica,
  links: readonly Digest[],
  chain: readonly Digest[],
  certificate: CommitCertificate,
): void {
  const after = replica.committed;
  logLinks(replica, after, links, chain, certificate);
  const { view } = certificate;
  for (const [i, hashChainDigest] of chain.entries()) {
    emit(replica, { type: 'committed', view, sequenceNumber: after + 1 + i, hashChainDigest });
  }
  replica.committed = certificate.sequenceNumber;
  replica.committedDigest = certificate.hashChainDigest;
  replica.commitCertificate = certificate;
  forgetHeldProposals(replica);
  checkOwnVotes(replica, after + 1, replica.committed);
  persist(replica, { type: 'committed', after, links: [...links], certificate });
  if (replica.unlinked !== undefined && replica.unlinked.sequenceNumber <= replica.committed) {
    const unlinked = replica.unlinked;
    replica.unlinked = undefined;
    checkAgainstOurs(replica, unlinked);
  }
  maybeSendViewChange(replica);
  verifyNewViewBase(replica);
  executeReady(replica);
  castVotes(replica);
}

/**
 * A certificate at an s that we have committed must name our HCD^s; another one, with our own certificate and links, proves that more
 * than f replicas are faulty.
 */
function checkAgainstOurs(replica: Replica, certificate: CommitCertificate): void {
  const ours = hashChainDigestAt(replica, certificate.sequenceNumber);
  if (ours === undefined || equalBytes(ours, certificate.hashChainDigest)) return;
  const covering = replica.log.get(certificate.sequenceNumber)?.certificate ?? replica.commitCertificate;
  if (covering === undefined || covering.sequenceNumber < certificate.sequenceNumber) return;
  const links: Digest[] = [];
  for (let s = certificate.sequenceNumber + 1; s <= covering.sequenceNumber; s++) {
    const entry = replica.log.get(s);
    if (entry === undefined) return;
    links.push(entry.batchDigest);
  }
  reportFork(replica, certificate, covering, ours, links);
}

/** Links that a peer gave for the certificate it gave with them; answers what is wrong with them. */
export function onLinks(
  replica: Replica,
  after: number,
  links: readonly Digest[],
  certificate: CommitCertificate,
): string | undefined {
  if (after + links.length !== certificate.sequenceNumber) return 'WRONG_LENGTH';
  const start = hashChainDigestAt(replica, after);
  if (after > replica.committed || start === undefined) return 'NOT_OURS';
  const skip = replica.committed - after;
  if (skip >= links.length) return undefined; // We have come further meanwhile.
  const chain = chainOf(replica.context.crypto, start, links);
  if (!equalBytes(chain.at(-1)!, certificate.hashChainDigest)) return 'LINKS_DO_NOT_LEAD_THERE';
  if (skip > 0 && !equalBytes(chain[skip - 1]!, replica.committedDigest)) {
    return reportForkedLinks(replica, after, links, certificate, chain);
  }
  commitLinks(replica, links.slice(skip), chain.slice(skip), certificate);
  return undefined;
}

/** Links under a true certificate that leave our chain below our committed prefix: the cluster has forked. */
function reportForkedLinks(
  replica: Replica,
  after: number,
  links: readonly Digest[],
  certificate: CommitCertificate,
  chain: readonly Digest[],
): string | undefined {
  const ours = replica.commitCertificate;
  const index = ours === undefined ? -1 : ours.sequenceNumber - after - 1;
  if (ours === undefined || index < 0) return 'LEAVES_OUR_CHAIN';
  const before = chain[index]!;
  reportFork(replica, ours, certificate, before, links.slice(index + 1));
  return undefined;
}
