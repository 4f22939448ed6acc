import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree } from '../../src/crypto/log-tree.ts';
import {
  inclusionPath,
  leafHash,
  rootOfHashes,
  verifyConsistency,
  verifyInclusion,
} from '../../src/crypto/merkle-tree.ts';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { u32Bytes } from '../../src/types/bytes.ts';

const SIZE = 1600; // above 256, 512 and 1,024, and not a multiple of them
const hashes = Array.from({ length: SIZE }, (_, i) => leafHash(sodiumCrypto.hash, u32Bytes(i)));

let hashCount = 0;
const hash = (...parts: readonly Uint8Array[]): Uint8Array => {
  hashCount++;
  return sodiumCrypto.hash(...parts);
};
const rootOfFirst = (size: number): Uint8Array => rootOfHashes(sodiumCrypto.hash, hashes, 0, size);

function grown(size = SIZE) {
  const store = memoryLeafStore();
  const tree = createLogTree(hash, store);
  for (const leaf of hashes.slice(0, size)) tree.append(leaf);
  return { store, tree };
}

const { store, tree } = grown();

it('has the RFC 6962 root at every size, while growing and in retrospect', () => {
  const growing = createLogTree(hash, memoryLeafStore());
  for (let size = 0; size <= 600; size++) {
    expect(growing.size).toBe(size);
    expect(growing.root()).toEqual(rootOfFirst(size));
    expect(growing.rootAt(size)).toEqual(rootOfFirst(size));
    growing.append(hashes[size]!);
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: SIZE }), (size) => {
      expect(tree.rootAt(size)).toEqual(rootOfFirst(size));
    }),
  );
});

it('proves every leaf of trees of any size', () => {
  const sizes = fc.integer({ min: 1, max: SIZE });
  fc.assert(
    fc.property(sizes, fc.nat(), (size, n) => {
      const index = n % size;
      const path = tree.inclusionPath(index, size);
      expect(path).toEqual(inclusionPath(sodiumCrypto.hash, hashes.slice(0, size), index));
      const proof = { leafHash: hashes[index]!, index, size, path, root: rootOfFirst(size) };
      expect(verifyInclusion(hash, proof)).toBe(true);
    }),
  );
});

it('proves that any tree extends any smaller one', () => {
  const size = fc.integer({ min: 0, max: SIZE });
  fc.assert(
    fc.property(size, size, (a, b) => {
      const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
      const path = tree.consistencyPath(size1, size2);
      const proof = { size1, root1: rootOfFirst(size1), size2, root2: rootOfFirst(size2), path };
      expect(verifyConsistency(hash, proof)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

describe('cost', () => {
  it('of appending: fewer than one node per leaf', () => {
    hashCount = 0;
    grown();
    expect(hashCount).toBeLessThan(SIZE);
  });

  it('of the root: the depth, without reading a leaf', () => {
    const counting = { ...memoryLeafStore(), size: 0, append() {}, read: () => expect.unreachable() };
    const unreadable = createLogTree(hash, counting);
    for (const leaf of hashes) unreadable.append(leaf);
    hashCount = 0;
    expect(unreadable.root()).toEqual(rootOfFirst(SIZE));
    expect(hashCount).toBeLessThanOrEqual(11);
  });

  it('of a proof: at most 256 hashes below the kept roots, and twice the depth', () => {
    for (const index of [0, 1, 255, 256, 1000, SIZE - 1]) {
      hashCount = 0;
      tree.inclusionPath(index, SIZE);
      tree.consistencyPath(index, index);
      expect(hashCount).toBeLessThanOrEqual(2 * 256 + 22);
      hashCount = 0;
      tree.consistencyPath(index, SIZE);
      expect(hashCount).toBeLessThanOrEqual(2 * 256 + 22);
    }
  });
});

it('a tree opened over stored leaves is the tree that stored them', () => {
  const reopened = createLogTree(hash, store);
  expect(reopened.size).toBe(SIZE);
  expect(reopened.root()).toEqual(tree.root());
  expect(reopened.frontier()).toEqual(tree.frontier());
  expect(reopened.consistencyPath(700, 1500)).toEqual(tree.consistencyPath(700, 1500));
});

it('the frontier holds the roots of the whole subtrees, the largest first', () => {
  const { tree: seven } = grown(7);
  const root = (start: number, end: number) => rootOfHashes(sodiumCrypto.hash, hashes, start, end);
  expect(seven.frontier()).toEqual([root(0, 4), root(4, 6), root(6, 7)]);
  expect(grown(0).tree.frontier()).toEqual([]);
});

it('a truncated tree is as if the rest had never been appended', () => {
  for (const size of [0, 1, 255, 256, 257, 511, 512, 1023, 1024, 1100, SIZE]) {
    const { store: cutStore, tree: cut } = grown();
    cut.truncate(size);
    expect([cut.size, cutStore.size]).toEqual([size, size]);
    expect(cut.root()).toEqual(rootOfFirst(size));
    for (const leaf of hashes.slice(size)) cut.append(leaf);
    expect(cut.root()).toEqual(rootOfFirst(SIZE));
    expect(cut.inclusionPath(3, SIZE)).toEqual(tree.inclusionPath(3, SIZE));
    expect(cut.consistencyPath(600, SIZE)).toEqual(tree.consistencyPath(600, SIZE));
  }
});

it('other leaves after a truncation make another tree, whose proofs verify', () => {
  const { tree: forked } = grown();
  forked.truncate(1000);
  for (let i = 0; i < 500; i++) forked.append(hashes[i]!);
  expect(forked.root()).not.toEqual(rootOfFirst(1500));
  const path = forked.consistencyPath(1000, 1500);
  const proof = { size1: 1000, root1: rootOfFirst(1000), size2: 1500, root2: forked.root(), path };
  expect(verifyConsistency(hash, proof)).toBe(true);
});

it('sizes and indices that the tree does not have are mistakes of the caller', () => {
  const { store: small, tree: three } = grown(3);
  expect(() => three.rootAt(4)).toThrow('expected a size in 0…3, got 4');
  expect(() => three.inclusionPath(2, 2)).toThrow('expected a leaf index below 2, got 2');
  expect(() => three.consistencyPath(3, 2)).toThrow('expected a size in 0…2, got 3');
  expect(() => three.truncate(-1)).toThrow('expected a size in 0…3, got -1');
  expect(() => three.append(new Uint8Array(31))).toThrow('a leaf hash must be 32 bytes, got 31');
  expect(three.size).toBe(3);
  expect(() => small.read(3)).toThrow('no leaf 3 in a store of 3');
  expect(() => small.truncate(4)).toThrow('it can only shrink');
});

it('a leaf read from memory stays as it is when the store changes', () => {
  const memory = memoryLeafStore();
  memory.append(hashes[0]!);
  const kept = memory.read(0);
  memory.truncate(0);
  memory.append(hashes[1]!);
  expect(kept).toEqual(hashes[0]);
});
