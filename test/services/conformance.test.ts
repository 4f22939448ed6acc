import { describe, expect, test } from 'vitest';
import { counter } from '../../examples/counter.ts';
import { type DecodeError, decode, encode, list, u32, u53 } from '../../src/codec/index.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { type ConformanceOptions, checkService, type Rule } from '../../src/services/conformance/index.ts';
import { decodeKvResult, encodeKvOperation, kvService } from '../../src/services/kv/index.ts';
import type { Service, ServiceFactory, Snapshot } from '../../src/services/service.ts';
import { simpleService } from '../../src/services/simple.ts';
import { utf8 } from '../../src/types/bytes.ts';
import type { Result } from '../../src/types/result.ts';
import { contextAt, randomOperation } from './support.ts';

const counting: ConformanceOptions = {
  operation: (random) => encode(u32, 1 + random(10)),
  isRefusal: (result) => result.length === 0,
};

const keyValue: ConformanceOptions = {
  operation: (random) => encodeKvOperation(randomOperation(random)),
  isRefusal(result) {
    const decoded = decodeKvResult(result);
    return decoded.ok && ['refused', 'mismatch'].includes(decoded.value.type);
  },
};

test.each([1, 2, 3])('the key-value service conforms, seed %i', (seed) => {
  expect(checkService(kvService(sha256), { ...keyValue, seed })).toEqual([]);
});

test('the counter conforms, and counts', () => {
  expect(checkService(counter, counting)).toEqual([]);
  const service = counter();
  const context = contextAt(0, 1);
  expect(service.apply(encode(u32, 40), context)).toEqual(encode(u53, 40));
  expect(service.apply(encode(u32, 2), context)).toEqual(encode(u53, 42));
  expect(service.apply(utf8('nonsense'), context)).toEqual(new Uint8Array(0));
  expect(service.snapshot().read(new Uint8Array(0), context)).toEqual(encode(u53, 42));
});

test('a counter at its end refuses to go beyond it', () => {
  const service = counter();
  service.restore([encode(u53, Number.MAX_SAFE_INTEGER - 1)]);
  expect(service.apply(encode(u32, 2), contextAt(0, 1))).toEqual(new Uint8Array(0));
  expect(service.apply(encode(u32, 1), contextAt(0, 1))).toEqual(encode(u53, Number.MAX_SAFE_INTEGER));
});

test('a simple service with a state of several chunks conforms', () => {
  const numbers = list(u32, 1_000_000);
  const initial: readonly number[] = Array.from({ length: 300_000 }, (_, i) => i);
  const large = simpleService<readonly number[]>({
    initial,
    apply: (state, operation) => ({
      state: operation.length === 4 ? state.with(operation[3]! % state.length, operation[2]!) : state,
      result: operation.length === 4 ? operation.slice() : new Uint8Array(0),
    }),
    encode: (state) => encode(numbers, state),
    decode: (bytes): Result<readonly number[], DecodeError> => decode(numbers, bytes),
  });
  expect(large().snapshot().chunks().length).toBe(2);
  expect(checkService(large, { ...counting, steps: 20 })).toEqual([]);
});

/** Services with one fault each, around the counter. */
function around(change: (service: Service) => Partial<Service>): ServiceFactory {
  return () => {
    const service = counter();
    return { ...service, ...change(service) };
  };
}

function withSnapshot(
  change: (snapshot: Snapshot, count: () => number) => Partial<Snapshot>,
): ServiceFactory {
  return around((service) => {
    let applied = 0;
    return {
      apply(operation, context) {
        applied += 1;
        return service.apply(operation, context);
      },
      snapshot() {
        const snapshot = service.snapshot();
        return { ...snapshot, ...change(snapshot, () => applied) };
      },
    };
  });
}

let instances = 0;
let shared = 0;
const numberedChunk = (value: number) => {
  const bytes = encode(u53, value);
  return { digest: sha256(bytes), bytes: () => bytes };
};

/** A counter written by hand, to be broken where the wrapper cannot reach. */
function handmade(
  fault: 'live snapshot' | 'shared' | 'keeps operation' | 'keeps chunks' | 'restores nothing' | 'trusts',
): ServiceFactory {
  return () => {
    let total = 0;
    let kept: Uint8Array = new Uint8Array(0);
    const countIn = (bytes: Uint8Array) => {
      const decoded = decode(u53, bytes.slice(0, 8));
      return decoded.ok ? decoded.value : undefined;
    };
    const value = () =>
      (fault === 'shared' ? shared : total) +
      (fault === 'keeps operation' ? (kept[0] ?? 0) : 0) +
      (fault === 'keeps chunks' ? (countIn(kept) ?? 0) : 0);
    return {
      apply(operation) {
        if (operation.length !== 4) return new Uint8Array(0);
        if (fault === 'keeps operation') kept = operation;
        total += operation[3]!;
        shared += operation[3]!;
        return encode(u53, total);
      },
      snapshot() {
        const now = value();
        const shown = () => (fault === 'live snapshot' ? value() : now);
        return {
          digest: () => sha256(utf8('total'), encode(u53, shown())),
          chunks: () => [numberedChunk(shown())],
          read: () => encode(u53, shown()),
        };
      },
      restore([chunk = new Uint8Array(0)]) {
        const restored = countIn(chunk);
        if (restored === undefined && fault !== 'trusts') throw new Error('not a count');
        if (fault === 'restores nothing') return;
        total = restored ?? 0;
        if (fault === 'keeps chunks') [kept, total] = [chunk, 0];
        shared = total;
      },
    };
  };
}

describe('a broken service is caught', () => {
  const broken: Record<string, readonly [Rule, ServiceFactory, Partial<ConformanceOptions>?]> = {
    'throws on some bytes': [
      'throws',
      around((service) => ({
        apply(operation, context) {
          if (operation.length > 10) throw new Error('too long');
          return service.apply(operation, context);
        },
      })),
    ],
    'throws on a read': [
      'throws',
      withSnapshot(() => ({
        read(operation) {
          if (operation.length === 0) throw new Error('empty');
          return operation.slice();
        },
      })),
    ],
    'is never prepared': ['prepare', withSnapshot(() => ({ prepare: () => false }))],
    'prepares what came later': [
      'prepare',
      withSnapshot((snapshot, count) => {
        let prepared = -1;
        return {
          prepare() {
            prepared = count();
            return true;
          },
          digest: () => (prepared < 0 ? snapshot.digest() : sha256(encode(u53, prepared))),
        };
      }),
    ],
    'answers differently at each instance': [
      'determinism',
      around((service) => {
        const instance = instances++;
        return {
          apply: (operation, context) => Uint8Array.of(instance, ...service.apply(operation, context)),
        };
      }),
    ],
    'draws its digest from elsewhere': [
      'determinism',
      around((service) => {
        const instance = instances++;
        return {
          snapshot: () => {
            const snapshot = service.snapshot();
            return { ...snapshot, digest: () => sha256(snapshot.digest(), utf8(String(instance))) };
          },
        };
      }),
    ],
    'answers longer than allowed': ['result-length', around(() => ({ apply: () => new Uint8Array(200) }))],
    'changes state although it refuses': [
      'refusal-changes-nothing',
      around((service) => ({
        apply(operation, context) {
          const result = service.apply(operation, context);
          if (result.length === 0) service.apply(encode(u32, 1), context);
          return result;
        },
      })),
    ],
    'changes state on a read': [
      'read-changes-nothing',
      around((service) => ({
        snapshot: () => ({
          ...service.snapshot(),
          read: (_operation, context) => service.apply(encode(u32, 1), { ...context, sequenceNumber: 1 }),
        }),
      })),
    ],
    'has snapshots that show the present': ['snapshot-immutable', handmade('live snapshot')],
    'has a digest that forgets the state': [
      'digest-tells-states-apart',
      withSnapshot(() => ({ digest: () => new Uint8Array(32) })),
    ],
    'has a digest that counts operations': [
      'restore',
      withSnapshot((snapshot, applied) => ({
        digest: () => sha256(snapshot.digest(), encode(u53, applied())),
      })),
    ],
    'has chunks that no frame can carry': [
      'chunk-length',
      withSnapshot(() => ({
        chunks: () => {
          const bytes = new Uint8Array(1024 * 1024 + 1);
          return [{ digest: sha256(bytes), bytes: () => bytes }];
        },
      })),
      { steps: 10 },
    ],
    'has a chunk whose digest is another': [
      'chunk-digest',
      withSnapshot((snapshot) => ({
        chunks: () =>
          snapshot.chunks().map((chunk) => ({ digest: new Uint8Array(32), bytes: () => chunk.bytes() })),
      })),
    ],
    'restores nothing': ['restore', handmade('restores nothing')],
    'refuses its own chunks': [
      'restore',
      around(() => ({
        restore() {
          throw new Error('never');
        },
      })),
    ],
    'keeps the chunks it was handed': ['aliasing', handmade('keeps chunks')],
    'takes altered chunks for its own': ['bad-chunks', handmade('trusts')],
    'keeps the bytes it was handed': ['determinism', handmade('keeps operation')],
    'keeps its state outside of the instance': ['shared-state', handmade('shared')],
  };

  test.each(Object.entries(broken))('that %s', (_name, [rule, factory, options]) => {
    shared = 0;
    const rules = checkService(factory, { ...counting, steps: 100, ...options }).map(
      (violation) => violation.rule,
    );
    expect(rules).toContain(rule);
  });
});
