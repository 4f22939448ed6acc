/**
 * The key-value service from a client's side: operations in the making, results and proofs in the reading. Pure; it
 * sends nothing.
 */

import { type DecodeError, decode, encode } from '../../codec/index.ts';
import { verifyProof } from '../../crypto/merkle-map/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { utf8 } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import type { Result } from '../../types/result.ts';
import { KEY_BYTES_MAX, PAGE_ENTRIES_MAX, VALUE_BYTES_MAX } from './limits.ts';
import {
  type KvCondition,
  type KvExpiry,
  type KvOperation,
  type KvSingle,
  operationSchema,
} from './operations.ts';
import { type KvResult, resultSchema } from './results.ts';
import { dataKey, decodeRecord, type KvRecord } from './store.ts';

/** Text stands for its UTF-8. */
export type KvBytes = Uint8Array | string;

type Of<Type extends KvOperation['type']> = Extract<KvOperation, { type: Type }>;

export interface KvRange {
  /** First key; from the beginning if left out. */
  readonly from?: KvBytes;
  /** End, not included; to the end if left out. */
  readonly to?: KvBytes;
  /** All keys that begin so; instead of the two, or with `from` to go on within them. */
  readonly prefix?: KvBytes;
}

export interface KvScanOptions extends KvRange {
  /** Most entries in the page, 1…1000 (the default). */
  readonly limit?: number;
  /** Most bytes of keys and values in the page, from its second entry on. */
  readonly bytes?: number;
}

const NEVER: KvExpiry = { type: 'never' };

/** @throws Error (each of them) for a key or value beyond its limit */
export const kv = {
  get: (key: KvBytes): Of<'get'> => ({ type: 'get', key: keyBytes(key) }),
  put: (key: KvBytes, value: KvBytes, expiry: KvExpiry = NEVER): Of<'put'> => ({
    type: 'put',
    key: keyBytes(key),
    value: valueBytes(value),
    expiry,
  }),
  delete: (key: KvBytes): Of<'delete'> => ({ type: 'delete', key: keyBytes(key) }),
  increment: (key: KvBytes, by: bigint | number = 1): Of<'increment'> => ({
    type: 'increment',
    key: keyBytes(key),
    by: BigInt(by),
  }),
  expire: (key: KvBytes, expiry: KvExpiry): Of<'expire'> => ({ type: 'expire', key: keyBytes(key), expiry }),
  compareAndSet: (
    key: KvBytes,
    expected: KvCondition,
    value: KvBytes,
    expiry: KvExpiry = NEVER,
  ): Of<'compare-and-set'> => ({
    type: 'compare-and-set',
    key: keyBytes(key),
    expected,
    value: valueBytes(value),
    expiry,
  }),
  multi: (
    operations: readonly KvSingle[],
    conditions: readonly { readonly key: KvBytes; readonly condition: KvCondition }[] = [],
  ): Of<'multi'> => ({
    type: 'multi',
    conditions: conditions.map(({ key, condition }) => ({ key: keyBytes(key), condition })),
    operations,
  }),
  scan: (options: KvScanOptions = {}): Of<'scan'> => ({
    type: 'scan',
    ...rangeOf(options),
    limit: options.limit ?? PAGE_ENTRIES_MAX,
    bytes: options.bytes ?? VALUE_BYTES_MAX,
  }),
  count: (range: KvRange = {}): Of<'count'> => ({ type: 'count', ...rangeOf(range) }),
  prove: (key: KvBytes): Of<'prove'> => ({ type: 'prove', key: keyBytes(key) }),
};

export const kvExpected = {
  absent: { type: 'absent' } as const,
  present: { type: 'present' } as const,
  value: (value: KvBytes) => ({ type: 'value', value: valueBytes(value) }) as const,
  version: (version: number) => ({ type: 'version', version }) as const,
};

export const kvExpiry = {
  never: NEVER,
  keep: { type: 'keep' } as const,
  after: (ms: number) => ({ type: 'after', ms }) as const,
  at: (timeMs: number) => ({ type: 'at', timeMs }) as const,
};

/** @throws EncodeError naming the field and its limit */
export function encodeKvOperation(operation: KvOperation): Uint8Array {
  return encode(operationSchema, operation);
}

/** Byte strings in the result are views of `bytes`. */
export function decodeKvResult(bytes: Uint8Array): Result<KvResult, DecodeError> {
  return decode(resultSchema, bytes);
}

/**
 * What the proof in the answer to `kv.prove(key)` proves against the service's digest. A record that is present in
 * the digest counts as absent from its `expiresAtMs` on. Never throws.
 */
export function verifyKvProof(
  hash: Crypto['hash'],
  digest: Digest,
  key: KvBytes,
  proof: Uint8Array,
): KvRecord | 'absent' | 'invalid' {
  const verdict = verifyProof(hash, digest, dataKey(bytesOf(key)), proof);
  if (verdict === 'invalid') return 'invalid';
  if (!verdict.present) return 'absent';
  return decodeRecord(verdict.value) ?? 'invalid';
}

function bytesOf(value: KvBytes): Uint8Array {
  return typeof value === 'string' ? utf8(value) : value;
}

/** @throws Error if it is longer than a key may be */
function keyBytes(key: KvBytes): Uint8Array {
  return boundedBytes('key', key, KEY_BYTES_MAX);
}

/** @throws Error if it is longer than a value may be */
function valueBytes(value: KvBytes): Uint8Array {
  return boundedBytes('value', value, VALUE_BYTES_MAX);
}

/** Encoding would refuse it as well, but in the words of the codec. */
function boundedBytes(what: string, value: KvBytes, bytesMax: number): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes.length <= bytesMax) return bytes;
  throw new Error(`the ${what} has ${bytes.length} bytes; a ${what} has at most ${bytesMax}`);
}

function rangeOf({ from, to, prefix }: KvRange): { from: Uint8Array; to: Uint8Array | undefined } {
  const start = keyBytes(from ?? prefix ?? '');
  if (prefix === undefined) return { from: start, to: to === undefined ? undefined : keyBytes(to) };
  if (to !== undefined) throw new Error('kv range: give either `to` or `prefix`, not both');
  return { from: start, to: afterPrefix(keyBytes(prefix)) };
}

/** The least key above all that begin with `prefix`; undefined if there is none, as after FF FF. */
function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  const last = prefix.findLastIndex((byte) => byte !== 0xff);
  if (last < 0) return undefined;
  const after = prefix.slice(0, last + 1);
  after[last]! += 1;
  return after;
}
