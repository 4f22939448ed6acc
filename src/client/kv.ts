/** The key-value service through a client: typed calls in place of bytes. Text stands for its UTF-8; what comes back is bytes. */

import {
  decodeKvResult,
  encodeKvOperation,
  type KvBytes,
  type KvCondition,
  type KvExpiry,
  type KvOperation,
  type KvRange,
  type KvRefusal,
  type KvResult,
  type KvScanOptions,
  type KvSingle,
  type KvSingleResult,
  kv as operations,
} from '../services/kv/index.ts';
import type { CallOptions, Client, ReadOptions } from './client.ts';
import { invalid } from './client-error.ts';

type Of<Type extends KvResult['type']> = Omit<Extract<KvResult, { type: Type }>, 'type'>;

/** `version` changes with every change of the key; `sequenceNumber` is the batch of the last one. */
export type KvValue = Of<'value'>;
export type KvEntry = Of<'page'>['entries'][number];

export interface WriteOptions extends CallOptions {
  /** `kvExpiry.after(ms)` and so on; by default the key stays. */
  readonly expiry?: KvExpiry;
}

/** Done, or a condition did not hold: then nothing was changed, and `version` is the key's (undefined: it is absent). */
export type Conditional<T> =
  | (T & { readonly done: true })
  | { readonly done: false; readonly condition: number; readonly version: number | undefined };

/** All calls: @throws ClientError, and KvError for what the service refused. */
export interface KvClient {
  get(key: KvBytes, options?: ReadOptions): Promise<KvValue | undefined>;
  /** Answers the key's new version. */
  put(key: KvBytes, value: KvBytes, options?: WriteOptions): Promise<number>;
  /** Whether there was such a key. */
  delete(key: KvBytes, options?: CallOptions): Promise<boolean>;
  compareAndSet(
    key: KvBytes,
    expected: KvCondition,
    value: KvBytes,
    options?: WriteOptions,
  ): Promise<Conditional<{ readonly version: number }>>;
  /** Adds to the signed 64-bit decimal integer that is the value (absent: 0); answers the sum. */
  increment(key: KvBytes, by?: bigint | number, options?: CallOptions): Promise<bigint>;
  /** Whether there is such a key. */
  expire(key: KvBytes, expiry: KvExpiry, options?: CallOptions): Promise<boolean>;
  /** All operations, in order, or none. */
  multi(
    parts: readonly KvSingle[],
    conditions?: Parameters<typeof operations.multi>[1],
    options?: CallOptions,
  ): Promise<Conditional<{ readonly results: readonly KvSingleResult[] }>>;
  /** Entries in the order of their keys. Each page is one read of its own: what changes in between may be seen or not. */
  scan(range?: KvScanOptions, options?: ReadOptions): AsyncGenerator<KvEntry, void>;
  /** The same in pages of at most `range.limit` entries. */
  pages(range?: KvScanOptions, options?: ReadOptions): AsyncGenerator<readonly KvEntry[], void>;
  count(range?: KvRange, options?: ReadOptions): Promise<number>;
}

/** The service executed the operation and refused it: nothing was changed. */
export class KvError extends Error {
  override readonly name = 'KvError';
  /** `unexpected`: no answer of the key-value service to this operation; does the cluster run another one? */
  readonly code: KvRefusal | 'unexpected';

  constructor(code: KvRefusal | 'unexpected', message: string) {
    super(message);
    this.code = code;
  }
}

const REFUSALS: Readonly<Record<KvRefusal, string>> = {
  malformed: 'it is no operation of this service, or beyond its limits',
  'not-an-integer': 'the value is not a signed 64-bit decimal integer, so nothing can be added to it',
  overflow: 'the sum does not fit a signed 64-bit integer',
  'expiry-out-of-range': 'the expiry lies after what a time can hold (2⁵³−1 ms)',
  'result-too-large': 'the result would not fit a reply; ask for less at a time',
  'not-a-read': 'it changes state, so it cannot be read',
  'only-a-read': 'it can only be read, not ordered',
};

export function kv(client: Pick<Client, 'submit' | 'read'>): KvClient {
  const submit = async (make: () => KvOperation, options?: CallOptions): Promise<KvResult> =>
    decoded((await client.submit(encoded(make), options)).result);
  const read = async (make: () => KvOperation, options?: ReadOptions): Promise<KvResult> =>
    decoded((await client.read(encoded(make), options)).result);

  async function* pages(range: KvScanOptions = {}, options?: ReadOptions) {
    let from = range.from;
    while (true) {
      const request = from === undefined ? range : { ...range, from };
      const { entries, next } = expect(await read(() => operations.scan(request), options), 'page');
      if (entries.length > 0) yield entries;
      if (next === undefined) return;
      from = next;
    }
  }

  return {
    async get(key, options) {
      const result = await read(() => operations.get(key), options);
      return result.type === 'absent' ? undefined : expect(result, 'value');
    },
    async put(key, value, options) {
      const result = await submit(() => operations.put(key, value, options?.expiry), options);
      return expect(result, 'written').version;
    },
    async delete(key, options) {
      return expect(await submit(() => operations.delete(key), options), 'deleted').existed;
    },
    async compareAndSet(key, expected, value, options) {
      const result = await submit(
        () => operations.compareAndSet(key, expected, value, options?.expiry),
        options,
      );
      return conditional(result, 'written');
    },
    async increment(key, by, options) {
      return expect(await submit(() => operations.increment(key, by), options), 'integer').value;
    },
    async expire(key, expiry, options) {
      const result = await submit(() => operations.expire(key, expiry), options);
      if (result.type === 'absent') return false;
      expect(result, 'written');
      return true;
    },
    async multi(parts, conditions, options) {
      return conditional(await submit(() => operations.multi(parts, conditions), options), 'multi');
    },
    pages,
    async *scan(range, options) {
      for await (const entries of pages(range, options)) yield* entries;
    },
    async count(range = {}, options) {
      let total = 0;
      let from = range.from;
      while (true) {
        const request = from === undefined ? range : { ...range, from };
        const { count, next } = expect(await read(() => operations.count(request), options), 'count');
        total += count;
        if (next === undefined) return total;
        from = next;
      }
    },
  };
}

/** @throws ClientError INVALID naming the field and its limit */
function encoded(make: () => KvOperation): Uint8Array {
  try {
    return encodeKvOperation(make());
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error);
  }
}

function decoded(bytes: Uint8Array): KvResult {
  const result = decodeKvResult(bytes);
  if (!result.ok) {
    throw new KvError('unexpected', 'the answer is none of the key-value service: which service runs there?');
  }
  return result.value;
}

function conditional<Type extends 'written' | 'multi'>(result: KvResult, type: Type): Conditional<Of<Type>> {
  if (result.type === 'mismatch') return { done: false, condition: result.index, version: result.version };
  return { ...expect(result, type), done: true };
}

function expect<Type extends KvResult['type']>(
  result: KvResult,
  type: Type,
): Extract<KvResult, { type: Type }> {
  if (result.type === type) return result as Extract<KvResult, { type: Type }>;
  if (result.type === 'refused') {
    const place = result.index > 0 ? ` (operation ${result.index})` : '';
    throw new KvError(result.code, `refused${place}: ${REFUSALS[result.code]}`);
  }
  throw new KvError('unexpected', `the answer is a '${result.type}' where a '${type}' is expected`);
}
