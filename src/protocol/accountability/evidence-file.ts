/** Evidence as a file (docs/formats/evidence.md), which anyone who holds the genesis configuration can verify. */

import { fail, ok, type Result } from '../../types/result.ts';
import type { Context } from '../context.ts';
import type { Cluster } from '../genesis.ts';
import { type Evidence, evidenceSchema, judgeEvidence, type Verdict } from './evidence.ts';
import { type FileError, openFile, sealFile } from './file.ts';
import type { Refusal } from './refusal.ts';

export type EvidenceError = FileError | 'PROVES_NOTHING';

/** Evidence that was verified, and what it proves. */
export interface ProvedEvidence {
  readonly evidence: Evidence;
  readonly verdict: Verdict;
}

/** Larger than the largest piece: a fork with as many links as one answer brings, and a VIEW-CHANGE of every replica. */
const FILE_BYTES_MAX = 1024 * 1024;

export function encodeEvidence(cluster: Cluster, evidence: Evidence): Uint8Array {
  return sealFile(cluster, 'evidence', evidenceSchema, evidence);
}

/** The evidence of a file with what it proves. Costs at most two quorums of signatures and one per VIEW-CHANGE, and a hash per link. */
export function verifyEvidence(
  context: Context,
  file: Uint8Array,
): Result<ProvedEvidence, Refusal<EvidenceError>> {
  const opened = openFile(context.cluster, 'evidence', evidenceSchema, FILE_BYTES_MAX, file);
  if (!opened.ok) return opened;
  const evidence = opened.value;
  const verdict = judgeEvidence(context, evidence);
  if (verdict !== undefined) return ok({ evidence, verdict });
  return fail({
    code: 'PROVES_NOTHING',
    text: 'it proves nothing: its two sides do not contradict each other, or a signature does not hold',
  });
}
