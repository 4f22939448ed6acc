/**
 * Merkle trees of RFC 6962 over SHA-256: over the replies of a batch, the results of a request, the chunks of a
 * snapshot and, through the log tree, over history itself. The verifiers take proofs from strangers: they answer
 * false to anything malformed, never throw, and hash no more than the depth of the largest tree.
 */

import { equalBytes } from '../types/bytes.ts';
import { DIGEST_BYTES, type Digest } from '../types/identities.ts';
import { inclusionRanges, splitOf } from './merkle-ranges.ts';
import type { Crypto } from './port.ts';

type Hash = Crypto['hash'];

// Leaves and nodes begin with different bytes, so that no node can be shown as a leaf.
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(hash: Hash, data: Uint8Array): Digest {
  return hash(LEAF, data);
}

/** The hash of the node above two subtrees with these roots, 32 bytes each. */
export function nodeHash(hash: Hash, left: Digest, right: Digest): Digest {
  return hash(NODE, left, right);
}

/** The root over leaves with these data; of no leaves, the hash of nothing. */
export function rootOf(hash: Hash, leaves: readonly Uint8Array[]): Digest {
  return rootOfHashes(
    hash,
    leaves.map((data) => leafHash(hash, data)),
  );
}

/** The root over the leaves `start`…`end`−1 whose hashes these are. */
export function rootOfHashes(
  hash: Hash,
  leafHashes: readonly Digest[],
  start = 0,
  end: number = leafHashes.length,
): Digest {
  if (end === start) return hash();
  if (end - start === 1) return leafHashes[start]!;
  const middle = start + splitOf(end - start);
  return nodeHash(
    hash,
    rootOfHashes(hash, leafHashes, start, middle),
    rootOfHashes(hash, leafHashes, middle, end),
  );
}

/**
 * The proof that the leaf at `index` is under the root of these leaves: its siblings, lowest first.
 * @throws Error if there is no leaf at `index`.
 */
export function inclusionPath(hash: Hash, leafHashes: readonly Digest[], index: number): readonly Digest[] {
  if (!Number.isInteger(index) || index < 0 || index >= leafHashes.length) {
    throw new Error(`no leaf ${index} in a tree of ${leafHashes.length}: the index must be below the size`);
  }
  return inclusionRanges(index, leafHashes.length).map(({ start, end }) =>
    rootOfHashes(hash, leafHashes, start, end),
  );
}

export interface InclusionProof {
  readonly leafHash: Digest;
  /** 0-based. */
  readonly index: number;
  /** Number of leaves under `root`. */
  readonly size: number;
  /** Siblings, lowest first, 32 bytes each. */
  readonly path: readonly Digest[];
  readonly root: Digest;
}

/** Whether `leafHash` is the leaf at `index` under `root` (RFC 9162 §2.1.3.2). */
export function verifyInclusion(hash: Hash, proof: InclusionProof): boolean {
  const { index, size, path, root } = proof;
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  if (!areDigests(path) || !areDigests([proof.leafHash, root])) return false;
  let node = index;
  let last = size - 1;
  let computed = proof.leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      computed = nodeHash(hash, sibling, computed);
      // A last node without a right sibling is carried up unchanged.
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      computed = nodeHash(hash, computed, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(computed, root);
}

export interface ConsistencyProof {
  readonly size1: number;
  readonly root1: Digest;
  /** At least `size1`. */
  readonly size2: number;
  readonly root2: Digest;
  /** 32 bytes each; empty if `size1` is 0 or equal to `size2`. */
  readonly path: readonly Digest[];
}

/**
 * Whether the first `size1` leaves under `root2` are exactly the leaves under `root1` (RFC 9162 §2.1.4.2). Of
 * equal sizes the roots must be equal; the empty tree, whose root is the hash of nothing, is a beginning of every tree.
 */
export function verifyConsistency(hash: Hash, proof: ConsistencyProof): boolean {
  const { size1, root1, size2, root2 } = proof;
  if (!isCount(size1) || !isCount(size2) || size1 > size2) return false;
  if (!areDigests(proof.path) || !areDigests([root1, root2])) return false;
  if (size1 === size2) return proof.path.length === 0 && equalBytes(root1, root2);
  if (size1 === 0) return proof.path.length === 0 && equalBytes(root1, hash());
  if (proof.path.length === 0) return false;

  // An old tree that is one whole subtree is not repeated in the path.
  const path = isPowerOfTwo(size1) ? [root1, ...proof.path] : proof.path;
  let node = size1 - 1;
  let last = size2 - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let computed1 = path[0]!;
  let computed2 = path[0]!;
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      computed1 = nodeHash(hash, sibling, computed1);
      computed2 = nodeHash(hash, sibling, computed2);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      computed2 = nodeHash(hash, computed2, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(computed1, root1) && equalBytes(computed2, root2);
}

/** Longest proof of any tree that a number can count: 53 levels, and one node more in a consistency proof. */
const PATH_LENGTH_MAX = 54;

function areDigests(digests: readonly Uint8Array[]): boolean {
  return digests.length <= PATH_LENGTH_MAX && digests.every((digest) => digest.length === DIGEST_BYTES);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isOdd(value: number): boolean {
  return value % 2 === 1;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  let power = 1;
  while (power < value) power *= 2;
  return power === value;
}
