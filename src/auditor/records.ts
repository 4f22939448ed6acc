/**
 * Audits one archive, record by record: every signature, certificate and hash, every result by executing it again (docs/protocol.md §7, table
 * "Records"). Nothing that the archive says is believed because it stands there; what goes on after a finding is what still can be checked.
 */

import {
  isHeaderSigned,
  justifiesLeaving,
  rejectCommitCertificate,
  rejectPreparedCertificate,
} from '../protocol/certificates.ts';
import { signedBy } from '../protocol/context.ts';
import { checkpointStatement } from '../protocol/messages/checkpoint.ts';
import { commitStatement } from '../protocol/messages/ordering.ts';
import { type DurableRecord, recordSequenceNumber } from '../protocol/records.ts';
import { rejectNewView, rejectViewChange } from '../protocol/view-change-rules.ts';
import { unreachable } from '../types/assert.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { ArchiveItem, Place } from './archive.ts';
import { type Audit, find } from './audit.ts';
import { auditBody, auditCommitted, auditExecuted } from './batches.ts';
import { isGiven } from './beginning.ts';
import { auditStable, checkState } from './checkpoints.ts';
import { noteProposal } from './history.ts';
import {
  noteCertificate,
  noteCheckpoint,
  noteCommit,
  noteHeader,
  notePrepare,
  noteViewChange,
  report as reportEvidence,
} from './statements.ts';

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
