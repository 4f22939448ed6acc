/** What an audit says: numbers and findings as plain data, and the same in sentences. */

import { explainEvidence } from '../protocol/accountability/index.ts';
import type { Cluster } from '../protocol/genesis.ts';
import type { Digest, ReplicaIndex, SequenceNumber, View } from '../types/identities.ts';
import type { Place } from './archive.ts';
import type { FoundEvidence } from './statements.ts';

export type FindingCode =
  /** Bytes of the archive are not what was written, or are missing. */
  | 'DAMAGED'
  /** A signature, a quorum or the form of a signed thing does not hold. */
  | 'NOT_SIGNED'
  /** Links do not hash to the certificate they stand with. */
  | 'WRONG_LINKS'
  /** Two certificates of one archive are of different histories. */
  | 'FORKED'
  /** A request of a committed batch is malformed, doubled or not signed by its client. */
  | 'BAD_REQUEST'
  /** The body of a committed batch is not in the archive. */
  | 'NO_BODY'
  /** Executing gives another entry, checkpoint or head than is recorded. */
  | 'WRONG_RESULT'
  /** An entry was recorded for what no certificate covers. */
  | 'NOT_COMMITTED'
  /** A record speaks for another replica than the archive's. */
  | 'NOT_ITS_OWN'
  /** More is recorded ahead of what can be executed than any correct replica records. */
  | 'TOO_MUCH'
  /** The service failed on a committed batch. */
  | 'SERVICE_FAILED'
  /** The archive ends before the head at which the audit was to begin. */
  | 'NOT_REACHED';

export interface Finding {
  readonly code: FindingCode;
  /** Undefined where it belongs to none, or that is not known. */
  readonly sequenceNumber: SequenceNumber | undefined;
  readonly place: Place;
  readonly text: string;
}

export interface Gap {
  readonly after: SequenceNumber;
  readonly to: SequenceNumber;
}

/** Counts of what was read and found to hold, and what was not. */
export interface ArchiveReport {
  readonly directory: string;
  readonly replica: ReplicaIndex;
  bytes: number;
  records: number;
  /** Where the audit began, with what a trusted head says; 0 at the genesis. Nothing up to here was checked. */
  readonly from: SequenceNumber;
  /** Why, above a head, nothing was executed again. */
  readonly notExecuted: string | undefined;
  /** Up to here a quorum's certificates prove the history. */
  committed: SequenceNumber;
  hashChainDigest: Digest;
  /** Up to here it was executed again; 0 if nothing was. */
  executed: SequenceNumber;
  logRoot: Digest | undefined;
  batches: number;
  requests: number;
  operations: number;
  /** Entries that the replica recorded and that came out again. */
  entries: number;
  /** Stable checkpoints whose Σ came out again, and the highest whose signatures hold. */
  checkpoints: number;
  stable: SequenceNumber;
  /** NEW-VIEWs that hold, and the views of the first and the last certificate. */
  newViews: number;
  firstView: View | undefined;
  lastView: View | undefined;
  /** Where nothing but hashes is known. */
  readonly gaps: Gap[];
  /** Of an unfinished write at the end. */
  tailBytes: number;
  /** The first ones, in the order of the archive. */
  readonly findings: Finding[];
  findingCount: number;
}

export type HeadVerdict =
  | { readonly type: 'CONTAINED' }
  | { readonly type: 'CONTRADICTED' }
  /** Beyond what was executed. */
  | { readonly type: 'NOT_REACHED' };

/** How the histories of archives that were audited together stand. */
export type Comparison =
  | { readonly type: 'EQUAL_UP_TO'; readonly sequenceNumber: SequenceNumber }
  | { readonly type: 'FORKED_AT'; readonly sequenceNumber: SequenceNumber };

export interface AuditReport {
  readonly archives: readonly ArchiveReport[];
  /** Of more than one archive. */
  readonly comparison: Comparison | undefined;
  /** Of the heads that were given, in order, what each archive says of each. */
  readonly heads: readonly {
    readonly sequenceNumber: SequenceNumber;
    readonly verdicts: readonly HeadVerdict[];
  }[];
  /** Signatures that were verified; one that stands in several places once. */
  readonly signatures: number;
  readonly evidence: readonly FoundEvidence[];
}

export type Outcome =
  | 'clean'
  /** Something does not hold or is missing, and nobody is proved guilty. */
  | 'damaged'
  /** Replicas are proved to have lied. */
  | 'misbehaved'
  /** More are than a history without forks allows, or two histories are signed. */
  | 'forked';

export function outcomeOf({ archives, comparison, heads, evidence }: AuditReport): Outcome {
  const isForked =
    comparison?.type === 'FORKED_AT' ||
    archives.some(({ findings }) => findings.some(({ code }) => code === 'FORKED')) ||
    evidence.some(({ verdict }) => verdict.forked) ||
    heads.some(({ verdicts }) => verdicts.some(({ type }) => type === 'CONTRADICTED'));
  if (isForked) return 'forked';
  if (evidence.length > 0) return 'misbehaved';
  return archives.some(({ findingCount }) => findingCount > 0) ? 'damaged' : 'clean';
}

export function findingText({ sequenceNumber, place, text }: Finding): string {
  const s = sequenceNumber === undefined ? '' : `batch ${sequenceNumber}: `;
  return `${s}${text} (${place.file}, byte ${place.offset})`;
}

/** For people: what was audited, what holds, and the first thing that does not. */
export function describeReport(cluster: Cluster, report: AuditReport): readonly string[] {
  const lines = report.archives.flatMap(describeArchive);
  lines.push(`signatures verified: ${report.signatures}`);
  for (const { sequenceNumber, verdicts } of report.heads) {
    for (const [i, { type }] of verdicts.entries()) {
      lines.push(`head of batch ${sequenceNumber}, archive ${i + 1}: ${HEAD_TEXTS[type]}`);
    }
  }
  if (report.comparison?.type === 'EQUAL_UP_TO') {
    lines.push(`the histories are the same up to batch ${report.comparison.sequenceNumber}`);
  }
  if (report.comparison?.type === 'FORKED_AT') {
    lines.push(`FORK: the histories differ from batch ${report.comparison.sequenceNumber} on`);
  }
  for (const found of report.evidence) lines.push('', ...explainEvidence(cluster, found));
  return lines;
}

const HEAD_TEXTS: Readonly<Record<HeadVerdict['type'], string>> = {
  CONTAINED: 'contained',
  CONTRADICTED: 'CONTRADICTED: the archive holds another history',
  NOT_REACHED: 'beyond what was executed again: not compared',
};

function describeArchive(report: ArchiveReport): string[] {
  const { findings, findingCount, gaps } = report;
  const lines = [
    `${report.directory}: replica ${report.replica}, ${report.records} records, ${report.bytes} bytes`,
    ...(report.from === 0
      ? []
      : [`  begun       at the head of batch ${report.from}; what lies up to it was taken as given`]),
    `  history     ${report.committed === report.from ? 'nothing is' : `batches ${report.from + 1} to ${report.committed} are`} certified${report.firstView === undefined ? '' : `, in views ${report.firstView} to ${report.lastView}`}`,
    `  executed    ${report.executed === 0 ? `nothing${report.notExecuted === undefined ? '' : `: results above the head were not computed again, since ${report.notExecuted}`}` : `batches ${report.from + 1} to ${report.executed}: ${report.requests} requests, ${report.operations} operations`}`,
    `  held        ${report.entries} entries, ${report.checkpoints} checkpoints (the last stable one at ${report.stable}), ${report.newViews} view changes`,
  ];
  for (const { after, to } of gaps) {
    lines.push(`  gap         of batches ${after + 1} to ${to} only the hash of the history is known`);
  }
  if (report.tailBytes > 0) lines.push(`  tail        ${report.tailBytes} bytes of an unfinished write`);
  if (findingCount === 0) lines.push('  everything holds');
  else {
    lines.push(`  ${findingCount} ${findingCount === 1 ? 'thing does' : 'things do'} not hold; the first:`);
    lines.push(...findings.slice(0, SHOWN_MAX).map((finding) => `    ${findingText(finding)}`));
    if (findingCount > SHOWN_MAX) lines.push(`    … and ${findingCount - SHOWN_MAX} more`);
  }
  return lines;
}

const SHOWN_MAX = 10;
