/** What the key-value service answers. Tags are for ever, as in operations.ts. */

import {
  bool,
  bytes,
  choice,
  list,
  optional,
  struct,
  type TypeOf,
  u32,
  u53,
  union,
} from '../../codec/index.ts';
import { CHUNK_BYTES_MAX } from '../service.ts';
import { MULTI_MAX, PAGE_ENTRIES_MAX } from './limits.ts';
import { integerSchema, keySchema, valueSchema } from './operations.ts';

/** Why an operation was refused. It then changed nothing. */
export const REFUSALS = [
  /** Not an operation of this service, or beyond its limits. */
  'malformed',
  /** `increment` of a value that is not a signed 64-bit decimal integer. */
  'not-an-integer',
  /** `increment` beyond 64 bits. */
  'overflow',
  /** An expiry after 2⁵³−1 ms. */
  'expiry-out-of-range',
  /** The answer would be longer than a result may be. */
  'result-too-large',
  /** Asked as a read, but it changes state. */
  'not-a-read',
  /** Ordered, but it can only be read: a proof against a state in the middle of a batch would fit no signed digest. */
  'only-a-read',
] as const;

const single = {
  /**
   * `version` grows with each change anywhere in the store and no two changes share one, so an equal version is
   * an unchanged key. `sequenceNumber` is the batch of the last change.
   */
  value: [1, struct({ value: valueSchema, version: u53, sequenceNumber: u53, expiresAtMs: optional(u53) })],
  absent: [2, struct({})],
  /** Of put, compare-and-set and expire. */
  written: [3, struct({ version: u53 })],
  deleted: [4, struct({ existed: bool })],
  integer: [5, struct({ value: integerSchema, version: u53 })],
} as const;

export const singleResultSchema = union('type', single);

export const resultSchema = union('type', {
  ...single,
  multi: [6, struct({ results: list(singleResultSchema, MULTI_MAX) })],
  /** `next` is where to go on, if there may be more. */
  page: [
    7,
    struct({
      entries: list(struct({ key: keySchema, value: valueSchema, version: u53 }), PAGE_ENTRIES_MAX),
      next: optional(keySchema),
    }),
  ],
  count: [8, struct({ count: u53, next: optional(keySchema) })],
  proof: [9, struct({ proof: bytes(CHUNK_BYTES_MAX) })],
  /** Condition `index` did not hold; the key's version, or undefined if it is absent. */
  mismatch: [10, struct({ index: u32, version: optional(u53) })],
  /** `index` is the operation's place in a multi-operation, else 0. */
  refused: [11, struct({ code: choice(REFUSALS), index: u32 })],
});

export type KvRefusal = (typeof REFUSALS)[number];
export type KvSingleResult = TypeOf<typeof singleResultSchema>;
export type KvResult = TypeOf<typeof resultSchema>;
