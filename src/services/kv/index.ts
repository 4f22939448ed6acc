/** The key-value service's public face. */

export * from './client.ts';
export { KEY_BYTES_MAX, MULTI_MAX, PAGE_ENTRIES_MAX, VALUE_BYTES_MAX } from './limits.ts';
export type { KvCondition, KvExpiry, KvOperation, KvSingle } from './operations.ts';
export { type KvRefusal, type KvResult, type KvSingleResult, REFUSALS } from './results.ts';
export { kvService } from './service.ts';
export type { KvRecord } from './store.ts';
