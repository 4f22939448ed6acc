/**
 * A page: some entries (key, value) in ascending order of keys, packed into one byte array. It is at once what
 * is searched in memory, what is hashed and what travels, so nothing is ever converted, and an entry costs six
 * bytes beside its own instead of two objects.
 *
 * Layout, integers big-endian: u16 count ‖ count × (u32 end ‖ u16 keyLength) ‖ heap. Entry i occupies the heap
 * from the end of entry i−1 (0 for the first) to its own end: key, then value. The array may be longer than the page
 * (room for growth in place); what is behind `pageBytes` means nothing.
 */

import { writeU32 } from '../../types/bytes.ts';

/** A page of two or more entries is never longer; a single entry may be. */
export const PAGE_BYTES_MAX = 4096;
/** Below it a page is joined with a neighbour. */
export const PAGE_BYTES_MIN = 1024;

const HEADER = 2;
const SLOT = 6;
const GROWTH = 256;

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export function entryCount(page: Uint8Array): number {
  return (page[0]! << 8) | page[1]!;
}

function heapStart(page: Uint8Array): number {
  return HEADER + SLOT * entryCount(page);
}

/** Where the heap bytes of the first `count` entries end, counted from the start of the heap. */
function endOf(page: Uint8Array, count: number): number {
  if (count === 0) return 0;
  const at = HEADER + SLOT * (count - 1);
  return ((page[at]! << 24) | (page[at + 1]! << 16) | (page[at + 2]! << 8) | page[at + 3]!) >>> 0;
}

/** How many bytes key `index` has. */
export function keyLength(page: Uint8Array, index: number): number {
  const at = HEADER + SLOT * index + 4;
  return (page[at]! << 8) | page[at + 1]!;
}

/** The length of the page proper, which the array may exceed. */
export function pageBytes(page: Uint8Array): number {
  return heapStart(page) + endOf(page, entryCount(page));
}

/** The page proper, as a view. */
export function trimmed(page: Uint8Array): Uint8Array {
  return page.subarray(0, pageBytes(page));
}

/** A copy of key `index`: the page may change in place, what was handed out must not. */
export function keyAt(page: Uint8Array, index: number): Uint8Array {
  const start = heapStart(page) + endOf(page, index);
  return page.slice(start, start + keyLength(page, index));
}

/** A copy of value `index`. */
export function valueAt(page: Uint8Array, index: number): Uint8Array {
  const heap = heapStart(page);
  return page.slice(heap + endOf(page, index) + keyLength(page, index), heap + endOf(page, index + 1));
}

/** Whether value `index` is exactly these bytes, without copying it. */
export function valueEquals(page: Uint8Array, index: number, value: Uint8Array): boolean {
  const heap = heapStart(page);
  const start = heap + endOf(page, index) + keyLength(page, index);
  if (heap + endOf(page, index + 1) - start !== value.length) return false;
  for (let i = 0; i < value.length; i++) if (page[start + i] !== value[i]) return false;
  return true;
}

/** Overwrites value `index` by one of the same length. */
export function overwriteValue(page: Uint8Array, index: number, value: Uint8Array): void {
  page.set(value, heapStart(page) + endOf(page, index) + keyLength(page, index));
}

function compareKey(page: Uint8Array, index: number, key: Uint8Array): number {
  const start = heapStart(page) + endOf(page, index);
  const length = keyLength(page, index);
  const common = Math.min(length, key.length);
  for (let i = 0; i < common; i++) {
    const difference = page[start + i]! - key[i]!;
    if (difference !== 0) return difference;
  }
  return length - key.length;
}

/** The index of `key`, or −1 − i if it is absent and would stand at i. */
export function search(page: Uint8Array, key: Uint8Array): number {
  let low = 0;
  let high = entryCount(page);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareKey(page, middle, key);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1 - low;
}

/** The last entry whose key is at most `key`: the child that a key belongs to. −1 if there is none. */
export function route(page: Uint8Array, key: Uint8Array): number {
  const found = search(page, key);
  return found >= 0 ? found : -2 - found;
}

function setCount(page: Uint8Array, count: number): void {
  page[0] = count >>> 8;
  page[1] = count;
}

function setSlot(page: Uint8Array, index: number, end: number, keyBytes: number): void {
  const at = HEADER + SLOT * index;
  writeU32(page, at, end);
  page[at + 4] = keyBytes >>> 8;
  page[at + 5] = keyBytes;
}

/** An array of the same page with room for `bytes`; the page itself if it has the room already. */
function withRoom(page: Uint8Array, bytes: number): Uint8Array {
  if (page.length >= bytes) return page;
  const capacity = bytes > PAGE_BYTES_MAX ? bytes : Math.ceil(bytes / GROWTH) * GROWTH;
  const larger = new Uint8Array(capacity);
  larger.set(trimmed(page));
  return larger;
}

/**
 * Replaces `removed` entries from `index` on by `added`, in place where the array has the room: the caller owns
 * it. Returns the array that now holds the page.
 */
export function splice(
  page: Uint8Array,
  index: number,
  removed: number,
  added: readonly Entry[],
): Uint8Array {
  const count = entryCount(page);
  const bytes = pageBytes(page);
  const headBytes = endOf(page, index);
  const tailStart = endOf(page, index + removed);
  const tailBytes = endOf(page, count) - tailStart;
  let addedBytes = 0;
  for (const [key, value] of added) addedBytes += key.length + value.length;

  const growth = headBytes + addedBytes - tailStart;
  const newCount = count - removed + added.length;
  const oldHeap = HEADER + SLOT * count;
  const newHeap = HEADER + SLOT * newCount;
  const target = withRoom(page, bytes + (newHeap - oldHeap) + growth);

  const moveTail = () => {
    const from = oldHeap + tailStart;
    target.copyWithin(newHeap + headBytes + addedBytes, from, from + tailBytes);
  };
  const moveHead = () => target.copyWithin(newHeap, oldHeap, oldHeap + headBytes);
  const moveSlots = () => {
    const from = HEADER + SLOT * (index + removed);
    target.copyWithin(HEADER + SLOT * (index + added.length), from, oldHeap);
    setCount(target, newCount);
    for (let i = index + added.length; i < newCount; i++) {
      writeU32(target, HEADER + SLOT * i, endOf(target, i + 1) + growth);
    }
  };
  // The three regions overlap in one array: whichever moves into another's old place must go after it.
  if (newHeap > oldHeap) {
    moveTail();
    moveHead();
    moveSlots();
  } else {
    moveSlots();
    moveHead();
    moveTail();
  }

  let end = headBytes;
  for (const [i, [key, value]] of added.entries()) {
    target.set(key, newHeap + end);
    target.set(value, newHeap + end + key.length);
    end += key.length + value.length;
    setSlot(target, index + i, end, key.length);
  }
  return target;
}

/** A page with no entries; never written to, since nothing fits in it. */
export const EMPTY_PAGE: Uint8Array = new Uint8Array(HEADER);

/** A new page of entries `from` … `to` − 1. */
export function slicePage(page: Uint8Array, from: number, to: number): Uint8Array {
  const base = endOf(page, from);
  const heapBytes = endOf(page, to) - base;
  const newHeap = HEADER + SLOT * (to - from);
  const part = new Uint8Array(newHeap + heapBytes);
  setCount(part, to - from);
  for (let i = from; i < to; i++) setSlot(part, i - from, endOf(page, i + 1) - base, keyLength(page, i));
  const start = heapStart(page) + base;
  part.set(page.subarray(start, start + heapBytes), newHeap);
  return part;
}

/** A new page of the entries of `left`, then those of `right`. */
export function joinPages(left: Uint8Array, right: Uint8Array): Uint8Array {
  const leftCount = entryCount(left);
  const count = leftCount + entryCount(right);
  const shift = endOf(left, leftCount);
  const newHeap = HEADER + SLOT * count;
  const whole = new Uint8Array(newHeap + shift + endOf(right, count - leftCount));
  setCount(whole, count);
  whole.set(left.subarray(HEADER, heapStart(left)), HEADER);
  for (let i = leftCount; i < count; i++) {
    setSlot(whole, i, endOf(right, i - leftCount + 1) + shift, keyLength(right, i - leftCount));
  }
  whole.set(left.subarray(heapStart(left), pageBytes(left)), newHeap);
  whole.set(right.subarray(heapStart(right), pageBytes(right)), newHeap + shift);
  return whole;
}

/** Whether the page is longer than allowed and can be cut. */
export function isOverfull(page: Uint8Array): boolean {
  return entryCount(page) > 1 && pageBytes(page) > PAGE_BYTES_MAX;
}

/**
 * The page cut into as few pages as halving yields, none overfull: each cut is where the two sides' bytes
 * differ least, the first such place. Every replica must cut alike, so this rule is part of the format.
 */
export function cutPage(page: Uint8Array): Uint8Array[] {
  if (!isOverfull(page)) return [page];
  const count = entryCount(page);
  const total = SLOT * count + endOf(page, count);
  let best = 1;
  let bestDifference = Number.POSITIVE_INFINITY;
  for (let i = 1; i < count; i++) {
    const difference = Math.abs(total - 2 * (SLOT * i + endOf(page, i)));
    if (difference < bestDifference) {
      best = i;
      bestDifference = difference;
    }
  }
  return [...cutPage(slicePage(page, 0, best)), ...cutPage(slicePage(page, best, count))];
}

/**
 * Whether these bytes, all of them, are a page: ends ascending within the array, keys within their entries and
 * strictly ascending, no key longer than `keyBytesMax`. Safe on hostile bytes.
 */
export function isPage(bytes: Uint8Array, keyBytesMax: number): boolean {
  if (bytes.length < HEADER || bytes.length < heapStart(bytes) || bytes.length !== pageBytes(bytes))
    return false;
  const count = entryCount(bytes);
  for (let i = 0; i < count; i++) {
    const length = keyLength(bytes, i);
    if (length > keyBytesMax || endOf(bytes, i) + length > endOf(bytes, i + 1)) return false;
    if (i > 0 && compareKey(bytes, i - 1, keyAt(bytes, i)) >= 0) return false;
  }
  return true;
}
