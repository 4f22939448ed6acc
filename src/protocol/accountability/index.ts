/** What anyone with a genesis configuration can check, without a replica and without trust: heads, receipts, evidence. */

export { formatHead, type HeadError, headText, originOf, replicaKeyName, verifyHead } from './head.ts';
export type { Refusal } from './refusal.ts';
