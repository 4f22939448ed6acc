/** What anyone with a genesis configuration can check, without a replica and without trust: heads, receipts, evidence. */

export { type Comparison, compareHeads, type HistoryProof } from './compare.ts';
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
