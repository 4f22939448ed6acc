/**
 * The batches of an archive: the body and the certificate of each, and the entry that executing it again must give (docs/protocol.md §3.7 to §3.9).
 */

import { rejectBatch, rejectCommitCertificate } from '../protocol/certificates.ts';
import { sameEntry } from '../protocol/messages/entry.ts';
import { logLeaf } from '../protocol/messages/reply.ts';
import { equalBytes } from '../types/bytes.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { Place } from './archive.ts';
import { type Audit, contradict, FINDINGS_KEPT, find, type RecordOf } from './audit.ts';
import { contradictsHead } from './beginning.ts';
import { extendHistory, noteClaim } from './history.ts';
import { offerBody, offerCommitted, skipTo, type Taken, takeNext } from './replay.ts';
import { noteCertificate, report as reportEvidence } from './statements.ts';

const RECORDED_MAX = 16_384;

export function auditBody(audit: Audit, { sequenceNumber: s, batch }: RecordOf<'body'>, place: Place): void {
  const reason = rejectBatch(audit.context, batch);
  if (reason !== undefined) find(audit, 'BAD_REQUEST', s, place, `the batch must not be executed: ${reason}`);
  if (offerBody(audit.replay, s, batch)) return advance(audit, place);
  find(audit, 'TOO_MUCH', s, place, 'bodies are recorded too far ahead of what is committed');
}

export function auditCommitted(audit: Audit, record: RecordOf<'committed'>, place: Place): void {
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

export function auditExecuted(audit: Audit, record: RecordOf<'executed'>, place: Place): void {
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
