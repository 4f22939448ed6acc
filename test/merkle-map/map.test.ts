import { describe, expect, test } from 'vitest';
import {
  createMerkleMap,
  KEY_BYTES_MAX,
  type MerkleMap,
  type MerkleMapVersion,
  restoreMerkleMap,
  VALUE_BYTES_MAX,
  verifyProof,
} from '../../src/crypto/merkle-map/index.ts';
import { equalBytes, toHex, u32Bytes, utf8 } from '../../src/types/bytes.ts';
import {
  checkedChunks,
  countingHash,
  digestsText,
  entriesText,
  hash,
  NaiveMap,
  randomBytes,
  randomFrom,
} from './support.ts';

type Random = (bound: number) => number;

/** Kinds of keys and values that bend the tree in different ways. */
const workloads: Record<
  string,
  { key: (random: Random) => Uint8Array; value: (random: Random) => Uint8Array }
> = {
  'few short keys': { key: (r) => randomBytes(r, r(3)), value: (r) => randomBytes(r, r(40)) },
  'many keys': { key: (r) => u32Bytes(r(3000)), value: (r) => randomBytes(r, 16) },
  'long keys, long common prefixes': {
    key: (r) =>
      new Uint8Array(KEY_BYTES_MAX - r(3)).fill(7).map((byte, i) => (i > 1050 - r(4) ? r(4) : byte)),
    value: (r) => randomBytes(r, r(8)),
  },
  'values from nothing to far over a page': {
    key: (r) => u32Bytes(r(150)),
    value: (r) => new Uint8Array([0, 5, 700, 3000, 4100, 9000][r(6)]!).fill(r(256)),
  },
};

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function sameAsNaive(map: MerkleMap | MerkleMapVersion, naive: NaiveMap) {
  expect(map.size).toBe(naive.size);
  expect(entriesText(map.scan())).toEqual(entriesText(naive.scan()));
}

describe.each(Object.entries(workloads))('%s', (_name, { key, value }) => {
  test.each([1, 2, 3])('random changes agree with a naive map, seed %i', (seed) => {
    const random = randomFrom(seed);
    const [map, naive] = [createMerkleMap(hash), new NaiveMap()];
    const snapshots: { version: MerkleMapVersion; entries: string[]; digest: string | undefined }[] = [];

    for (let step = 0; step < 2000; step++) {
      // Phases that mostly grow and mostly shrink, so that pages are cut and joined many times.
      const grows = Math.floor(step / 500) % 2 === 0;
      const k = key(random);
      if (random(10) < (grows ? 8 : 2)) {
        const v = value(random);
        map.put(k, v);
        naive.put(k, v);
      } else {
        const victim = random(2) === 0 ? k : (entryNear(map, k) ?? k);
        if (map.delete(victim) !== naive.delete(victim)) expect.fail(`delete ${toHex(victim)}`);
      }
      const probe = key(random);
      if (!isSame(map.get(probe), naive.get(probe))) expect(map.get(probe)).toEqual(naive.get(probe));
      if (step % 250 === 0) {
        const version = map.snapshot();
        sameAsNaive(version, naive);
        const [a, b] = [key(random), key(random)];
        expect(entriesText(map.scan(a, b))).toEqual(entriesText(naive.scan(a, b)));
        // Some digests are asked for at once, some only at the end: laziness must not show.
        const digest = random(2) === 0 ? toHex(version.digest()) : undefined;
        snapshots.push({ version, entries: entriesText(naive.scan()), digest });
      }
    }
    sameAsNaive(map, naive);

    for (const { version, entries, digest } of snapshots) {
      expect(entriesText(version.scan())).toEqual(entries);
      const restored = restoreMerkleMap(hash, checkedChunks(version.chunks()));
      expect(toHex(restored.snapshot().digest())).toBe(digest ?? toHex(version.digest()));
      expect(toHex(version.digest())).toBe(digest ?? toHex(version.digest()));
      expect(digestsText(restored.snapshot().chunks())).toEqual(digestsText(version.chunks()));
    }
  });

  test('a restored map goes on exactly like the one it came from', () => {
    const random = randomFrom(11);
    const map = createMerkleMap(hash);
    for (let i = 0; i < 800; i++) map.put(key(random), value(random));
    const restored = restoreMerkleMap(hash, checkedChunks(map.snapshot().chunks()));
    for (let i = 0; i < 800; i++) {
      const [k, v, deletes] = [key(random), value(random), random(2) === 0];
      for (const each of [map, restored]) {
        if (deletes) each.delete(k);
        else each.put(k, v);
      }
      if (i % 200 === 0) expect(restored.snapshot().digest()).toEqual(map.snapshot().digest());
    }
    expect(digestsText(restored.snapshot().chunks())).toEqual(digestsText(map.snapshot().chunks()));
  });

  test('prepared in slices while it changes, a version has the same digest and chunks', () => {
    const random = randomFrom(13);
    const [map, twin] = [createMerkleMap(hash), createMerkleMap(hash)];
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 300; i++) {
        const [k, v] = [key(random), value(random)];
        map.put(k, v);
        twin.put(k, v);
      }
      const version = map.snapshot();
      let slices = 1;
      for (; !version.prepare(4096); slices++) {
        const [k, v] = [key(random), value(random)];
        map.put(k, v);
        map.snapshot();
        twin.snapshot();
        twin.put(k, v);
      }
      expect(slices).toBeGreaterThan(1);
      expect(version.prepare(1)).toBe(true);
      const restored = restoreMerkleMap(hash, checkedChunks(version.chunks())).snapshot();
      expect(toHex(restored.digest())).toBe(toHex(version.digest()));
    }
    expect(toHex(map.snapshot().digest())).toBe(toHex(twin.snapshot().digest()));
    expect(digestsText(map.snapshot().chunks())).toEqual(digestsText(twin.snapshot().chunks()));
  });

  test('every key, present or absent, is proved', () => {
    const random = randomFrom(12);
    const [map, naive] = [createMerkleMap(hash), new NaiveMap()];
    for (let i = 0; i < 700; i++) {
      const [k, v] = [key(random), value(random)];
      map.put(k, v);
      naive.put(k, v);
    }
    const version = map.snapshot();
    for (let i = 0; i < 100; i++) {
      const k = key(random);
      const expected = naive.get(k);
      const verdict = verifyProof(hash, version.digest(), k, version.prove(k));
      expect(verdict).toEqual(
        expected === undefined ? { present: false } : { present: true, value: expected },
      );
    }
  });
});

function entryNear(map: MerkleMap, key: Uint8Array): Uint8Array | undefined {
  for (const [found] of map.scan(key)) return found;
  return undefined;
}

test('changing hashes nothing; a digest hashes only what changed', () => {
  const counted = countingHash();
  const map = createMerkleMap(counted);
  for (let i = 0; i < 20_000; i++) map.put(u32Bytes(i), u32Bytes(i));
  const before = map.snapshot();
  expect(counted.calls).toBe(0);
  before.digest();
  before.chunks().map((chunk) => chunk.digest);

  counted.calls = 0;
  map.put(u32Bytes(7), utf8('changed'));
  map.put(u32Bytes(8), u32Bytes(8));
  const after = map.snapshot();
  after.digest();
  expect(counted.calls).toBe(4); // a leaf, an inner node, the root node, the root
  expect(after.chunks().filter((chunk, i) => chunk.digest !== before.chunks()[i]!.digest)).toHaveLength(1);
  expect(counted.calls).toBe(5);
  before.digest();
  expect(map.snapshot()).toBe(after);
});

test('of a node with long values only the chunk that changed is hashed again', () => {
  const counted = countingHash();
  const map = createMerkleMap(counted);
  for (let i = 0; i < 40; i++) map.put(u32Bytes(i), new Uint8Array(60_000).fill(i));
  const before = map.snapshot().chunks();
  before.map((chunk) => chunk.digest);
  expect(before.length).toBeGreaterThan(5);
  map.put(u32Bytes(20), new Uint8Array(60_000));
  const after = map.snapshot();
  after.digest();
  counted.calls = 0;
  const changed = after.chunks().filter((chunk, i) => toHex(chunk.digest) !== toHex(before[i]!.digest));
  expect([changed.length, counted.calls]).toEqual([1, 1]);
});

test('revert takes the map back, and only to its own versions', () => {
  const map = createMerkleMap(hash);
  map.put(utf8('a'), utf8('1'));
  const version = map.snapshot();
  const digest = toHex(version.digest());
  map.put(utf8('b'), utf8('2'));
  map.put(utf8('a'), utf8('3'));
  map.revert(version);
  expect([map.size, map.get(utf8('a')), map.get(utf8('b'))]).toEqual([1, utf8('1'), undefined]);
  map.put(utf8('c'), utf8('4'));
  expect(toHex(version.digest())).toBe(digest);
  expect(() => map.revert(createMerkleMap(hash).snapshot())).toThrow(/its own|this map/);
});

test('what is handed in and out is copied', () => {
  const map = createMerkleMap(hash);
  const [key, value] = [utf8('key'), utf8('value')];
  map.put(key, value);
  value.fill(0);
  key.fill(0);
  map.get(utf8('key'))!.fill(1);
  for (const entry of map.scan()) for (const bytes of entry) bytes.fill(1);
  expect(map.get(utf8('key'))).toEqual(utf8('value'));
});

test('misuse is refused with the limit', () => {
  const map = createMerkleMap(hash);
  expect(() => map.put(new Uint8Array(KEY_BYTES_MAX + 1), utf8(''))).toThrow('at most 1056');
  expect(() => map.put(utf8(''), new Uint8Array(VALUE_BYTES_MAX + 1))).toThrow('at most');
  map.put(utf8('a'), utf8(''));
  map.put(utf8('b'), utf8(''));
  expect(() => {
    for (const [key] of map.scan()) map.delete(key);
  }).toThrow('snapshot()');
  map.put(new Uint8Array(KEY_BYTES_MAX).fill(9), new Uint8Array(VALUE_BYTES_MAX));
  checkedChunks(map.snapshot().chunks());
});
