/** What answers without changing anything: in the middle of a batch, and from a snapshot. */

import type { MerkleMapReader } from '../../crypto/merkle-map/index.ts';
import { WALK_BYTES_MAX } from './limits.ts';
import type { KvOperation } from './operations.ts';
import type { KvRefusal, KvResult, KvSingleResult } from './results.ts';
import { findRecord, isExpired, type KvRecord, records } from './store.ts';

type Of<Type extends KvOperation['type']> = Extract<KvOperation, { type: Type }>;
type PageEntry = Extract<KvResult, { type: 'page' }>['entries'][number];

/** What an encoded page has beside its entries, at most, and each entry beside key and value. */
const PAGE_OVERHEAD_BYTES = 1100;
const ENTRY_OVERHEAD_BYTES = 16;
const WALK_ENTRY_BYTES = 64;

export function refusal(code: KvRefusal, index = 0): Extract<KvResult, { type: 'refused' }> {
  return { type: 'refused', code, index };
}

export function get(map: MerkleMapReader, operation: Of<'get'>, timeMs: number): KvSingleResult {
  const record = findRecord(map, operation.key, timeMs);
  return record === undefined ? { type: 'absent' } : { type: 'value', ...record };
}

/** A page ends at the first entry that has no place in it. It may be empty, but `next` always makes progress. */
export function scan(
  map: MerkleMapReader,
  { from, to, limit, bytes }: Of<'scan'>,
  timeMs: number,
  resultBytesMax: number,
): KvResult {
  const entries: PageEntry[] = [];
  let room = resultBytesMax - PAGE_OVERHEAD_BYTES;
  let wanted = bytes;
  for (const [key, record, isBeyond] of walk(map, from, to)) {
    if (isBeyond) return { type: 'page', entries, next: key };
    if (isExpired(record, timeMs)) continue;
    const length = key.length + record.value.length;
    room -= length + ENTRY_OVERHEAD_BYTES;
    wanted -= length;
    if (entries.length === 0) {
      if (room < 0) return refusal('result-too-large');
    } else if (entries.length === limit || room < 0 || wanted < 0) {
      return { type: 'page', entries, next: key };
    }
    entries.push({ key, value: record.value, version: record.version });
  }
  return { type: 'page', entries, next: undefined };
}

export function count(map: MerkleMapReader, { from, to }: Of<'count'>, timeMs: number): KvResult {
  let found = 0;
  for (const [key, record, isBeyond] of walk(map, from, to)) {
    if (isBeyond) return { type: 'count', count: found, next: key };
    if (!isExpired(record, timeMs)) found += 1;
  }
  return { type: 'count', count: found, next: undefined };
}

/** Records in order; the first one beyond WALK_BYTES_MAX, which is never the very first, is marked so and the last. */
function* walk(
  map: MerkleMapReader,
  from: Uint8Array,
  to: Uint8Array | undefined,
): Generator<readonly [key: Uint8Array, record: KvRecord, isBeyond: boolean]> {
  let walked = 0;
  for (const [key, record] of records(map, from, to)) {
    walked += key.length + record.value.length + WALK_ENTRY_BYTES;
    yield [key, record, walked > WALK_BYTES_MAX];
    if (walked > WALK_BYTES_MAX) return;
  }
}
