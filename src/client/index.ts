/** The client's public face. */

/** Receipts: `encodeReceipt` makes the file, `verifyReceipt` judges it. */
export { encodeReceipt, type Receipt, verifyReceipt } from '../protocol/accountability/index.ts';
export type { Head } from '../protocol/messages/entry.ts';
/** Conditions, expiries and the parts of a multi-operation, for the calls of `kv`. */
export { kv as kvOperations, kvExpected, kvExpiry } from '../services/kv/index.ts';
export { type CallOptions, type Client, connect, type ReadOptions } from './client.ts';
export { ClientError, type ClientErrorCode, type OperationOutcome } from './client-error.ts';
export { type KvClient, KvError, kv } from './kv.ts';
export type { LinkState } from './links.ts';
export type { ClientNotice, ConnectOptions, WitnessOption } from './options.ts';
export type { Answer } from './outcome.ts';
