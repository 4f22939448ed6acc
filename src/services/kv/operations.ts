/**
 * What clients may ask of the key-value service. A tag means one operation with one layout for ever: a changed one
 * gets a new tag.
 */

import {
  bytes,
  list,
  mapped,
  optional,
  range,
  refined,
  struct,
  type TypeOf,
  text,
  u32,
  u53,
  union,
} from '../../codec/index.ts';
import { decimal, parseDecimal } from './decimal.ts';
import { KEY_BYTES_MAX, MULTI_MAX, PAGE_ENTRIES_MAX, VALUE_BYTES_MAX } from './limits.ts';

export const keySchema = bytes(KEY_BYTES_MAX);
export const valueSchema = bytes(VALUE_BYTES_MAX);

/** A signed 64-bit integer as canonical decimal text: no leading zeros, no plus, no minus zero. */
export const integerSchema = mapped(
  refined(
    text(20),
    (value) => (parseDecimal(value) === undefined ? 'not a signed 64-bit decimal integer' : undefined),
    'a signed 64-bit decimal integer',
    (value) => String(value.length),
  ),
  BigInt,
  decimal,
);

/** What must hold of a key; an expired key is absent. */
export const conditionSchema = union('type', {
  absent: [0, struct({})],
  present: [1, struct({})],
  /** Present with exactly this value. */
  value: [2, struct({ value: valueSchema })],
  /** Present and not changed since: see `version` of the results. */
  version: [3, struct({ version: u53 })],
});

/** When a key becomes absent by itself. An instant that has passed makes it absent at once. */
export const expirySchema = union('type', {
  never: [0, struct({})],
  /** As it was; never, for a key that was absent. */
  keep: [1, struct({})],
  /** So many milliseconds after the time of the batch that executes the operation. */
  after: [2, struct({ ms: u53 })],
  /** Milliseconds since 1970. */
  at: [3, struct({ timeMs: u53 })],
});

const get = struct({ key: keySchema });
const put = struct({ key: keySchema, value: valueSchema, expiry: expirySchema });
const deletion = struct({ key: keySchema });
/** Adds to the decimal integer that is the value (absent: 0). Keeps the expiry. */
const increment = struct({ key: keySchema, by: integerSchema });
/** Changes nothing but the expiry. */
const expire = struct({ key: keySchema, expiry: expirySchema });

/** Operations on one key, alone or as parts of a multi-operation. */
const single = {
  get: [1, get],
  put: [2, put],
  delete: [3, deletion],
  increment: [4, increment],
  expire: [5, expire],
} as const;

export const singleSchema = union('type', single);

export const operationSchema = union('type', {
  ...single,
  /** A put that happens only if the condition holds. */
  'compare-and-set': [
    6,
    struct({ key: keySchema, expected: conditionSchema, value: valueSchema, expiry: expirySchema }),
  ],
  /** All operations in order, each seeing the ones before; or, if a condition fails or one is refused, none. */
  multi: [
    7,
    struct({
      conditions: list(struct({ key: keySchema, condition: conditionSchema }), MULTI_MAX),
      operations: list(singleSchema, MULTI_MAX),
    }),
  ],
  /** Entries with `from` ≤ key < `to` in order; at most `limit`, and `bytes` of keys and values but at least one. */
  scan: [
    8,
    struct({
      from: keySchema,
      to: optional(keySchema),
      limit: range(u32, 1, PAGE_ENTRIES_MAX),
      bytes: u32,
    }),
  ],
  /** How many keys there are with `from` ≤ key < `to`. */
  count: [9, struct({ from: keySchema, to: optional(keySchema) })],
  /** A proof of presence or absence against the service's digest; only as a read. */
  prove: [10, struct({ key: keySchema })],
});

export type KvCondition = TypeOf<typeof conditionSchema>;
export type KvExpiry = TypeOf<typeof expirySchema>;
export type KvSingle = TypeOf<typeof singleSchema>;
export type KvOperation = TypeOf<typeof operationSchema>;
