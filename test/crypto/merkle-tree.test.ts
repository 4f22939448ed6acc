import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consistencyRanges } from '../../src/crypto/merkle-ranges.ts';
import {
  inclusionPath,
  leafHash,
  rootOf,
  rootOfHashes,
  verifyConsistency,
  verifyInclusion,
} from '../../src/crypto/merkle-tree.ts';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { fromHex, toHex, u32Bytes } from '../../src/types/bytes.ts';
import { naiveHash, naivePath, naiveProof, naiveRoot } from './naive-tree.ts';

const hash = sodiumCrypto.hash;
const leaves = Array.from({ length: 40 }, (_, i) => u32Bytes(i));
const hashes = leaves.map((data) => leafHash(hash, data));
const roots = Array.from({ length: 41 }, (_, size) => naiveRoot(leaves.slice(0, size)));

const flipped = (digest: Uint8Array): Uint8Array => digest.map((byte, i) => (i === 17 ? byte ^ 4 : byte));
const consistency = (size1: number, size2: number): Uint8Array[] =>
  consistencyRanges(size1, size2).map(({ start, end }) => rootOfHashes(hash, hashes, start, end));

describe('the trees of the Certificate Transparency test vectors', () => {
  const data = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const expected = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];

  it.each(expected.map((root, size) => [size, root] as const))('of %i leaves', (size, root) => {
    const some = data.slice(0, size).map((text) => fromHex(text)!);
    expect(toHex(rootOf(hash, some))).toBe(root);
  });
});

describe('against the recursive definition', () => {
  it('roots, inclusion paths and consistency paths of all sizes up to 40', () => {
    for (let size = 0; size <= 40; size++) {
      const some = leaves.slice(0, size);
      expect(rootOf(hash, some)).toEqual(roots[size]);
      for (let index = 0; index < size; index++) {
        expect(inclusionPath(hash, hashes.slice(0, size), index)).toEqual(naivePath(index, some));
        if (index > 0) expect(consistency(index, size)).toEqual(naiveProof(index, some));
      }
    }
  });

  it('roots of random leaves', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 70 }), (some) => {
        expect(rootOf(hash, some)).toEqual(naiveRoot(some));
      }),
    );
  });
});

describe('inclusion', () => {
  it('verifies for every leaf of every tree, and nowhere else', () => {
    for (let size = 1; size <= 24; size++) {
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(hash, hashes.slice(0, size), index);
        const proof = { leafHash: hashes[index]!, index, size, path, root: roots[size]! };
        expect(verifyInclusion(hash, proof)).toBe(true);
        for (let other = 0; other < size; other++) {
          if (other === index) continue;
          expect(verifyInclusion(hash, { ...proof, index: other })).toBe(false);
          expect(verifyInclusion(hash, { ...proof, leafHash: hashes[other]! })).toBe(false);
        }
        for (let changed = 0; changed < path.length; changed++) {
          expect(verifyInclusion(hash, { ...proof, path: path.with(changed, flipped(path[changed]!)) })).toBe(
            false,
          );
          expect(verifyInclusion(hash, { ...proof, path: path.toSpliced(changed, 1) })).toBe(false);
        }
        expect(verifyInclusion(hash, { ...proof, path: [...path, hashes[0]!] })).toBe(false);
        expect(verifyInclusion(hash, { ...proof, root: flipped(roots[size]!) })).toBe(false);
      }
    }
  });

  it('refuses malformed numbers, digests and lengths without throwing', () => {
    const proof = { leafHash: hashes[0]!, index: 0, size: 1, path: [], root: hashes[0]! };
    expect(verifyInclusion(hash, proof)).toBe(true);
    for (const number of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(verifyInclusion(hash, { ...proof, index: number })).toBe(false);
      expect(verifyInclusion(hash, { ...proof, size: number })).toBe(false);
    }
    expect(verifyInclusion(hash, { ...proof, index: 1 })).toBe(false);
    expect(verifyInclusion(hash, { ...proof, size: 0 })).toBe(false);
    const long = { ...proof, size: Number.MAX_SAFE_INTEGER, path: Array(1e5).fill(hashes[0]!) };
    expect(verifyInclusion(hash, long)).toBe(false);
  });

  it('a node split differently between a path and its sibling is not a proof', () => {
    // Without fixed lengths, 31 + 33 bytes would hash to the same node as 32 + 32.
    const joined = naiveHash(Uint8Array.of(1), hashes[0]!, hashes[1]!);
    const whole = Uint8Array.from([...hashes[0]!, ...hashes[1]!]);
    const shifted = {
      leafHash: whole.slice(0, 31),
      index: 0,
      size: 2,
      path: [whole.slice(31)],
      root: joined,
    };
    expect(verifyInclusion(hash, shifted)).toBe(false);
    expect(verifyInclusion(hash, { ...shifted, leafHash: whole.slice(0, 32), path: [whole.slice(32)] })).toBe(
      true,
    );
  });

  it('asking for a leaf that is not there is a mistake of the caller', () => {
    expect(() => inclusionPath(hash, hashes, 40)).toThrow('no leaf 40 in a tree of 40');
  });
});

describe('consistency', () => {
  it('verifies for all pairs of sizes up to 40 and for no changed proof', () => {
    for (let size2 = 0; size2 <= 40; size2++) {
      for (let size1 = 0; size1 <= size2; size1++) {
        const path = consistency(size1, size2);
        const proof = { size1, root1: roots[size1]!, size2, root2: roots[size2]!, path };
        expect(verifyConsistency(hash, proof)).toBe(true);
        expect(verifyConsistency(hash, { ...proof, root1: flipped(proof.root1) })).toBe(false);
        if (size1 > 0) expect(verifyConsistency(hash, { ...proof, root2: flipped(proof.root2) })).toBe(false);
        expect(verifyConsistency(hash, { ...proof, path: [...path, hashes[0]!] })).toBe(false);
        for (let changed = 0; changed < path.length; changed++) {
          const altered = path.with(changed, flipped(path[changed]!));
          expect(verifyConsistency(hash, { ...proof, path: altered })).toBe(false);
          expect(verifyConsistency(hash, { ...proof, path: path.toSpliced(changed, 1) })).toBe(false);
        }
      }
    }
  });

  it('no proof of one pair of sizes serves for another with its roots', () => {
    for (let size2 = 1; size2 <= 16; size2++) {
      for (let size1 = 1; size1 < size2; size1++) {
        const path = consistency(size1, size2);
        for (let other = 1; other < size2; other++) {
          if (other === size1) continue;
          const proof = { size1: other, root1: roots[other]!, size2, root2: roots[size2]!, path };
          expect(verifyConsistency(hash, proof)).toBe(false);
        }
      }
    }
  });

  it('a path that ends below the root of the size it is claimed for is refused', () => {
    const path = consistency(1, 2);
    expect(verifyConsistency(hash, { size1: 1, root1: roots[1]!, size2: 2, root2: roots[2]!, path })).toBe(
      true,
    );
    for (const size2 of [3, 4, 5, 100]) {
      expect(verifyConsistency(hash, { size1: 1, root1: roots[1]!, size2, root2: roots[2]!, path })).toBe(
        false,
      );
    }
  });

  it('a history with one leaf replaced is inconsistent with every tree that held it', () => {
    const forked = leaves.with(5, u32Bytes(999));
    const forkedHashes = forked.map((data) => leafHash(hash, data));
    for (let size1 = 6; size1 < 20; size1++) {
      const path = consistencyRanges(size1, 20).map(({ start, end }) =>
        rootOfHashes(hash, forkedHashes, start, end),
      );
      const root2 = naiveRoot(forked.slice(0, 20));
      expect(verifyConsistency(hash, { size1, root1: roots[size1]!, size2: 20, root2, path })).toBe(false);
      const root1 = naiveRoot(forked.slice(0, size1));
      expect(verifyConsistency(hash, { size1, root1, size2: 20, root2, path })).toBe(true);
    }
  });

  it('refuses malformed numbers and digests without throwing', () => {
    const proof = { size1: 1, root1: roots[1]!, size2: 2, root2: roots[2]!, path: consistency(1, 2) };
    expect(verifyConsistency(hash, proof)).toBe(true);
    for (const number of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(verifyConsistency(hash, { ...proof, size1: number })).toBe(false);
      expect(verifyConsistency(hash, { ...proof, size2: number })).toBe(false);
    }
    expect(verifyConsistency(hash, { ...proof, size1: 2, size2: 1 })).toBe(false);
    expect(verifyConsistency(hash, { ...proof, path: [] })).toBe(false);
    expect(verifyConsistency(hash, { ...proof, path: [new Uint8Array(31)] })).toBe(false);
    expect(verifyConsistency(hash, { ...proof, path: Array(1e5).fill(hashes[0]!) })).toBe(false);
    expect(verifyConsistency(hash, { ...proof, size1: 0, root1: hashes[0]!, path: [] })).toBe(false);
  });
});
