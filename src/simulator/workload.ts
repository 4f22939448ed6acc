/**
 * What simulated clients ask for: single-key operations of the key-value service over few keys, so that they collide, and the sequential
 * model that their answers are judged by.
 */

import type { Crypto } from '../crypto/port.ts';
import {
  decodeKvResult,
  encodeKvOperation,
  type KvOperation,
  type KvResult,
  kv,
  kvExpected,
  kvService,
} from '../services/kv/index.ts';
import type { ServiceFactory } from '../services/service.ts';
import { assert } from '../types/assert.ts';
import { equalBytes, keyOf, utf8 } from '../types/bytes.ts';
import type { Model } from './linearizability.ts';
import type { Random } from './random.ts';

type SingleKey = 'get' | 'put' | 'delete' | 'increment' | 'compare-and-set';
export type KvInput = Extract<KvOperation, { type: SingleKey }>;

export interface Workload {
  readonly service: ServiceFactory;
  readonly model: Model<KvState, KvInput, KvResult>;
  /** The next operation of a client; `label` is unique and makes written values tell who wrote them, `prefix` begins its keys. */
  next(random: Random, label: string, prefix?: string): { readonly input: KvInput; readonly read: boolean };
  encode(input: KvInput): Uint8Array;
  /** @throws InvariantError on bytes that no correct service answers. */
  decode(result: Uint8Array): KvResult;
}

export function kvWorkload(hash: Crypto['hash'], keys: number): Workload {
  return {
    service: kvService(hash),
    model: kvModel,
    next(random, label, prefix = '') {
      const key = `${prefix}k${random.below(keys)}`;
      switch (random.below(8)) {
        case 0:
        case 1:
          return { input: kv.get(key), read: true };
        case 2:
          return { input: kv.get(key), read: false };
        case 3:
        case 4:
          // Long values are answered by hash, and asked for apart.
          return { input: kv.put(key, random.chance(1, 6) ? label.padEnd(1_500, '.') : label), read: false };
        case 5:
          return { input: kv.increment(`${prefix}n${random.below(keys)}`, 1), read: false };
        case 6: {
          const expected = random.chance(1, 2) ? kvExpected.absent : kvExpected.present;
          return { input: kv.compareAndSet(key, expected, label), read: false };
        }
        default:
          return { input: kv.delete(key), read: false };
      }
    },
    encode: encodeKvOperation,
    decode(result) {
      const decoded = decodeKvResult(result);
      assert(decoded.ok, 'a result of the key-value service must decode');
      return decoded.value;
    },
  };
}

/** One key: present with a value, or absent. */
export interface KvState {
  readonly value: Uint8Array | undefined;
}

/** What one key does, by the documentation of the service and without its code. Versions are left to the service's own tests. */
export const kvModel: Model<KvState, KvInput, KvResult> = {
  initial: { value: undefined },
  partOf: (input) => keyOf(input.key),
  keyOf: ({ value }) => (value === undefined ? '-' : `=${keyOf(value)}`),
  apply(state, input, output) {
    const { after, allowed } = kvStep(state.value, input);
    return output === undefined || allowed(output) ? { value: after } : undefined;
  },
};

interface KvStep {
  readonly after: Uint8Array | undefined;
  readonly allowed: (output: KvResult) => boolean;
}

function kvStep(value: Uint8Array | undefined, input: KvInput): KvStep {
  switch (input.type) {
    case 'get':
      return {
        after: value,
        allowed: (output) =>
          value === undefined
            ? output.type === 'absent'
            : output.type === 'value' && equalBytes(output.value, value),
      };
    case 'put':
      return { after: input.value, allowed: (output) => output.type === 'written' };
    case 'delete':
      return {
        after: undefined,
        allowed: (output) => output.type === 'deleted' && output.existed === (value !== undefined),
      };
    case 'increment': {
      const sum = BigInt(value === undefined ? 0 : new TextDecoder().decode(value)) + input.by;
      return {
        after: utf8(String(sum)),
        allowed: (output) => output.type === 'integer' && output.value === sum,
      };
    }
    case 'compare-and-set': {
      const holds = (input.expected.type === 'absent') === (value === undefined);
      return holds
        ? { after: input.value, allowed: (output) => output.type === 'written' }
        : { after: value, allowed: (output) => output.type === 'mismatch' };
    }
  }
}
