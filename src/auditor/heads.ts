/** Heads that were kept elsewhere, by clients or witnesses, against an archive: it must contain them, or somebody has signed two histories. */

import { provedFork } from '../protocol/accountability/compare.ts';
import { type Head, sameEntry } from '../protocol/messages/entry.ts';
import type { Audit } from './audit.ts';
import { proofWithin } from './compare.ts';
import type { HeadVerdict } from './report.ts';
import { report } from './statements.ts';

export interface HeldHead {
  readonly head: Head;
  readonly audit: Audit;
  verdict: HeadVerdict;
  /** Guilt is proved, or there is nothing to prove. */
  settled: boolean;
}

/** Precondition: the head's signatures hold. */
export function holdHead(audit: Audit, head: Head): HeldHead {
  return { head, audit, verdict: { type: 'NOT_REACHED' }, settled: false };
}

/** Enter: the audit has come somewhat further. */
export function meetHead(held: HeldHead): void {
  const { head, audit } = held;
  if (held.settled) return;
  if (held.verdict.type === 'NOT_REACHED') {
    const entry = audit.replay.entries.get(head.sequenceNumber);
    if (entry === undefined) return;
    held.settled = sameEntry(entry, head);
    held.verdict = { type: held.settled ? 'CONTAINED' : 'CONTRADICTED' };
  }
  const { stable, context, statements } = audit;
  if (held.settled || stable === undefined || stable.sequenceNumber < head.sequenceNumber) return;
  const proof = proofWithin(audit, head.sequenceNumber, stable);
  const evidence = provedFork(context, { type: 'head', ...head }, { type: 'stable', ...stable }, proof);
  held.settled = true;
  if (evidence !== undefined) report(statements, evidence);
}
