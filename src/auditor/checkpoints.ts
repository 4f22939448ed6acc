/** The checkpoints of an archive: who signed them, of which history and of which state they are (docs/protocol.md §6). */

import { rejectCheckpointCertificate } from '../protocol/certificates.ts';
import { stateDigestOf } from '../protocol/ledger.ts';
import type { CheckpointCertificate } from '../protocol/messages/certificates.ts';
import type { CheckpointContent } from '../protocol/messages/checkpoint.ts';
import { equalBytes } from '../types/bytes.ts';
import type { Place } from './archive.ts';
import { type Audit, contradict, find, type RecordOf } from './audit.ts';
import { forkFromHead } from './beginning.ts';
import { noteClaim } from './history.ts';
import { noteCheckpoint, report as reportEvidence } from './statements.ts';

export function auditStable(audit: Audit, { certificate, summary }: RecordOf<'stable'>, place: Place): void {
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
export function checkState(audit: Audit, checkpoint: CheckpointContent, place: Place): boolean {
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
