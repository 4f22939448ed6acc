/** The key-value store as a service: bytes in, bytes out, all or nothing. */

import { decode, encode } from '../../codec/index.ts';
import {
  createMerkleMap,
  type MerkleMap,
  type MerkleMapVersion,
  restoreMerkleMap,
} from '../../crypto/merkle-map/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import type { ExecutionContext, ReadContext, Service, ServiceFactory, Snapshot } from '../service.ts';
import { applyMulti, applySingle, compareAndSet } from './changing.ts';
import { SWEPT_PER_CHANGE } from './limits.ts';
import { type KvOperation, operationSchema } from './operations.ts';
import { count, get, refusal, scan } from './reading.ts';
import { type KvResult, resultSchema } from './results.ts';
import { dataKey, type Store, storeOf, sweepExpired, writeRevision } from './store.ts';

/** No result of a single change is longer. */
const SHORT_RESULT_BYTES = 40;

/** Makes empty key-value services whose digests and chunks use `hash`: SHA-256, but in a simulation. */
export function kvService(hash: Crypto['hash']): ServiceFactory {
  return () => createKvService(hash);
}

function createKvService(hash: Crypto['hash']): Service {
  let store = emptyStore(createMerkleMap(hash));
  return {
    apply: (operation, context) => applyBytes(store, operation, context),
    snapshot() {
      writeRevision(store);
      return snapshotOf(store.map.snapshot());
    },
    restore(chunks) {
      store = storeOf(restoreMerkleMap(hash, chunks));
    },
  };
}

/** The revision is in the map from the beginning, so that the moment of the first snapshot leaves no trace in its shape. */
function emptyStore(map: MerkleMap): Store {
  const store = { map, revision: 0 };
  writeRevision(store);
  return store;
}

function snapshotOf(version: MerkleMapVersion): Snapshot {
  return {
    digest: () => version.digest(),
    chunks: () => version.chunks(),
    prepare: (bytes) => version.prepare(bytes),
    read(bytes, context) {
      const operation = decode(operationSchema, bytes);
      const result = operation.ok ? read(version, operation.value, context) : refusal('malformed');
      return fitted(encode(resultSchema, result), context.resultBytesMax);
    },
  };
}

function applyBytes(store: Store, bytes: Uint8Array, context: ExecutionContext): Uint8Array {
  const operation = decode(operationSchema, bytes);
  if (!operation.ok) return encode(resultSchema, refusal('malformed'));
  const before = store.revision;
  // Only these can be refused, or have too long a result, after something was changed.
  const mayFailLate = operation.value.type === 'multi' || context.resultBytesMax < SHORT_RESULT_BYTES;
  const whole = mayFailLate ? store.map.snapshot() : undefined;
  const result = apply(store, operation.value, context);
  const encoded = encode(resultSchema, result);
  const isTooLong = encoded.length > context.resultBytesMax;
  if (whole !== undefined && (isTooLong || result.type === 'refused')) {
    store.map.revert(whole);
    store.revision = before;
  }
  sweepExpired(store, context.timeMs, SWEPT_PER_CHANGE * (store.revision - before));
  return fitted(encoded, context.resultBytesMax);
}

/** A result that is too long becomes a refusal here, so that nothing was done when the client is told so. */
function fitted(encoded: Uint8Array, resultBytesMax: number): Uint8Array {
  return encoded.length <= resultBytesMax ? encoded : encode(resultSchema, refusal('result-too-large'));
}

function apply(store: Store, operation: KvOperation, context: ExecutionContext): KvResult {
  switch (operation.type) {
    case 'compare-and-set':
      return compareAndSet(store, operation, context);
    case 'multi':
      return applyMulti(store, operation, context);
    case 'scan':
      return scan(store.map, operation, context.timeMs, context.resultBytesMax);
    case 'count':
      return count(store.map, operation, context.timeMs);
    case 'prove':
      return refusal('only-a-read');
    default:
      return applySingle(store, operation, context);
  }
}

function read(version: MerkleMapVersion, operation: KvOperation, context: ReadContext): KvResult {
  switch (operation.type) {
    case 'get':
      return get(version, operation, context.timeMs);
    case 'scan':
      return scan(version, operation, context.timeMs, context.resultBytesMax);
    case 'count':
      return count(version, operation, context.timeMs);
    case 'prove':
      return { type: 'proof', proof: version.prove(dataKey(operation.key)) };
    default:
      return refusal('not-a-read');
  }
}
