import { describe, expect, test } from 'vitest';
import { createMerkleMap } from '../../src/crypto/merkle-map/index.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { randomFrom } from '../../src/services/conformance/operations.ts';
import {
  decodeKvResult,
  encodeKvOperation,
  KEY_BYTES_MAX,
  type KvOperation,
  type KvResult,
  kv,
  kvExpected,
  kvExpiry,
  kvService,
  MULTI_MAX,
  VALUE_BYTES_MAX,
  verifyKvProof,
} from '../../src/services/kv/index.ts';
import type { Service } from '../../src/services/service.ts';
import { toHex, u64Bytes, utf8 } from '../../src/types/bytes.ts';
import { contextAt, NaiveStore, randomOperation, START_MS } from './support.ts';

/** A service with shorthands; time stands still at START_MS unless given. */
function makeKv(service: Service = kvService(sha256)()) {
  const decoded = (bytes: Uint8Array): KvResult => {
    const result = decodeKvResult(bytes);
    if (!result.ok) throw new Error(result.error.reason);
    return result.value;
  };
  return {
    service,
    apply: (operation: KvOperation, timeMs = START_MS, sequenceNumber = 7, resultBytesMax = 65_536) =>
      decoded(service.apply(encodeKvOperation(operation), contextAt(timeMs, sequenceNumber, resultBytesMax))),
    read: (operation: KvOperation, timeMs = START_MS, resultBytesMax = 65_536) =>
      decoded(service.snapshot().read(encodeKvOperation(operation), contextAt(timeMs, 0, resultBytesMax))),
    digest: () => toHex(service.snapshot().digest()),
    applyBytes: (bytes: Uint8Array) => decoded(service.apply(bytes, contextAt(START_MS, 7))),
  };
}

const refused = (code: string, index = 0) => ({ type: 'refused', code, index });

test.each([1, 2, 3, 4])('random operations agree with a naive store, seed %i', (seed) => {
  const random = randomFrom(seed);
  let { service, apply, read } = makeKv();
  const naive = new NaiveStore();
  let timeMs = START_MS;
  for (let step = 0; step < 1500; step++) {
    timeMs += random(4) === 0 ? random(500) : 0;
    const sequenceNumber = Math.floor(step / 5);
    const operation = randomOperation(random);
    expect(apply(operation, timeMs, sequenceNumber)).toEqual(
      naive.apply(operation, contextAt(timeMs, sequenceNumber)),
    );
    const query = kv.scan({ limit: 1000 });
    if (step % 50 === 0) expect(read(query, timeMs)).toEqual(naive.apply(query, contextAt(timeMs, 0)));
    if (step % 400 === 399) {
      const next = kvService(sha256)();
      next.restore(
        service
          .snapshot()
          .chunks()
          .map((chunk) => chunk.bytes()),
      );
      expect(next.snapshot().digest()).toEqual(service.snapshot().digest());
      ({ service, apply, read } = makeKv(next));
    }
  }
});

describe('versions', () => {
  test('two changes in one batch have different versions, so a condition on a version is exact', () => {
    const { apply } = makeKv();
    expect(apply(kv.put('k', '1'))).toEqual({ type: 'written', version: 1 });
    expect(apply(kv.put('k', '2'))).toEqual({ type: 'written', version: 2 });
    expect(apply(kv.compareAndSet('k', kvExpected.version(1), '3'))).toEqual({
      type: 'mismatch',
      index: 0,
      version: 2,
    });
    expect(apply(kv.compareAndSet('k', kvExpected.version(2), '3'))).toEqual({ type: 'written', version: 3 });
    expect(apply(kv.get('k'))).toMatchObject({ type: 'value', version: 3, sequenceNumber: 7 });
  });

  test('a key that was deleted and made again has another version', () => {
    const { apply } = makeKv();
    apply(kv.put('k', 'x'));
    apply(kv.delete('k'));
    apply(kv.put('k', 'x'));
    expect(apply(kv.compareAndSet('k', kvExpected.version(1), 'y')).type).toBe('mismatch');
  });
});

describe('multi', () => {
  test('operations see each other, and all happen', () => {
    const { apply } = makeKv();
    const result = apply(kv.multi([kv.put('n', '41'), kv.increment('n'), kv.get('n'), kv.delete('x')]));
    expect(result).toMatchObject({
      type: 'multi',
      results: [{ version: 1 }, { value: 42n, version: 2 }, { value: utf8('42') }, { existed: false }],
    });
  });

  test('if one is refused, or a condition fails, nothing happens', () => {
    const { apply, digest } = makeKv();
    apply(kv.put('text', 'no number'));
    const before = digest();
    expect(apply(kv.multi([kv.put('a', '1'), kv.increment('text')]))).toEqual(refused('not-an-integer', 1));
    const conditions = [
      { key: 'text', condition: kvExpected.present },
      { key: 'a', condition: kvExpected.present },
    ];
    expect(apply(kv.multi([kv.put('a', '1')], conditions))).toEqual({
      type: 'mismatch',
      index: 1,
      version: undefined,
    });
    expect(digest()).toBe(before);
    expect(apply(kv.put('b', ''))).toEqual({ type: 'written', version: 2 });
  });

  test('if the answer would be too long, nothing happens', () => {
    const { apply, digest } = makeKv();
    apply(kv.put('k', new Uint8Array(40_000)));
    const before = digest();
    expect(apply(kv.multi([kv.put('a', '1'), kv.get('k'), kv.get('k')]))).toEqual(
      refused('result-too-large'),
    );
    expect(apply(kv.put('a', '1'), START_MS, 7, 8)).toEqual(refused('result-too-large'));
    expect(digest()).toBe(before);
  });
});

test('increment: absent is 0, the limits are those of 64 bits, only canonical decimals count', () => {
  const { apply } = makeKv();
  expect(apply(kv.increment('n', -5))).toMatchObject({ value: -5n });
  for (const text of ['', '01', '+1', '-0', ' 1', '1.0', '0x1', '9223372036854775808', '1'.repeat(40)]) {
    apply(kv.put('t', text));
    expect(apply(kv.increment('t'))).toEqual(refused('not-an-integer'));
  }
  apply(kv.put('max', '9223372036854775806'));
  expect(apply(kv.increment('max'))).toMatchObject({ value: 2n ** 63n - 1n });
  expect(apply(kv.increment('max'))).toEqual(refused('overflow'));
  expect(apply(kv.increment('min', -(2n ** 63n)))).toMatchObject({ value: -(2n ** 63n) });
  expect(apply(kv.increment('min', -1))).toEqual(refused('overflow'));
});

describe('expiry', () => {
  test('a key is absent from its instant on, for reads of any kind', () => {
    const { apply, read } = makeKv();
    apply(kv.put('k', 'v', kvExpiry.after(100)));
    expect(read(kv.get('k'), START_MS + 99)).toMatchObject({ type: 'value', expiresAtMs: START_MS + 100 });
    for (const ask of [read, apply]) {
      expect(ask(kv.get('k'), START_MS + 100)).toEqual({ type: 'absent' });
      expect(ask(kv.scan(), START_MS + 100)).toMatchObject({ entries: [] });
      expect(ask(kv.count(), START_MS + 100)).toMatchObject({ count: 0 });
    }
    expect(apply(kv.expire('k', kvExpiry.never), START_MS + 100)).toEqual({ type: 'absent' });
    expect(apply(kv.increment('k'), START_MS + 100)).toMatchObject({ value: 1n });
    expect(apply(kv.get('k'), START_MS + 1e9)).toMatchObject({ expiresAtMs: undefined });
  });

  test('expired keys are removed by later changes, a bounded number by each', () => {
    const { service, apply } = makeKv();
    const bytes = () =>
      service
        .snapshot()
        .chunks()
        .reduce((sum, chunk) => sum + chunk.bytes().length, 0);
    const empty = bytes();
    for (let i = 0; i < 10; i++) apply(kv.put(`k${i}`, 'v', kvExpiry.after(10)));
    const full = bytes();
    apply(kv.get('k1'), START_MS + 10);
    apply(kv.delete('none'), START_MS + 10);
    expect(bytes()).toBe(full);
    for (let i = 0; i < 4; i++) apply(kv.put('x', String(i % 2)), START_MS + 10);
    expect(bytes()).toBeGreaterThan(empty + 60);
    apply(kv.put('x', ''), START_MS + 10);
    apply(kv.delete('x'), START_MS + 10);
    expect(bytes()).toBe(empty);
  });

  test('keep keeps it, a new one replaces it, and one beyond all numbers is refused', () => {
    const { apply } = makeKv();
    apply(kv.put('k', 'v', kvExpiry.at(START_MS + 5)));
    apply(kv.put('k', 'w', kvExpiry.keep));
    expect(apply(kv.get('k'))).toMatchObject({ expiresAtMs: START_MS + 5 });
    apply(kv.expire('k', kvExpiry.at(START_MS + 50)));
    apply(kv.put('other', ''), START_MS + 10);
    expect(apply(kv.get('k'), START_MS + 10)).toMatchObject({ value: utf8('w') });
    expect(apply(kv.expire('k', kvExpiry.after(Number.MAX_SAFE_INTEGER)))).toEqual(
      refused('expiry-out-of-range'),
    );
  });
});

describe('scan and count', () => {
  test('pages follow one another without gap or overlap, within limits of entries, bytes and work', () => {
    const { apply, read } = makeKv();
    const keys = Array.from({ length: 300 }, (_, i) => `p/${String(i).padStart(4, '0')}`);
    for (const [i, key] of keys.entries()) apply(kv.put(key, new Uint8Array(i * 60)));
    apply(kv.put('p', ''));
    apply(kv.put('q', ''));
    for (const options of [{}, { limit: 7 }, { bytes: 50_000 }, { bytes: 0 }]) {
      const found: string[] = [];
      for (let from: Uint8Array | undefined = utf8('p/'); from !== undefined; ) {
        const page = read(kv.scan({ prefix: 'p/', from, ...options })) as Extract<KvResult, { type: 'page' }>;
        found.push(...page.entries.map(({ key }) => Buffer.from(key).toString()));
        from = page.next;
      }
      expect(found).toEqual(keys);
    }
    const first = read(kv.count({ prefix: 'p/' })) as Extract<KvResult, { type: 'count' }>;
    expect(first.next).toBeDefined();
    let count = first.count;
    for (let { next } = first; next !== undefined; ) {
      const more = read(kv.count({ prefix: 'p/', from: next })) as Extract<KvResult, { type: 'count' }>;
      count += more.count;
      next = more.next;
    }
    expect(count).toBe(300);
  });

  test('ranges and prefixes of any bytes', () => {
    const { apply, read } = makeKv();
    const keys = [[], [0], [97], [97, 255], [97, 255, 1], [98], [255], [255, 255], [255, 255, 0]];
    for (const key of keys) apply(kv.put(Uint8Array.from(key), ''));
    const counted = (range: Parameters<typeof kv.count>[0]) =>
      (read(kv.count(range)) as { count: number }).count;
    expect(counted({})).toBe(9);
    expect(counted({ prefix: 'a' })).toBe(3);
    expect(counted({ prefix: Uint8Array.of(97, 255) })).toBe(2);
    expect(counted({ prefix: Uint8Array.of(255) })).toBe(3);
    expect(counted({ from: 'a', to: 'b' })).toBe(3);
    expect(counted({ from: 'b', to: 'a' })).toBe(0);
    expect(() => kv.count({ prefix: 'a', to: 'b' })).toThrow('not both');
  });

  test('a page whose first entry does not fit a result is refused', () => {
    const { apply, read } = makeKv();
    apply(kv.put('k', new Uint8Array(5000)));
    expect(read(kv.scan(), START_MS, 5000)).toEqual(refused('result-too-large'));
    expect(read(kv.get('k'), START_MS, 5000)).toEqual(refused('result-too-large'));
  });
});

describe('proofs', () => {
  test('of a key that is there and one that is not; against another digest neither holds', () => {
    const { service, apply, read } = makeKv();
    for (let i = 0; i < 500; i++) apply(kv.put(`k${i}`, `v${i}`));
    const digest = service.snapshot().digest();
    const proofOf = (key: string) => (read(kv.prove(key)) as Extract<KvResult, { type: 'proof' }>).proof;
    const verify = (key: string, proof: Uint8Array) => verifyKvProof(sha256, digest, key, proof);
    expect(verify('k17', proofOf('k17'))).toMatchObject({
      value: utf8('v17'),
      version: 18,
      sequenceNumber: 7,
    });
    expect(verify('none', proofOf('none'))).toBe('absent');
    expect(verifyKvProof(sha256, new Uint8Array(32), 'k17', proofOf('k17'))).toBe('invalid');
    const altered = proofOf('k17');
    altered[altered.length - 1]! ^= 1;
    expect(verify('k17', altered)).toBe('invalid');
    expect(apply(kv.prove('k17'))).toEqual(refused('only-a-read'));
  });
});

describe('limits and hostile bytes', () => {
  test('the longest keys and values work; longer ones cannot be encoded, and are refused if they come', () => {
    const { apply, read, applyBytes, digest } = makeKv();
    const key = new Uint8Array(KEY_BYTES_MAX).fill(1);
    const before = digest();
    const put = encodeKvOperation(kv.put(key, 'x'));
    const longer = Uint8Array.of(...put.slice(0, 5), 1, ...put.slice(5));
    longer[4]! += 1; // the length of the key, now 1,025
    expect(applyBytes(longer)).toEqual(refused('malformed'));
    expect(digest()).toBe(before);
    expect(apply(kv.put(key, new Uint8Array(VALUE_BYTES_MAX), kvExpiry.after(5))).type).toBe('written');
    expect(apply(kv.get(key)).type).toBe('value');
    expect(read(kv.scan())).toMatchObject({ entries: [{ key }] });
    expect(() => encodeKvOperation(kv.put(key, new Uint8Array(VALUE_BYTES_MAX + 1)))).toThrow('value');
    expect(() => encodeKvOperation(kv.get(new Uint8Array(KEY_BYTES_MAX + 1)))).toThrow('key');
    expect(() => encodeKvOperation(kv.increment('k', 2n ** 63n))).toThrow('by');
    const many = Array.from({ length: MULTI_MAX + 1 }, () => kv.get('k'));
    expect(() => encodeKvOperation(kv.multi(many))).toThrow('operations');
  });

  test('a write that is asked as a read is refused', () => {
    expect(makeKv().read(kv.put('k', 'v'))).toEqual(refused('not-a-read'));
  });

  const revision = [[0], [...u64Bytes(1)]];
  test.each<[string, number[][][]]>([
    ['no revision', []],
    ['an entry of no known kind', [revision, [[5], []]]],
    ['a record that is none', [revision, [[1, 97], [1]]]],
    ['an expiry of no record', [revision, [[2, 0, 0, 0, 0, 0, 0, 0, 9, 97], []]]],
    [
      'a record newer than the revision',
      [
        revision,
        [
          [1, 97],
          [...u64Bytes(2), ...u64Bytes(1), 0, 0, 0, 0, 0],
        ],
      ],
    ],
    [
      'a record without its expiry',
      [
        revision,
        [
          [1, 97],
          [...u64Bytes(1), ...u64Bytes(1), 1, ...u64Bytes(9), 0, 0, 0, 0],
        ],
      ],
    ],
  ])('chunks of a map that is no store are refused: %s', (_name, entries) => {
    const map = createMerkleMap(sha256);
    for (const [key, value] of entries) map.put(Uint8Array.from(key!), Uint8Array.from(value!));
    const chunks = map
      .snapshot()
      .chunks()
      .map((chunk) => chunk.bytes());
    expect(() => kvService(sha256)().restore(chunks)).toThrow(/kv: .*fetch them again/);
  });
});
