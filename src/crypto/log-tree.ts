/**
 * The log tree L of docs/protocol.md §2: the RFC 6962 tree over all of history, whose root every executed entry
 * signs. It grows by a leaf per batch, and two histories of any length are compared with O(log s) hashes.
 *
 * Roots of whole subtrees of 256 leaves and more are kept in memory (a quarter of a byte per leaf); below that they are
 * hashed again from the store when a proof needs them: fewer than 512 leaves, whatever the size.
 */

import type { Digest } from '../types/identities.ts';
import { type LeafStore, memoryLeafStore } from './leaf-store.ts';
import { consistencyRanges, inclusionRanges, type Range, splitOf } from './merkle-ranges.ts';
import { nodeHash, rootOfHashes } from './merkle-tree.ts';
import type { Crypto } from './port.ts';

export interface LogTree {
  /** Number of leaves. */
  readonly size: number;
  /** Adds a leaf by its hash (`leafHash` of its data), 32 bytes; one more hash on average. */
  append(leafHash: Digest): void;
  /** The root over all leaves; O(log size) hashes and no access to the store. */
  root(): Digest;
  /** The root that the tree had, or has, at `size`. */
  rootAt(size: number): Digest;
  /** Roots of the whole subtrees that the leaves make up, the largest first: what further appends depend on. */
  frontier(): readonly Digest[];
  /** The proof for `verifyInclusion` that leaf `index` is in the tree of `size` leaves. */
  inclusionPath(index: number, size: number): readonly Digest[];
  /** The proof for `verifyConsistency` that the tree of `size2` leaves extends that of `size1`. */
  consistencyPath(size1: number, size2: number): readonly Digest[];
  /** Forgets the leaves from `size` on. */
  truncate(size: number): void;
}

/** Subtrees of 2⁸ leaves and more have their roots in memory. */
const KEPT_HEIGHT = 8;

/**
 * The tree over the leaves in `store`, which from now on must change only through the tree. A store that is not
 * empty is read once, from the first leaf to the last. All methods throw an Error on a size or index that the tree does not have.
 */
export function createLogTree(hash: Crypto['hash'], store: LeafStore): LogTree {
  /** levels[i]: roots of the whole subtrees of height KEPT_HEIGHT + i, from the left. */
  const levels: LeafStore[] = [];
  /** frontier[h]: root of the whole subtree of height h that ends the tree's part of that height; meaningful if bit h of the size is set. */
  const frontier: Digest[] = [];
  let size = 0;

  for (let index = 0; index < store.size; index++) enter(store.read(index));

  /** Carries a new leaf up, like a one added to a binary counter. */
  function enter(leafHash: Digest): void {
    let root = leafHash;
    let height = 0;
    for (; hasBit(size, height); height++) {
      root = nodeHash(hash, frontier[height]!, root);
      const level = height + 1 - KEPT_HEIGHT;
      if (level >= 0) {
        levels[level] ??= memoryLeafStore();
        levels[level].append(root);
      }
    }
    frontier[height] = root;
    size++;
  }

  /** The root over a run of leaves that is a whole subtree of the tree at some size. */
  function rootOfRange({ start, end }: Range): Digest {
    const count = end - start;
    let height = 0;
    while (2 ** height < count) height++;
    if (2 ** height === count && height >= KEPT_HEIGHT) {
      return levels[height - KEPT_HEIGHT]!.read(start / count);
    }
    if (count < 2 ** KEPT_HEIGHT) {
      return rootOfHashes(
        hash,
        Array.from({ length: count }, (_, i) => store.read(start + i)),
      );
    }
    const middle = start + splitOf(count);
    return nodeHash(hash, rootOfRange({ start, end: middle }), rootOfRange({ start: middle, end }));
  }

  function currentFrontier(): readonly Digest[] {
    return frontier.filter((_, height) => hasBit(size, height)).reverse();
  }

  function currentRoot(): Digest {
    const roots = currentFrontier();
    return roots.length === 0 ? hash() : roots.reduceRight((right, left) => nodeHash(hash, left, right));
  }

  function assertSize(wanted: number, most: number): void {
    if (!Number.isInteger(wanted) || wanted < 0 || wanted > most) {
      throw new Error(`log tree of ${size} leaves: expected a size in 0…${most}, got ${wanted}`);
    }
  }

  return {
    get size() {
      return size;
    },
    append(leafHash) {
      store.append(leafHash);
      enter(leafHash);
    },
    root: currentRoot,
    rootAt(wanted) {
      assertSize(wanted, size);
      return wanted === size ? currentRoot() : rootOfRange({ start: 0, end: wanted });
    },
    frontier: currentFrontier,
    inclusionPath(index, wanted) {
      assertSize(wanted, size);
      if (!Number.isInteger(index) || index < 0 || index >= wanted) {
        throw new Error(`log tree: expected a leaf index below ${wanted}, got ${index}`);
      }
      return inclusionRanges(index, wanted).map(rootOfRange);
    },
    consistencyPath(size1, size2) {
      assertSize(size2, size);
      assertSize(size1, size2);
      return consistencyRanges(size1, size2).map(rootOfRange);
    },
    truncate(wanted) {
      assertSize(wanted, size);
      store.truncate(wanted);
      levels.forEach((level, i) => {
        level.truncate(Math.floor(wanted / 2 ** (KEPT_HEIGHT + i)));
      });
      size = wanted;
      for (let height = 0; 2 ** height <= size; height++) {
        const count = 2 ** height;
        const end = Math.floor(size / count) * count;
        if (hasBit(size, height)) frontier[height] = rootOfRange({ start: end - count, end });
      }
    },
  };
}

/** Whether bit `height` of `size` is set; sizes may exceed 32 bits. */
function hasBit(size: number, height: number): boolean {
  return Math.floor(size / 2 ** height) % 2 === 1;
}
