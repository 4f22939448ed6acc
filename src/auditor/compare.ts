/** Archives against each other: whether their histories are one, and the proof of guilt if they are not (docs/protocol.md §9). */

import { type HistoryProof, provedFork } from '../protocol/accountability/compare.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import { equalBytes } from '../types/bytes.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { Audit } from './audit.ts';
import { digestAt, forkBetween } from './history.ts';
import type { Comparison } from './report.ts';
import { report } from './statements.ts';

export interface Pair {
  readonly first: Audit;
  readonly second: Audit;
  equalUpTo: SequenceNumber;
  /** The first batch that differs. */
  forkedAt: SequenceNumber | undefined;
  /** Of each side the first stable checkpoint at or above the fork. */
  stableFirst: CheckpointCertificate | undefined;
  stableSecond: CheckpointCertificate | undefined;
  proved: boolean;
}

export function pairsOf(audits: readonly Audit[]): readonly Pair[] {
  return audits.flatMap((first, i) =>
    audits.slice(i + 1).map((second) => ({
      first,
      second,
      equalUpTo: first.report.from,
      forkedAt: undefined,
      stableFirst: undefined,
      stableSecond: undefined,
      proved: false,
    })),
  );
}

/** Enter: both have come somewhat further. What is compared lies within the recent batches of both, which are read side by side. */
export function comparePair(pair: Pair): void {
  if (pair.forkedAt !== undefined) return proveByCheckpoints(pair, pair.forkedAt);
  const { first, second } = pair;
  const s = Math.min(first.history.committed.sequenceNumber, second.history.committed.sequenceNumber);
  const isEqual = sameAt(pair, s);
  if (isEqual === undefined) return;
  if (isEqual) {
    pair.equalUpTo = s;
    return;
  }
  // Once histories have parted they never meet again: the first difference is found by halving.
  let [low, high] = [pair.equalUpTo, s];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (sameAt(pair, middle) === false) high = middle;
    else low = middle;
  }
  pair.forkedAt = high;
  proveByCertificates(pair, high);
  proveByCheckpoints(pair, high);
}

/** Undefined where one of them does not know. */
function sameAt({ first, second }: Pair, s: SequenceNumber): boolean | undefined {
  const a = digestAt(first.history, s);
  const b = digestAt(second.history, s);
  return a === undefined || b === undefined ? undefined : equalBytes(a, b);
}

function proveByCertificates({ first, second }: Pair, s: SequenceNumber): void {
  const sides = [first, second].flatMap(({ history }) => {
    const certificate = history.recent.get(s)?.certificate;
    return certificate === undefined ? [] : [{ history, certificate }];
  });
  const [lower, upper] = sides.sort((a, b) => a.certificate.sequenceNumber - b.certificate.sequenceNumber);
  if (lower === undefined || upper === undefined) return;
  const evidence = forkBetween(upper.history, lower.certificate, upper.certificate);
  if (evidence !== undefined) report(first.statements, evidence);
}

/** Stable checkpoints name the guilty whatever the views: whoever signed one of each history. */
function proveByCheckpoints(pair: Pair, forkedAt: SequenceNumber): void {
  const { first, second } = pair;
  if (pair.proved) return;
  const above = ({ stable }: Audit): CheckpointCertificate | undefined =>
    stable !== undefined && stable.sequenceNumber >= forkedAt ? stable : undefined;
  pair.stableFirst ??= above(first);
  pair.stableSecond ??= above(second);
  if (pair.stableFirst === undefined || pair.stableSecond === undefined) return;
  pair.proved = true;
  const sides = [
    { audit: first, stable: pair.stableFirst },
    { audit: second, stable: pair.stableSecond },
  ].sort((a, b) => a.stable.sequenceNumber - b.stable.sequenceNumber);
  const [lower, upper] = [sides[0]!, sides[1]!];
  const proof = proofWithin(upper.audit, lower.stable.sequenceNumber, upper.stable);
  const evidence = provedFork(
    first.context,
    { type: 'stable', ...lower.stable },
    { type: 'stable', ...upper.stable },
    proof,
  );
  if (evidence !== undefined) report(first.statements, evidence);
}

/** As the archive's own log gives it, from s to a stable checkpoint of it; undefined where it was not executed. */
export function proofWithin(
  { replay }: Audit,
  s: SequenceNumber,
  stable: CheckpointCertificate,
): HistoryProof | undefined {
  const t = stable.sequenceNumber;
  if (s === t) return { root: stable.logRoot, path: [] };
  const tree = replay.ledger?.tree;
  if (tree === undefined || tree.size < t) return undefined;
  return { root: tree.rootAt(s), path: tree.consistencyPath(s, t) };
}

export function comparisonOf(pairs: readonly Pair[]): Comparison | undefined {
  if (pairs.length === 0) return undefined;
  const forks = pairs.flatMap(({ forkedAt }) => forkedAt ?? []);
  return forks.length > 0
    ? { type: 'FORKED_AT', sequenceNumber: Math.min(...forks) }
    : { type: 'EQUAL_UP_TO', sequenceNumber: Math.min(...pairs.map(({ equalUpTo }) => equalUpTo)) };
}
