/** The client's public face. */

export { type CallOptions, type Client, connect, type ReadOptions } from './client.ts';
export { ClientError, type ClientErrorCode, type OperationOutcome } from './client-error.ts';
export { type KvClient, KvError, kv } from './kv.ts';
export type { LinkState } from './links.ts';
export type { ClientNotice, ConnectOptions } from './options.ts';
export type { Answer } from './outcome.ts';
