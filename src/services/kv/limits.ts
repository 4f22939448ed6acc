/**
 * The key-value service's limits. They decide which operations are refused, so they are part of what replicas must
 * agree on. Values leave room beside them in a request and a result of 64 KiB, the genesis defaults.
 */

export const KEY_BYTES_MAX = 1024;
export const VALUE_BYTES_MAX = 60 * 1024;

/** Operations, and conditions, in one atomic multi-operation. */
export const MULTI_MAX = 128;

/** Entries in one page of a scan. */
export const PAGE_ENTRIES_MAX = 1000;

/**
 * How much state one scan or count may walk through, keys, values and 64 bytes per entry: an operation that asks for
 * more gets a page and a continuation key. It bounds what a client can make every replica do in one operation.
 */
export const WALK_BYTES_MAX = 1024 * 1024;

/** Expired keys that a successful operation removes, per key that it changed: above 1, so that removal catches up. */
export const SWEPT_PER_CHANGE = 2;
