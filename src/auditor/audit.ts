/** What is known of one archive while it is read, and what was found in it. */

import { memoryLeafStore } from '../crypto/leaf-store.ts';
import type { Context } from '../protocol/context.ts';
import { createLedger } from '../protocol/ledger.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import type { DurableRecord } from '../protocol/records.ts';
import type { ServiceFactory } from '../services/service.ts';
import type { ReplicaIndex, SequenceNumber } from '../types/identities.ts';
import type { Archive, Place } from './archive.ts';
import type { Beginning } from './beginning.ts';
import { createHistory, type History } from './history.ts';
import { createReplay, type Replay } from './replay.ts';
import type { ArchiveReport, FindingCode } from './report.ts';
import type { Statements } from './statements.ts';

export interface Audit {
  readonly context: Context;
  /** Undefined if the audit begins at the first batch. */
  readonly beginning: Beginning | undefined;
  readonly replica: ReplicaIndex;
  readonly statements: Statements;
  readonly history: History;
  readonly replay: Replay;
  /** Executed entries recorded for what is not committed yet. */
  readonly recorded: Map<SequenceNumber, { readonly record: RecordOf<'executed'>; readonly place: Place }>;
  /** The last one whose signatures hold. */
  stable: CheckpointCertificate | undefined;
  readonly report: ArchiveReport;
}

export type RecordOf<Type extends DurableRecord['type']> = Extract<DurableRecord, { type: Type }>;

export const FINDINGS_KEPT = 100;

/** Begins at the first batch, or above a trusted head. Without `service` nothing is executed. */
export function createAudit(
  statements: Statements,
  archive: Pick<Archive, 'directory' | 'replica'>,
  service: ServiceFactory | undefined,
  beginning?: Beginning,
): Audit {
  const { context } = statements;
  const head = beginning?.head;
  const from = head?.sequenceNumber ?? 0;
  const ledger =
    beginning === undefined ? service && createLedger(context, service, memoryLeafStore()) : beginning.ledger;
  const replay = createReplay(context, ledger, from);
  if (head !== undefined) replay.entries.set(from, head);
  return {
    context,
    beginning,
    replica: archive.replica,
    statements,
    history: createHistory(context, head),
    replay,
    recorded: new Map(),
    stable: undefined,
    report: {
      directory: archive.directory,
      replica: archive.replica,
      bytes: 0,
      records: 0,
      from,
      notExecuted: beginning?.notExecuted,
      committed: from,
      hashChainDigest: head?.hashChainDigest ?? context.cluster.id,
      executed: 0,
      logRoot: undefined,
      batches: 0,
      requests: 0,
      operations: 0,
      entries: 0,
      checkpoints: 0,
      stable: 0,
      newViews: 0,
      firstView: undefined,
      lastView: undefined,
      gaps: [],
      tailBytes: 0,
      findings: [],
      findingCount: 0,
    },
  };
}

export function find(
  { report }: Audit,
  code: FindingCode,
  sequenceNumber: SequenceNumber | undefined,
  place: Place,
  text: string,
): void {
  // Up to where the audit begins only another history matters.
  if (sequenceNumber !== undefined && sequenceNumber <= report.from && code !== 'FORKED') return;
  report.findingCount++;
  if (report.findings.length < FINDINGS_KEPT) report.findings.push({ code, sequenceNumber, place, text });
}

/** Found once: the archive is of another history than the head at which the audit began. */
export function contradict(audit: Audit, s: SequenceNumber, place: Place, text: string): void {
  const beginning = audit.beginning!;
  if (beginning.contradicted) return;
  beginning.contradicted = true;
  find(audit, 'FORKED', s, place, text);
}
