/** Shared by the map's tests: a hash, a seeded generator, the naive second version, the tree's depth. */

import { createHash } from 'node:crypto';
import { CHUNK_BYTES_MAX, type Chunk } from '../../src/services/service.ts';
import { compareBytes, equalBytes, keyOf, toHex } from '../../src/types/bytes.ts';

export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return new Uint8Array(sum.digest());
}

/** A hash that counts its calls, to see what is hashed again and what is not. */
export function countingHash() {
  const counted = (...parts: readonly Uint8Array[]) => {
    counted.calls += 1;
    return hash(...parts);
  };
  counted.calls = 0;
  return counted;
}

/** Integers 0…bound−1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  };
}

export function randomBytes(random: (bound: number) => number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random(256);
  return bytes;
}

/** A map as simple as it can be: the second opinion. */
export class NaiveMap {
  readonly #entries = new Map<string, readonly [Uint8Array, Uint8Array]>();

  get size(): number {
    return this.#entries.size;
  }
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }
  put(key: Uint8Array, value: Uint8Array): void {
    this.#entries.set(keyOf(key), [key, value]);
  }
  delete(key: Uint8Array): boolean {
    return this.#entries.delete(keyOf(key));
  }
  scan(from?: Uint8Array, to?: Uint8Array) {
    return [...this.#entries.values()]
      .sort(([a], [b]) => compareBytes(a, b))
      .filter(([key]) => (!from || compareBytes(key, from) >= 0) && (!to || compareBytes(key, to) < 0));
  }
}

/** The chunks' bytes, after checking what every chunk must fulfil. */
export function checkedChunks(chunks: readonly Chunk[]): Uint8Array[] {
  return chunks.map((chunk) => {
    const bytes = chunk.bytes();
    if (bytes.length > CHUNK_BYTES_MAX) throw new Error(`chunk of ${bytes.length} bytes`);
    if (!equalBytes(chunk.digest, hash(bytes))) throw new Error('chunk digest is not the hash of its bytes');
    return bytes;
  });
}

/** Entries, and chunk digests, as text that a test can compare. */
export function entriesText(entries: Iterable<readonly [Uint8Array, Uint8Array]>): string[] {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return Array.from(entries, ([key, value]) => `${hex(key)}=${hex(value)}`);
}

export function digestsText(chunks: readonly Chunk[]): string[] {
  return chunks.map((chunk) => toHex(chunk.digest));
}
