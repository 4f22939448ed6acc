/**
 * Audits one archive, record by record: every signature, certificate and hash, every result by executing it again (docs/protocol.md §7, table
 * "Records"). Nothing that the archive says is believed because it stands there; what goes on after a finding is what still can be checked.
 */

import { memoryLeafStore } from '../crypto/leaf-store.ts';
import {
  isHeaderSigned,
  justifiesLeaving,
  rejectBatch,
  rejectCheckpointCertificate,
  rejectCommitCertificate,
  rejectPreparedCertificate,
} from '../protocol/certificates.ts';
import { type Context, signedBy } from '../protocol/context.ts';
import { createLedger, stateDigestOf } from '../protocol/ledger.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import { type CheckpointContent, checkpointStatement } from '../protocol/messages/checkpoint.ts';
import { sameEntry } from '../protocol/messages/entry.ts';
import { commitStatement } from '../protocol/messages/ordering.ts';
import { logLeaf } from '../protocol/messages/reply.ts';
import { type DurableRecord, recordSequenceNumber } from '../protocol/records.ts';
import { rejectNewView, rejectViewChange } from '../protocol/view-change-rules.ts';
import type { ServiceFactory } from '../services/service.ts';
import { unreachable } from '../types/assert.ts';
import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../types/identities.ts';
import type { Archive, ArchiveItem, Place } from './archive.ts';
import { type Beginning, contradictsHead, forkFromHead, isGiven } from './beginning.ts';
import { createHistory, extendHistory, type History, noteClaim, noteProposal } from './history.ts';
import {
  createReplay,
  offerBody,
  offerCommitted,
  type Replay,
  skipTo,
  type Taken,
  takeNext,
} from './replay.ts';
import type { ArchiveReport, FindingCode } from './report.ts';
import {
  noteCertificate,
  noteCheckpoint,
  noteCommit,
  noteHeader,
  notePrepare,
  noteViewChange,
  report as reportEvidence,
  type Statements,
} from './statements.ts';

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

type RecordOf<Type extends DurableRecord['type']> = Extract<DurableRecord, { type: Type }>;

const FINDINGS_KEPT = 100;
const RECORDED_MAX = 16_384;

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

export function auditItem(audit: Audit, item: ArchiveItem): void {
  const { report } = audit;
  switch (item.type) {
    case 'record':
      report.records++;
      if (audit.beginning !== undefined) {
        if (isGiven(audit.beginning, item.record)) return;
        if (item.record.type !== 'evidence') audit.beginning.met = true;
      }
      return auditRecord(audit, item.record, item.place);
    case 'damage':
      // Before anything above the head has been met, what is damaged lies below it.
      if (item.sequenceNumber === undefined && audit.beginning?.met === false) return;
      return find(audit, 'DAMAGED', item.sequenceNumber, item.place, item.text);
    case 'tail':
      report.tailBytes += item.bytes;
      return;
    case 'progress':
      report.bytes += item.bytes;
      return;
    default:
      return unreachable(item);
  }
}

/**
 * The archive has ended. A stable checkpoint above all commit certificates is where a state was taken over last: it certifies the history up
 * to it. What was recorded beyond never became certain.
 */
export function endAudit(audit: Audit): void {
  const { stable, report, beginning } = audit;
  if (beginning?.met === false) {
    const text = `the archive ends before batch ${report.from}, where the audit was to begin: nothing was audited`;
    find(audit, 'NOT_REACHED', undefined, { file: report.directory, offset: report.bytes }, text);
  }
  if (stable !== undefined && stable.sequenceNumber > report.committed) {
    report.gaps.push({ after: report.committed, to: stable.sequenceNumber });
    report.committed = stable.sequenceNumber;
    report.hashChainDigest = stable.hashChainDigest;
  }
  for (const [s, { place }] of audit.recorded) {
    if (s <= report.committed) continue;
    find(
      audit,
      'NOT_COMMITTED',
      s,
      place,
      'an executed entry is recorded, and no certificate commits the batch',
    );
  }
}

function find(
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

function auditRecord(audit: Audit, record: DurableRecord, place: Place): void {
  const { context, history, statements, report } = audit;
  const s = recordSequenceNumber(record);
  const refuse = (text: string, at: SequenceNumber | undefined = s === 0 ? undefined : s): void =>
    find(audit, 'NOT_SIGNED', at, place, text);
  switch (record.type) {
    case 'body':
      return auditBody(audit, record, place);
    case 'accepted': {
      const { header } = record;
      if (!isHeaderSigned(context, header)) return refuse('the primary has not signed the accepted proposal');
      noteHeader(statements, header);
      return noteProposal(history, header.sequenceNumber, header.batchDigest);
    }
    case 'prepared': {
      const { certificate, vote } = record;
      const { header, prepares } = certificate;
      const reason = rejectPreparedCertificate(context, certificate);
      if (reason !== undefined) return refuse(`the prepared certificate does not hold: ${reason}`);
      noteHeader(statements, header);
      for (const prepare of prepares) notePrepare(statements, { ...header, ...prepare });
      if (vote.replica !== audit.replica) return notItsOwn(audit, s, place, 'commit vote');
      const { cluster } = context;
      if (!signedBy(context, vote.replica, commitStatement(cluster, vote), vote.signature)) {
        return refuse('the replica has not signed its commit vote');
      }
      return noteCommit(statements, vote);
    }
    case 'committed':
      return auditCommitted(audit, record, place);
    case 'executed':
      return auditExecuted(audit, record, place);
    case 'suspected':
    case 'votes-stopped':
    case 'learner':
      // None is signed, nor says anything of the history.
      return;
    case 'left': {
      const { viewChange, proofs, suspects } = record.viewChange;
      if (viewChange.replica !== audit.replica) return notItsOwn(audit, undefined, place, 'VIEW-CHANGE');
      const reason = rejectViewChange(context, viewChange, proofs);
      if (reason !== undefined)
        return refuse(`the VIEW-CHANGE for view ${viewChange.view} does not hold: ${reason}`);
      if (!justifiesLeaving(context, suspects, viewChange.view - 1)) {
        return refuse(`no quorum of SUSPECTs justifies leaving for view ${viewChange.view}`);
      }
      return noteViewChange(statements, viewChange);
    }
    case 'entered': {
      const { newView } = record;
      const reason = rejectNewView(context, newView);
      if (reason !== undefined)
        return refuse(`the NEW-VIEW of view ${newView.view} does not hold: ${reason}`);
      report.newViews++;
      for (const header of newView.headers) {
        noteHeader(statements, header);
        noteProposal(history, header.sequenceNumber, header.batchDigest);
      }
      for (const each of newView.viewChanges) noteViewChange(statements, each);
      for (const each of newView.proofs.commits) {
        if (rejectCommitCertificate(context, each) === undefined) noteCertificate(statements, each);
      }
      return;
    }
    case 'checkpointed': {
      const { checkpoint } = record;
      const { cluster } = context;
      const at = checkpoint.sequenceNumber;
      if (checkpoint.replica !== audit.replica) return notItsOwn(audit, at, place, 'CHECKPOINT');
      const statement = checkpointStatement(cluster, checkpoint);
      if (!signedBy(context, checkpoint.replica, statement, checkpoint.signature)) {
        return refuse('the replica has not signed its CHECKPOINT', at);
      }
      noteCheckpoint(statements, checkpoint);
      checkState(audit, checkpoint, place);
      return;
    }
    case 'stable':
      return auditStable(audit, record, place);
    case 'evidence':
      if (reportEvidence(statements, record.evidence)) return;
      return refuse('evidence is recorded that proves nothing');
    default:
      return unreachable(record);
  }
}

function notItsOwn(audit: Audit, s: SequenceNumber | undefined, place: Place, what: string): void {
  find(audit, 'NOT_ITS_OWN', s, place, `a ${what} is recorded as this replica's that is another's`);
}

function auditBody(audit: Audit, { sequenceNumber: s, batch }: RecordOf<'body'>, place: Place): void {
  const reason = rejectBatch(audit.context, batch);
  if (reason !== undefined) find(audit, 'BAD_REQUEST', s, place, `the batch must not be executed: ${reason}`);
  if (offerBody(audit.replay, s, batch)) return advance(audit, place);
  find(audit, 'TOO_MUCH', s, place, 'bodies are recorded too far ahead of what is committed');
}

function auditCommitted(audit: Audit, record: RecordOf<'committed'>, place: Place): void {
  const { context, history, statements, report } = audit;
  const { certificate } = record;
  const s = certificate.sequenceNumber;
  const reason = rejectCommitCertificate(context, certificate);
  if (reason !== undefined) {
    return find(audit, 'NOT_SIGNED', s, place, `the commit certificate does not hold: ${reason}`);
  }
  noteCertificate(statements, certificate);
  if (isOnAnotherHistory(audit, record)) {
    contradict(audit, s, place, 'the commit certificate is of another history than the head');
    // The audit goes on along the archive's own history, of which nothing but signatures and hashes can be checked.
    history.committed = { sequenceNumber: s, hashChainDigest: certificate.hashChainDigest };
    skipTo(audit.replay, s);
    report.committed = s;
    report.hashChainDigest = certificate.hashChainDigest;
    return;
  }
  const { batches, gap, wrongLinks, fork } = extendHistory(context, history, record);
  if (wrongLinks)
    find(audit, 'WRONG_LINKS', s, place, 'the links do not lead to the certificate beside them');
  if (fork !== undefined) {
    reportEvidence(statements, fork);
    return find(
      audit,
      'FORKED',
      s,
      place,
      'the commit certificate is of another history than the ones before',
    );
  }
  if (gap !== undefined) {
    report.gaps.push(gap);
    if (report.gaps.length > FINDINGS_KEPT) report.gaps.shift();
    skipTo(audit.replay, gap.to);
  }
  report.committed = history.committed.sequenceNumber;
  report.hashChainDigest = history.committed.hashChainDigest;
  report.firstView ??= certificate.view;
  report.lastView = certificate.view;
  for (const batch of batches) settleClaim(audit, batch.sequenceNumber, batch.hashChainDigest);
  if (!offerCommitted(audit.replay, batches)) {
    find(audit, 'TOO_MUCH', s, place, 'more batches are committed than bodies are recorded');
    skipTo(audit.replay, s);
  }
  advance(audit, place);
}

function isOnAnotherHistory({ context, beginning, history }: Audit, record: RecordOf<'committed'>): boolean {
  return (
    beginning !== undefined &&
    !beginning.contradicted &&
    history.committed.sequenceNumber === beginning.head.sequenceNumber &&
    contradictsHead(context, beginning, record)
  );
}

/** Found once: the archive is of another history than the head at which the audit began. */
function contradict(audit: Audit, s: SequenceNumber, place: Place, text: string): void {
  const beginning = audit.beginning!;
  if (beginning.contradicted) return;
  beginning.contradicted = true;
  find(audit, 'FORKED', s, place, text);
}

/** An entry that was recorded ahead of its certificate names the HCD that it must have. */
function settleClaim(audit: Audit, s: SequenceNumber, hashChainDigest: Uint8Array): void {
  const claim = audit.recorded.get(s);
  if (claim === undefined) return;
  if (equalBytes(claim.record.hashChainDigest, hashChainDigest)) return;
  audit.recorded.delete(s);
  find(
    audit,
    'WRONG_RESULT',
    s,
    claim.place,
    'the executed entry is of another history than what was committed',
  );
}

/** Executes what can be. */
function advance(audit: Audit, place: Place): void {
  const { replay, report, recorded } = audit;
  for (;;) {
    let taken: Taken | undefined;
    try {
      taken = takeNext(replay);
    } catch (error) {
      const text = `executing it failed: ${error instanceof Error ? error.message : String(error)}`;
      find(audit, 'SERVICE_FAILED', replay.reached, place, text);
      replay.ledger = undefined;
      continue;
    }
    if (taken === undefined) return;
    const { batch, executed } = taken;
    report.batches++;
    report.requests += batch.requests.length;
    const claim = recorded.get(replay.reached);
    recorded.delete(replay.reached);
    if (executed === undefined) continue;
    report.executed = executed.entry.sequenceNumber;
    report.logRoot = executed.entry.logRoot;
    report.operations += executed.operations;
    if (claim !== undefined) compareEntry(audit, claim.record, claim.place);
  }
}

function auditExecuted(audit: Audit, record: RecordOf<'executed'>, place: Place): void {
  const { history, replay, recorded } = audit;
  const s = record.sequenceNumber;
  growLog(audit, record, place);
  if (!noteClaim(history, s, record.hashChainDigest)) {
    const text = 'the executed entry is of another history than what was committed';
    return find(audit, 'WRONG_RESULT', s, place, text);
  }
  if (s <= replay.reached) return compareEntry(audit, record, place);
  if (s > history.committed.sequenceNumber) {
    if (recorded.size < RECORDED_MAX) recorded.set(s, { record, place });
    return;
  }
  // A replica records a body before it says that it executed it.
  const missing = replay.due[0]?.sequenceNumber ?? s;
  find(audit, 'NO_BODY', missing, place, 'the batch was executed, and its body is not in the archive');
  skipTo(replay, s);
  advance(audit, place);
}

/** Where results are not known, L must at least grow by what the entries themselves say. */
function growLog(audit: Audit, record: RecordOf<'executed'>, place: Place): void {
  const tree = audit.beginning?.growing;
  if (tree === undefined || record.sequenceNumber !== tree.size + 1) return;
  tree.append(logLeaf(audit.context.crypto, record.hashChainDigest, record.repliesRoot));
  if (equalBytes(tree.root(), record.logRoot)) return;
  const text = 'the executed entry has another root of the log than the head and the entries above it give';
  find(audit, 'WRONG_RESULT', record.sequenceNumber, place, text);
}

function compareEntry(audit: Audit, record: RecordOf<'executed'>, place: Place): void {
  const ours = audit.replay.entries.get(record.sequenceNumber);
  if (ours === undefined) return;
  if (sameEntry(ours, record)) {
    audit.report.entries++;
    return;
  }
  const text = equalBytes(ours.repliesRoot, record.repliesRoot)
    ? 'the executed entry has another root of the log than executing again gives'
    : 'the executed entry has other results than executing again gives';
  find(audit, 'WRONG_RESULT', record.sequenceNumber, place, text);
}

function auditStable(audit: Audit, { certificate, summary }: RecordOf<'stable'>, place: Place): void {
  const { context, history, statements, report } = audit;
  const s = certificate.sequenceNumber;
  const reason = rejectCheckpointCertificate(context, certificate);
  if (reason !== undefined) {
    return find(audit, 'NOT_SIGNED', s, place, `the stable checkpoint does not hold: ${reason}`);
  }
  const { votes, ...content } = certificate;
  for (const vote of votes) noteCheckpoint(statements, { ...content, ...vote });
  holdAgainstHead(audit, certificate, place);
  if (!equalBytes(stateDigestOf(context, s, summary), certificate.stateDigest)) {
    find(audit, 'WRONG_RESULT', s, place, 'the description of the state is not of the state that was signed');
  }
  if (!noteClaim(history, s, certificate.hashChainDigest)) {
    return find(
      audit,
      'FORKED',
      s,
      place,
      'the stable checkpoint is of another history than what was committed',
    );
  }
  const isNew = s > report.stable;
  if (isNew) {
    report.stable = s;
    audit.stable = certificate;
  }
  if (checkState(audit, certificate, place) && isNew) report.checkpoints++;
}

/** A stable checkpoint at or above the head must be of its history. */
function holdAgainstHead(audit: Audit, stable: CheckpointCertificate, place: Place): void {
  const { context, beginning, statements, report } = audit;
  if (beginning === undefined) return;
  const s = stable.sequenceNumber;
  const evidence = forkFromHead(context, beginning, stable);
  if (evidence !== undefined) {
    reportEvidence(statements, evidence);
    return contradict(audit, s, place, 'the stable checkpoint is of another history than the head');
  }
  const { growing } = beginning;
  if (growing === undefined || growing.size < s || beginning.contradicted || s <= report.from) return;
  if (equalBytes(growing.rootAt(s), stable.logRoot)) return;
  const text =
    'the stable checkpoint has another root of the log than the head and the entries above it give';
  find(audit, 'WRONG_RESULT', s, place, text);
}

/** Whether executing again gave this state; a finding if it gave another. */
function checkState(audit: Audit, checkpoint: CheckpointContent, place: Place): boolean {
  const { replay } = audit;
  const s = checkpoint.sequenceNumber;
  const entry = replay.entries.get(s);
  const state = replay.states.get(s);
  if (entry === undefined || state === undefined) return false;
  const isSame =
    equalBytes(entry.hashChainDigest, checkpoint.hashChainDigest) &&
    equalBytes(entry.logRoot, checkpoint.logRoot) &&
    equalBytes(state, checkpoint.stateDigest);
  if (!isSame)
    find(audit, 'WRONG_RESULT', s, place, 'the checkpoint is of another state than executing again gives');
  return isSame;
}
