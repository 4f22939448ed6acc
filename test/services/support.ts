/** Shared by the services' tests: contexts, random key-value operations, and a naive key-value store. */

import type { Random } from '../../src/codec/index.ts';
import {
  type KvExpiry,
  type KvOperation,
  type KvResult,
  type KvSingle,
  kv,
  kvExpected,
  kvExpiry,
} from '../../src/services/kv/index.ts';
import type { ExecutionContext } from '../../src/services/service.ts';
import { compareBytes, equalBytes, fromHex, toHex, utf8 } from '../../src/types/bytes.ts';

export const START_MS = 1_700_000_000_000;

export function contextAt(timeMs: number, sequenceNumber: number, resultBytesMax = 65_536): ExecutionContext {
  return { timeMs, sequenceNumber, client: new Uint8Array(32), resultBytesMax };
}

function randomKey(random: Random): Uint8Array {
  const key = new Uint8Array(random(3));
  for (let i = 0; i < key.length; i++) key[i] = [0, 97, 98, 255][random(4)]!;
  return key;
}

function randomValue(random: Random): Uint8Array {
  if (random(3) === 0) return utf8(String(random(5) - 2));
  return new Uint8Array([0, 1, 30, 2000][random(4)]!).fill(random(4));
}

function randomExpiry(random: Random): KvExpiry {
  const ms = random(3000);
  return [kvExpiry.never, kvExpiry.keep, kvExpiry.after(ms), kvExpiry.at(START_MS + random(60_000))][
    random(4)
  ]!;
}

function randomCondition(random: Random) {
  return [
    kvExpected.absent,
    kvExpected.present,
    kvExpected.value(randomValue(random)),
    kvExpected.version(random(60)),
  ][random(4)]!;
}

function randomSingle(random: Random): KvSingle {
  const key = randomKey(random);
  switch (random(6)) {
    case 0:
      return kv.get(key);
    case 1:
      return kv.delete(key);
    case 2:
      return kv.increment(key, [1n, -3n, 2n ** 63n - 1n, -(2n ** 63n)][random(4)]);
    case 3:
      return kv.expire(key, randomExpiry(random));
    default:
      return kv.put(key, randomValue(random), randomExpiry(random));
  }
}

export function randomOperation(random: Random): KvOperation {
  const key = randomKey(random);
  const range = { from: key, ...(random(2) === 0 ? { to: randomKey(random) } : {}) };
  switch (random(12)) {
    case 0:
      return kv.compareAndSet(key, randomCondition(random), randomValue(random), randomExpiry(random));
    case 1:
    case 2:
      return kv.multi(
        Array.from({ length: random(5) }, () => randomSingle(random)),
        Array.from({ length: random(2) }, () => ({
          key: randomKey(random),
          condition: randomCondition(random),
        })),
      );
    case 3:
      return kv.scan({ ...range, limit: 1 + random(5), bytes: random(3000) });
    case 4:
      return kv.count(range);
    default:
      return randomSingle(random);
  }
}

interface NaiveRecord {
  readonly value: Uint8Array;
  readonly version: number;
  readonly sequenceNumber: number;
  readonly expiresAtMs: number | undefined;
}

/** The service said once more, as plainly as possible: expiry on sight, copies instead of undoing. */
export class NaiveStore {
  #records = new Map<string, NaiveRecord>();
  #revision = 0;

  apply(operation: KvOperation, context: ExecutionContext): KvResult {
    for (const [key, { expiresAtMs }] of this.#records) {
      if (expiresAtMs !== undefined && expiresAtMs <= context.timeMs) this.#records.delete(key);
    }
    const saved = [new Map(this.#records), this.#revision] as const;
    const result = this.#run(operation, context);
    if (result.type === 'refused') [this.#records, this.#revision] = saved;
    return result;
  }

  #run(operation: KvOperation, context: ExecutionContext): KvResult {
    switch (operation.type) {
      case 'compare-and-set': {
        const { key, expected, value, expiry } = operation;
        const mismatch = this.#mismatch(0, key, expected);
        return mismatch ?? this.#run(kv.put(key, value, expiry), context);
      }
      case 'multi': {
        for (const [index, { key, condition }] of operation.conditions.entries()) {
          const mismatch = this.#mismatch(index, key, condition);
          if (mismatch !== undefined) return mismatch;
        }
        const results = operation.operations.map((each) => this.#run(each, context));
        const index = results.findIndex((result) => result.type === 'refused');
        if (index >= 0) return { ...(results[index] as Extract<KvResult, { type: 'refused' }>), index };
        return { type: 'multi', results } as KvResult;
      }
      case 'scan': {
        const all = this.#between(operation.from, operation.to);
        let bytes = 0;
        let taken = 0;
        for (const [key, { value }] of all.slice(0, operation.limit)) {
          bytes += key.length + value.length;
          if (taken > 0 && bytes > operation.bytes) break;
          taken += 1;
        }
        const entries = all.slice(0, taken).map(([key, { value, version }]) => ({ key, value, version }));
        return { type: 'page', entries, next: all[taken]?.[0] };
      }
      case 'count':
        return { type: 'count', count: this.#between(operation.from, operation.to).length, next: undefined };
      case 'prove':
        return { type: 'refused', code: 'only-a-read', index: 0 };
    }
    const { key } = operation;
    const record = this.#records.get(toHex(key));
    switch (operation.type) {
      case 'get':
        return record === undefined ? { type: 'absent' } : { type: 'value', ...record };
      case 'delete':
        if (this.#records.delete(toHex(key))) this.#revision += 1;
        return { type: 'deleted', existed: record !== undefined };
      case 'expire':
        if (record === undefined) return { type: 'absent' };
        return this.#run(kv.put(key, record.value, operation.expiry), context);
      case 'increment': {
        const text = record === undefined ? '0' : Buffer.from(record.value).toString('latin1');
        let before: bigint;
        try {
          before = BigInt(text);
        } catch {
          return { type: 'refused', code: 'not-an-integer', index: 0 };
        }
        if (String(before) !== text) return { type: 'refused', code: 'not-an-integer', index: 0 };
        const value = before + operation.by;
        if (BigInt.asIntN(64, value) !== value) return { type: 'refused', code: 'overflow', index: 0 };
        const version = this.#write(key, utf8(String(value)), record?.expiresAtMs, context);
        return { type: 'integer', value, version };
      }
      case 'put': {
        const { type } = operation.expiry;
        let expiresAtMs: number | undefined;
        if (type === 'keep') expiresAtMs = record?.expiresAtMs;
        if (type === 'after') expiresAtMs = context.timeMs + operation.expiry.ms;
        if (type === 'at') expiresAtMs = operation.expiry.timeMs;
        const version = this.#write(key, operation.value, expiresAtMs, context);
        // Within the operation an expired key must not be seen again either.
        if (expiresAtMs !== undefined && expiresAtMs <= context.timeMs) this.#records.delete(toHex(key));
        return { type: 'written', version };
      }
    }
  }

  #write(
    key: Uint8Array,
    value: Uint8Array,
    expiresAtMs: number | undefined,
    context: ExecutionContext,
  ): number {
    this.#revision += 1;
    const { sequenceNumber } = context;
    this.#records.set(toHex(key), { value, version: this.#revision, sequenceNumber, expiresAtMs });
    return this.#revision;
  }

  #mismatch(
    index: number,
    key: Uint8Array,
    condition: ReturnType<typeof randomCondition>,
  ): KvResult | undefined {
    const record = this.#records.get(toHex(key));
    const holds = {
      absent: () => record === undefined,
      present: () => record !== undefined,
      value: () => condition.type === 'value' && !!record && equalBytes(record.value, condition.value),
      version: () => condition.type === 'version' && record?.version === condition.version,
    }[condition.type]();
    return holds ? undefined : { type: 'mismatch', index, version: record?.version };
  }

  #between(from: Uint8Array, to: Uint8Array | undefined): [Uint8Array, NaiveRecord][] {
    return [...this.#records]
      .map(([key, record]): [Uint8Array, NaiveRecord] => [fromHex(key)!, record])
      .filter(([key]) => compareBytes(key, from) >= 0 && (to === undefined || compareBytes(key, to) < 0))
      .sort(([a], [b]) => compareBytes(a, b));
  }
}
