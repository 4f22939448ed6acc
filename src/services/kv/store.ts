/**
 * How keys lie in the authenticated map:
 *
 *     00                        the revision, u64: how many changes there were
 *     01 ‖ key                  the record, see below
 *     02 ‖ u64 expiry ‖ key     nothing: the keys in the order in which they expire
 *
 * Expired keys are absent to everyone from their instant on; when they are removed only the digest can tell.
 */

import { bytes, decode, encode, optional, struct, type TypeOf, u53 } from '../../codec/index.ts';
import type { MerkleMap, MerkleMapReader } from '../../crypto/merkle-map/index.ts';
import { assert } from '../../types/assert.ts';
import { concatBytes, u64Bytes } from '../../types/bytes.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.ts';

const REVISION_KEY = Uint8Array.of(0);
const DATA = Uint8Array.of(1);
const EXPIRY = Uint8Array.of(2);
const EXPIRY_PREFIX_BYTES = 9;

const recordSchema = struct({
  /** The store's revision after the key's last change. */
  version: u53,
  /** The batch of the key's last change. */
  sequenceNumber: u53,
  /** Milliseconds since 1970 from which on the key is absent; undefined for never. */
  expiresAtMs: optional(u53),
  value: bytes(VALUE_BYTES_MAX),
});

export type KvRecord = TypeOf<typeof recordSchema>;

export interface Store {
  readonly map: MerkleMap;
  /** Written to the map by `writeRevision`, not at each change: it would double the cost of one. */
  revision: number;
}

export function dataKey(key: Uint8Array): Uint8Array {
  return concatBytes(DATA, key);
}

function expiryKey(expiresAtMs: number, key: Uint8Array): Uint8Array {
  return concatBytes(EXPIRY, u64Bytes(expiresAtMs), key);
}

/** The record that `bytes` are, or undefined if they are none; the value is a view of them. */
export function decodeRecord(bytes: Uint8Array): KvRecord | undefined {
  const record = decode(recordSchema, bytes);
  return record.ok ? record.value : undefined;
}

function ownRecord(bytes: Uint8Array): KvRecord {
  const record = decodeRecord(bytes);
  assert(record !== undefined, 'the store holds records');
  return record;
}

export function isExpired(record: KvRecord, timeMs: number): boolean {
  return record.expiresAtMs !== undefined && record.expiresAtMs <= timeMs;
}

/** The key's record, unless it is absent at `timeMs`. */
export function findRecord(map: MerkleMapReader, key: Uint8Array, timeMs: number): KvRecord | undefined {
  const bytes = map.get(dataKey(key));
  if (bytes === undefined) return undefined;
  const record = ownRecord(bytes);
  return isExpired(record, timeMs) ? undefined : record;
}

/** All records with `from` ≤ key < `to`, expired ones included. */
export function* records(
  map: MerkleMapReader,
  from: Uint8Array,
  to: Uint8Array | undefined,
): Generator<readonly [key: Uint8Array, record: KvRecord]> {
  for (const [key, bytes] of map.scan(dataKey(from), to === undefined ? EXPIRY : dataKey(to))) {
    yield [key.subarray(DATA.length), ownRecord(bytes)];
  }
}

/** Replaces whatever the key has, expired or not, under the next revision. Returns that. */
export function writeRecord(store: Store, key: Uint8Array, content: Omit<KvRecord, 'version'>): number {
  forgetExpiry(store, key);
  store.revision += 1;
  store.map.put(dataKey(key), encode(recordSchema, { ...content, version: store.revision }));
  if (content.expiresAtMs !== undefined) {
    store.map.put(expiryKey(content.expiresAtMs, key), new Uint8Array(0));
  }
  return store.revision;
}

/** Deletes a key that is present, as a change. */
export function deleteRecord(store: Store, key: Uint8Array): void {
  forgetExpiry(store, key);
  store.map.delete(dataKey(key));
  store.revision += 1;
}

function forgetExpiry(store: Store, key: Uint8Array): void {
  const before = store.map.get(dataKey(key));
  if (before === undefined) return;
  const { expiresAtMs } = ownRecord(before);
  if (expiresAtMs !== undefined) store.map.delete(expiryKey(expiresAtMs, key));
}

/** Removes keys that have expired by `timeMs`, at most `max`, the oldest first. No change: they are absent already. */
export function sweepExpired(store: Store, timeMs: number, max: number): void {
  const due: Uint8Array[] = [];
  for (const [key] of store.map.scan(EXPIRY, expiryKey(timeMs + 1, new Uint8Array(0)))) {
    if (due.length >= max) break;
    due.push(key);
  }
  for (const key of due) {
    store.map.delete(key);
    store.map.delete(dataKey(key.subarray(EXPIRY_PREFIX_BYTES)));
  }
}

export function writeRevision(store: Store): void {
  store.map.put(REVISION_KEY, u64Bytes(store.revision));
}

/** The store in a restored map. @throws Error if the map is not one that a store can have written. */
export function storeOf(map: MerkleMap): Store {
  const revision = decode(u53, map.get(REVISION_KEY) ?? new Uint8Array(0));
  if (!revision.ok) refuse('there is no revision');
  let records = 0;
  let expiring = 0;
  for (const [key, bytes] of map.scan(DATA, EXPIRY)) {
    const record = decodeRecord(bytes);
    if (record === undefined || key.length > 1 + KEY_BYTES_MAX || record.version > revision.value) {
      refuse('an entry is not a record');
    }
    if (record.expiresAtMs !== undefined) {
      expiring += 1;
      if (map.get(expiryKey(record.expiresAtMs, key.subarray(1)))?.length !== 0)
        refuse('an expiry is missing');
    }
    records += 1;
  }
  // Every expiring record has its index entry; if the numbers add up there is nothing else.
  if (1 + records + expiring !== map.size) refuse('it has entries that belong to no record');
  return { map, revision: revision.value };
}

function refuse(why: string): never {
  throw new Error(
    `kv: these are not the chunks of a key-value store: ${why}; fetch them again from another source`,
  );
}
