/**
 * Where a log tree keeps its leaves: 32 bytes for each batch, for ever, so at a replica they live on disk and
 * this port is all the tree sees of it. The store in memory serves simulations, tests and the tree's own upper levels.
 */

import { DIGEST_BYTES, type Digest } from '../types/identities.ts';

export interface LeafStore {
  /** Number of leaves held. */
  readonly size: number;
  /** Adds a leaf hash, 32 bytes, at index `size`. */
  append(leafHash: Digest): void;
  /** The leaf hash at `index`, 0-based and below `size`; the caller may keep it. */
  read(index: number): Digest;
  /** Forgets the leaves from `size` on. */
  truncate(size: number): void;
}

/** One growing array: 32 bytes a leaf and nothing more per leaf. */
export function memoryLeafStore(): LeafStore {
  let bytes = new Uint8Array(DIGEST_BYTES * 8);
  let size = 0;
  return {
    get size() {
      return size;
    },
    append(leafHash) {
      if (leafHash.length !== DIGEST_BYTES) {
        throw new Error(`a leaf hash must be ${DIGEST_BYTES} bytes, got ${leafHash.length}`);
      }
      const offset = size * DIGEST_BYTES;
      if (offset === bytes.length) {
        const larger = new Uint8Array(2 * bytes.length);
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(leafHash, offset);
      size++;
    },
    read(index) {
      if (!Number.isInteger(index) || index < 0 || index >= size) {
        throw new Error(`no leaf ${index} in a store of ${size}: the index must be below the size`);
      }
      return bytes.slice(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    },
    truncate(newSize) {
      if (!Number.isInteger(newSize) || newSize < 0 || newSize > size) {
        throw new Error(`cannot truncate a store of ${size} leaves to ${newSize}: it can only shrink`);
      }
      size = newSize;
    },
  };
}
