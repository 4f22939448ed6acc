/**
 * Auditing what replicas kept (docs/auditing.md): one archive against the rules, several against each other, and heads against both. Needs the
 * genesis configuration and no replica.
 */

import type { Crypto } from '../crypto/port.ts';
import { createVerifyCache } from '../node/verify-cache.ts';
import { type Genesis, makeCluster } from '../protocol/genesis.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { ServiceFactory } from '../services/service.ts';
import type { Archive, ArchiveItem } from './archive.ts';
import { type Audit, createAudit } from './audit.ts';
import { beginAt } from './begin-at.ts';
import { comparePair, comparisonOf, pairsOf } from './compare.ts';
import { holdHead, meetHead } from './heads.ts';
import { auditItem, endAudit } from './records.ts';
import type { AuditReport } from './report.ts';
import { createStatements, forgetStatements, type Statements } from './statements.ts';

/** What a program needs beside the genesis (`readGenesisFile` of bft2f/node) to audit with a service of its own. */
export { sodiumCrypto } from '../crypto/sodium-native.ts';
export { verifyHead } from '../protocol/accountability/index.ts';
export { makeCluster } from '../protocol/genesis.ts';
export { nodeFiles } from '../storage/node-files.ts';
export { type Archive, openArchive } from './archive.ts';
export { type AuditReport, describeReport, findingText, type Outcome, outcomeOf } from './report.ts';

export interface AuditOptions {
  readonly genesis: Genesis;
  readonly crypto: Crypto;
  /** At least one; of different replicas, or of one at different times. */
  readonly archives: readonly Archive[];
  /** Without it nothing is executed: signatures and hashes only. */
  readonly service?: ServiceFactory | undefined;
  /** Their signatures hold (`verifyHead`). */
  readonly heads?: readonly Head[] | undefined;
  /** A trusted head, whose signatures hold (`verifyHead`): the audit begins above it, and what lies up to it is taken as given. */
  readonly from?: Head | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the archives once, side by side: the one that is behind goes on, so that what is compared is in memory of both. Memory holds the
 * service's state, 32 bytes a batch, and a window of recent batches.
 *
 * @throws StorageError if an archive cannot be read; the signal's reason if it is aborted
 */
export async function auditArchives(options: AuditOptions): Promise<AuditReport> {
  const { archives, service, heads = [], from, onProgress, signal } = options;
  const cache = createVerifyCache(options.crypto);
  const context = { cluster: makeCluster(options.genesis, cache.crypto), crypto: cache.crypto };
  const statements = createStatements(context);
  const readers: { readonly audit: Audit; readonly items: ReturnType<Archive['items']> }[] = [];
  for (const archive of archives) {
    const beginning = from && (await beginAt(context, archive, from, service));
    readers.push({ audit: createAudit(statements, archive, service, beginning), items: archive.items() });
  }
  const audits = readers.map(({ audit }) => audit);
  const pairs = pairsOf(audits);
  const held = heads.map((head) => audits.map((audit) => holdHead(audit, head)));
  const reading = new Set(readers);
  while (reading.size > 0) {
    signal?.throwIfAborted();
    const reader = furthestBehind(reading);
    const { value, done } = await reader.items.next();
    if (done === true) {
      endAudit(reader.audit);
      reading.delete(reader);
      continue;
    }
    for (const item of value) auditItem(reader.audit, item);
    onProgress?.(progressOf(value));
    for (const pair of pairs) comparePair(pair);
    for (const each of held.flat()) meetHead(each);
    forgetOld(statements, audits);
  }
  return {
    archives: audits.map(({ report }) => report),
    comparison: comparisonOf(pairs),
    heads: held.map((each, i) => ({
      sequenceNumber: heads[i]!.sequenceNumber,
      verdicts: each.map(({ verdict }) => verdict),
    })),
    signatures: cache.stats.misses,
    evidence: [...statements.evidence.values()],
  };
}

function furthestBehind<T extends { readonly audit: Audit }>(readers: ReadonlySet<T>): T {
  return [...readers].reduce((a, b) => (reached(b.audit) < reached(a.audit) ? b : a));
}

function reached({ history }: Audit): number {
  return history.committed.sequenceNumber;
}

function progressOf(items: readonly ArchiveItem[]): number {
  return items.reduce((sum, item) => sum + (item.type === 'progress' ? item.bytes : 0), 0);
}

/** What was signed for batches that lie further back than any correct replica still speaks of. */
function forgetOld(statements: Statements, audits: readonly Audit[]): void {
  const { watermarkWindow } = statements.context.cluster.limits;
  forgetStatements(statements, Math.min(...audits.map(reached)) - 2 * watermarkWindow);
}
