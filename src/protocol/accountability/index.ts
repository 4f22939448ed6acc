/** What anyone with a genesis configuration can check, without a replica and without trust: heads, receipts, evidence. */

export { type Comparison, compareHeads, type HistoryProof, provedFork } from './compare.ts';
export {
  type Cosigner,
  cosign,
  cosignedAt,
  formatVerifierKey,
  isCosignerName,
  parseVerifierKey,
} from './cosignature.ts';
export { type Evidence, type EvidenceOf, judgeEvidence, type Verdict } from './evidence.ts';
export { type EvidenceError, encodeEvidence, type ProvedEvidence, verifyEvidence } from './evidence-file.ts';
export { explainEvidence } from './explain.ts';
export type { FileError } from './file.ts';
export { formatHead, type HeadError, headText, originOf, replicaKeyName, verifyHead } from './head.ts';
export {
  encodeReceipt,
  type Receipt,
  type ReceiptError,
  readReceipt,
  rejectReceipt,
  verifyReceipt,
} from './receipt.ts';
export type { Refusal } from './refusal.ts';
export { formatNote, formatSignature, NOTE_BYTES_MAX, type NoteSignature, parseNote } from './signed-note.ts';
export { formatSubmission, parseSubmission, SUBMISSION_BYTES_MAX, type Submission } from './submission.ts';
