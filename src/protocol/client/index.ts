/** The client session's public face: the state machine, its contract, and the acceptance rule for whoever wants to check by themselves. */

export { type Receipt, rejectReceipt } from '../accountability/receipt.ts';
export { type ReplyRefusal, repliesAgree, verifyReply } from './acceptance.ts';
export {
  type DurableSession,
  decodeDurableSession,
  durableSessionSchema,
  encodeDurableSession,
} from './durable.ts';
export { type EntryCache, makeEntryCache } from './entry-cache.ts';
export { type Findings, makeFindings, noteEvidence } from './findings.ts';
export type {
  ClientEvent,
  ClientInput,
  ClientOutput,
  ClientSend,
  Completion,
  Outcome,
  Rejection,
} from './io.ts';
export { type ClientLimits, DEFAULT_CLIENT_LIMITS } from './limits.ts';
export type { ClientSession } from './session.ts';
export { clientStep, type SessionOptions, startSession } from './step.ts';
