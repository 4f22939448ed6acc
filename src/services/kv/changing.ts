/** What changes the store. Every function either does the whole of it or refuses and does nothing. */

import { equalBytes, utf8 } from '../../types/bytes.ts';
import type { ExecutionContext } from '../service.ts';
import { decimal, isInt64, parseDecimal } from './decimal.ts';
import type { KvCondition, KvExpiry, KvOperation, KvSingle } from './operations.ts';
import { get, refusal } from './reading.ts';
import type { KvResult, KvSingleResult } from './results.ts';
import { deleteRecord, findRecord, type KvRecord, type Store, writeRecord } from './store.ts';

type Of<Type extends KvOperation['type']> = Extract<KvOperation, { type: Type }>;
type Refused = ReturnType<typeof refusal>;

export function applySingle(
  store: Store,
  operation: KvSingle,
  context: ExecutionContext,
): KvSingleResult | Refused {
  const { key } = operation;
  const { timeMs, sequenceNumber } = context;
  if (operation.type === 'get') return get(store.map, operation, timeMs);
  const record = findRecord(store.map, key, timeMs);
  switch (operation.type) {
    case 'put':
      return write(store, key, operation.value, operation.expiry, record, context);
    case 'expire':
      if (record === undefined) return { type: 'absent' };
      return write(store, key, record.value, operation.expiry, record, context);
    case 'delete':
      if (record !== undefined) deleteRecord(store, key);
      return { type: 'deleted', existed: record !== undefined };
    case 'increment': {
      const before = record === undefined ? 0n : integerOf(record.value);
      if (before === undefined) return refusal('not-an-integer');
      const value = before + operation.by;
      if (!isInt64(value)) return refusal('overflow');
      const { expiresAtMs } = record ?? {};
      const content = { value: utf8(decimal(value)), expiresAtMs, sequenceNumber };
      return { type: 'integer', value, version: writeRecord(store, key, content) };
    }
  }
}

export function compareAndSet(
  store: Store,
  operation: Of<'compare-and-set'>,
  context: ExecutionContext,
): KvResult {
  const { key, expected, value, expiry } = operation;
  const record = findRecord(store.map, key, context.timeMs);
  if (!holds(expected, record)) return { type: 'mismatch', index: 0, version: record?.version };
  return write(store, key, value, expiry, record, context);
}

/** All operations or none. */
export function applyMulti(
  store: Store,
  { conditions, operations }: Of<'multi'>,
  context: ExecutionContext,
): KvResult {
  for (const [index, { key, condition }] of conditions.entries()) {
    const record = findRecord(store.map, key, context.timeMs);
    if (!holds(condition, record)) return { type: 'mismatch', index, version: record?.version };
  }
  const results: KvSingleResult[] = [];
  for (const [index, operation] of operations.entries()) {
    const result = applySingle(store, operation, context);
    if (result.type === 'refused') return refusal(result.code, index);
    results.push(result);
  }
  return { type: 'multi', results };
}

function holds(condition: KvCondition, record: KvRecord | undefined): boolean {
  switch (condition.type) {
    case 'absent':
      return record === undefined;
    case 'present':
      return record !== undefined;
    case 'value':
      return record !== undefined && equalBytes(record.value, condition.value);
    case 'version':
      return record?.version === condition.version;
  }
}

function write(
  store: Store,
  key: Uint8Array,
  value: Uint8Array,
  expiry: KvExpiry,
  before: KvRecord | undefined,
  { timeMs, sequenceNumber }: ExecutionContext,
): KvSingleResult | Refused {
  const expiresAtMs = instantOf(expiry, before, timeMs);
  if (expiresAtMs !== undefined && !Number.isSafeInteger(expiresAtMs)) return refusal('expiry-out-of-range');
  return { type: 'written', version: writeRecord(store, key, { value, sequenceNumber, expiresAtMs }) };
}

function instantOf(expiry: KvExpiry, before: KvRecord | undefined, timeMs: number): number | undefined {
  switch (expiry.type) {
    case 'never':
      return undefined;
    case 'keep':
      return before?.expiresAtMs;
    case 'after':
      return timeMs + expiry.ms;
    case 'at':
      return expiry.timeMs;
  }
}

function integerOf(value: Uint8Array): bigint | undefined {
  return value.length > 20 ? undefined : parseDecimal(String.fromCharCode(...value));
}
