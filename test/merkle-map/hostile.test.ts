/** What an adversary may choose: the keys, the order of changes, the bytes of proofs and of chunks. */

import { describe, expect, test } from 'vitest';
import {
  createMerkleMap,
  KEY_BYTES_MAX,
  type MerkleMap,
  restoreMerkleMap,
  verifyProof,
} from '../../src/crypto/merkle-map/index.ts';
import { u32Bytes, utf8 } from '../../src/types/bytes.ts';
import { hash, randomBytes, randomFrom } from './support.ts';

/** Pages from the root to a leaf, counted in a proof. */
function depthAt(map: MerkleMap, key: Uint8Array): number {
  const proof = map.snapshot().prove(key);
  const view = new DataView(proof.buffer);
  let depth = 0;
  for (let at = 8; at < proof.length; at += 4 + view.getUint32(at)) depth += 1;
  return depth;
}

describe('depth', () => {
  const count = 4000;
  const long = (i: number) => {
    const key = new Uint8Array(KEY_BYTES_MAX).fill(255);
    key.set(u32Bytes(i), KEY_BYTES_MAX - 4);
    return key;
  };
  const keySets: Record<string, { key: (i: number) => Uint8Array; value?: Uint8Array; bound: number }> = {
    ascending: { key: u32Bytes, bound: 3 },
    descending: { key: (i) => u32Bytes(count - i), bound: 3 },
    'each a prefix of the next': { key: (i) => new Uint8Array(i % KEY_BYTES_MAX).fill(1), bound: 6 },
    // Three to a page in leaves and in inner nodes: the worst that keys can do.
    'longest, differing in the last byte': { key: long, bound: Math.ceil(Math.log2(count)) + 1 },
    'alternately long and short': { key: (i) => (i % 2 ? long(i) : u32Bytes(i)), bound: 12 },
    'beside values over a page': { key: u32Bytes, value: new Uint8Array(5000), bound: 5 },
  };

  test.each(Object.entries(keySets))('stays logarithmic: %s', (_name, { key, value, bound }) => {
    const map = createMerkleMap(hash);
    const check = () => {
      for (let i = 0; i < count; i += 97) expect(depthAt(map, key(i))).toBeLessThanOrEqual(bound);
    };
    for (let i = 0; i < count; i++) map.put(key(i), value ?? utf8(''));
    check();
    // Deleting nine of ten thins every page out; the depth must follow the entries that are left.
    for (let i = 0; i < count; i++) if (i % 10 !== 0) map.delete(key(i));
    check();
    for (let i = 0; i < count; i++) map.delete(key(i));
    expect([map.size, depthAt(map, key(0))]).toEqual([0, 1]);
    expect(map.snapshot().digest()).toEqual(createMerkleMap(hash).snapshot().digest());
  });
});

function sampleMap(): MerkleMap {
  const random = randomFrom(5);
  const map = createMerkleMap(hash);
  for (let i = 0; i < 9000; i++)
    map.put(u32Bytes(random(100_000) * 2), new Uint8Array(30 + random(30)).fill(i));
  return map;
}

describe('proofs', () => {
  const map = sampleMap();
  const version = map.snapshot();
  const [[present] = []] = [...version.scan(u32Bytes(50_000))];
  const absent = u32Bytes(50_001);

  test.each([
    ['present', present!],
    ['absent', absent],
  ])('any changed, missing or added byte makes the proof of a key %s invalid', (_name, key) => {
    const proof = version.prove(key);
    const verify = (bytes: Uint8Array) => verifyProof(hash, version.digest(), key, bytes);
    expect(verify(proof)).not.toBe('invalid');
    for (let i = 0; i < proof.length; i += 7) {
      const changed = proof.slice();
      changed[i]! ^= 1 << (i % 8);
      expect(verify(changed)).toBe('invalid');
      expect(verify(proof.subarray(0, i))).toBe('invalid');
    }
    expect(verify(Uint8Array.of(...proof, 0))).toBe('invalid');
    expect(verify(new Uint8Array(0))).toBe('invalid');
  });

  test('a proof of one key says nothing about another, nor about another version', () => {
    const far = [...version.scan(u32Bytes(150_000))][0]![0];
    expect(verifyProof(hash, version.digest(), far, version.prove(present!))).toBe('invalid');
    const later = sampleMap();
    later.delete(present!);
    expect(verifyProof(hash, later.snapshot().digest(), present!, version.prove(present!))).toBe('invalid');
    expect(verifyProof(hash, version.digest(), present!, later.snapshot().prove(present!))).toBe('invalid');
  });

  test('a value that is itself a page cannot pass for part of the tree', () => {
    const [inner, outer] = [createMerkleMap(hash), createMerkleMap(hash)];
    inner.put(utf8('k'), utf8('forged'));
    const innerProof = inner.snapshot().prove(utf8('k'));
    const page = innerProof.slice(12);
    outer.put(utf8('k'), hash(utf8('bft2f/1/map-leaf'), page));
    const outerProof = outer.snapshot().prove(utf8('k'));
    const forged = Uint8Array.of(...outerProof, ...innerProof.slice(8));
    expect(verifyProof(hash, outer.snapshot().digest(), utf8('k'), forged)).toBe('invalid');
  });

  test('random bytes are invalid, and never throw', () => {
    const random = randomFrom(6);
    for (let i = 0; i < 2000; i++) {
      const bytes = randomBytes(random, random(60));
      bytes.fill(0, 8, 11); // a plausible length of the first page
      expect(verifyProof(hash, version.digest(), absent, bytes)).toBe('invalid');
    }
  });
});

describe('chunks', () => {
  const chunks = sampleMap()
    .snapshot()
    .chunks()
    .map((chunk) => chunk.bytes());

  test('the sample has several chunks and restores', () => {
    expect(chunks.length).toBeGreaterThan(1);
    expect(restoreMerkleMap(hash, chunks).size).toBe(sampleMap().size);
  });

  test.each<[string, (chunks: Uint8Array[]) => Uint8Array[]]>([
    ['none', () => []],
    ['only empty ones', () => [new Uint8Array(0)]],
    ['in another order', (all) => [...all].reverse()],
    ['one missing at the start', (all) => all.slice(1)],
    ['one twice', (all) => [all[0]!, ...all]],
    ['one cut short', (all) => [all[0]!.subarray(0, 1000), ...all.slice(1)]],
    ['divided otherwise', (all) => [Uint8Array.of(...all[0]!, ...all[1]!), ...all.slice(2)]],
    ['an empty one behind', (all) => [...all, new Uint8Array(0)]],
    ['an inner node of one child', () => [Uint8Array.of(1, 0, 0, 0, 0, 0, 2, 0, 0)]],
    [
      'a root of empty leaves',
      () => [Uint8Array.of(1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 9, 0, 0, 0, 2, 0, 0)],
    ],
    ['a page length beyond the chunk', () => [Uint8Array.of(0, 0, 0, 255, 255, 255, 255, 0, 0)]],
  ])('are refused: %s', (_name, alter) => {
    expect(() => restoreMerkleMap(hash, alter(chunks))).toThrow(/merkle map: .*fetch them again/);
  });

  test('a changed bit is refused, or gives another digest: never the same one, never another kind of error', () => {
    const digest = sampleMap().snapshot().digest();
    const random = randomFrom(8);
    for (let i = 0; i < 120; i++) {
      const which = random(chunks.length);
      const changed = chunks.map((chunk) => chunk.slice());
      // Half of the changes in the first bytes, where lengths and counts are.
      changed[which]![random(i % 2 === 0 ? 200 : changed[which]!.length)]! ^= 1 << random(8);
      try {
        expect(restoreMerkleMap(hash, changed).snapshot().digest()).not.toEqual(digest);
      } catch (error) {
        expect(String(error)).toMatch(/merkle map: .*fetch them again/);
      }
    }
  });
});
