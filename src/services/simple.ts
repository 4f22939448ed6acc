/**
 * A service from a few lines: the state is one immutable value, and everything else follows from its encoding.
 * Digest and chunks cost the whole encoding each time the state has changed, which suits small states; a large one wants
 * an authenticated map, as kv/ has, whose snapshots can be prepared bit by bit.
 */

import { sha256 } from '../crypto/sha256.ts';
import { concatBytes, equalBytes, utf8 } from '../types/bytes.ts';
import type { Result } from '../types/result.ts';
import {
  CHUNK_BYTES_MAX,
  type Chunk,
  type ExecutionContext,
  type ReadContext,
  type ServiceFactory,
  type Snapshot,
} from './service.ts';

export interface SimpleService<State> {
  readonly initial: State;
  /**
   * The state after the operation and what the client is told; the same state if the operation is refused. It must
   * not change `state` itself, nor throw on any bytes: an operation comes from a client that may be hostile.
   */
  apply(state: State, operation: Uint8Array, context: ExecutionContext): Applied<State>;
  /** Answers a read-only operation; by default with nothing. */
  read?(state: State, operation: Uint8Array, context: ReadContext): Uint8Array;
  /** Canonical: equal states, equal bytes. */
  encode(state: State): Uint8Array;
  /** The inverse of `encode`; refuses what it cannot have made. */
  decode(bytes: Uint8Array): Result<State, unknown>;
}

export interface Applied<State> {
  readonly state: State;
  readonly result: Uint8Array;
}

const STATE_TAG = utf8('bft2f/1/simple-state');

/** Makes services by the definition. `hash` must be SHA-256, but in a simulation. */
export function simpleService<State>(definition: SimpleService<State>, hash = sha256): ServiceFactory {
  return () => {
    let state = definition.initial;
    let current: Snapshot | undefined;
    return {
      apply(operation, context) {
        const applied = definition.apply(state, operation, context);
        state = applied.state;
        current = undefined;
        return applied.result;
      },
      snapshot() {
        current ??= snapshotOf(definition, state, hash);
        return current;
      },
      restore(chunks) {
        const encoded = concatBytes(...chunks);
        const decoded = definition.decode(encoded);
        if (!decoded.ok || !equalBytes(definition.encode(decoded.value), encoded) || !isDivided(chunks)) {
          throw new Error(
            'service: these are not the chunks of a state; fetch them again from another source',
          );
        }
        state = decoded.value;
        current = undefined;
      },
    };
  };
}

function snapshotOf<State>(definition: SimpleService<State>, state: State, hash: typeof sha256): Snapshot {
  const encoded = lazily(() => definition.encode(state));
  const digest = lazily(() => hash(STATE_TAG, encoded()));
  const chunks = lazily(() => divide(encoded(), hash));
  return {
    digest,
    chunks,
    read: (operation, context) => definition.read?.(state, operation, context) ?? new Uint8Array(0),
  };
}

/** Full chunks and a rest; one empty chunk if there are no bytes. */
function divide(encoded: Uint8Array, hash: typeof sha256): Chunk[] {
  const count = Math.max(1, Math.ceil(encoded.length / CHUNK_BYTES_MAX));
  return Array.from({ length: count }, (_, i) => {
    const bytes = encoded.slice(i * CHUNK_BYTES_MAX, (i + 1) * CHUNK_BYTES_MAX);
    const digest = lazily(() => hash(bytes));
    return {
      get digest() {
        return digest();
      },
      bytes: () => bytes,
    };
  });
}

function isDivided(chunks: readonly Uint8Array[]): boolean {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (chunks.length !== Math.max(1, Math.ceil(total / CHUNK_BYTES_MAX))) return false;
  return chunks.every((chunk, i) => i === chunks.length - 1 || chunk.length === CHUNK_BYTES_MAX);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
