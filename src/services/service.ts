/**
 * The contract between BFT2F and the deterministic state machine that it replicates.
 *
 * Every correct replica applies the same operations in the same order, so an implementation may depend on
 * nothing but its state, the operation and the context: no clock, no randomness, no I/O, no locale, no order of iteration
 * that an engine may choose. An operation comes from a client that may be hostile: bad bytes get a result that says so,
 * never a throw.
 */

import type { Digest, PublicKey } from '../types/identities.ts';

/** What a service may know about where an operation stands. The same at every replica. */
export interface ExecutionContext {
  /** Milliseconds since 1970 by the batch's effective time; never decreases from batch to batch. */
  readonly timeMs: number;
  /** Who issued it: the client's Ed25519 public key, 32 bytes. */
  readonly client: PublicKey;
  /** The batch that holds the operation, 1-based. */
  readonly sequenceNumber: number;
  /** Most bytes that the result may have; a longer one is replaced by the replica with an error of its own. */
  readonly resultBytesMax: number;
}

/** One piece of a snapshot, fetched and verified on its own during state transfer. */
export interface Chunk {
  /** SHA-256 of `bytes()`. Computed once per content: unchanged chunks must not be hashed again. */
  readonly digest: Digest;
  /** At most `CHUNK_BYTES_MAX` bytes. */
  bytes(): Uint8Array;
}

/** No chunk may be longer than this: it must fit a frame. */
export const CHUNK_BYTES_MAX = 1024 * 1024;

/** An immutable view of the state at one moment, unaffected by operations applied later. */
export interface Snapshot {
  /**
   * 32 bytes that equal states share and different states do not; incrementally updated, so that asking for it
   * costs what changed since the last time, not the size of the state.
   */
  digest(): Digest;
  /** The whole state, in chunks, in a canonical order; equal states give equal chunks. */
  chunks(): readonly Chunk[];
  /**
   * Optional, for states whose digests take long: does, of what `digest()` and `chunks()` with all their digests would cost, as much as
   * hashing some `bytes` bytes takes, and answers whether nothing is left of it. It is called again and again, between operations, until it
   * answers true; without it, all is done at once at each checkpoint.
   */
  prepare?(bytes: number): boolean;
  /** Answers a read-only operation against this state. */
  read(operation: Uint8Array, context: ReadContext): Uint8Array;
}

export interface ReadContext {
  /** The effective time of the last executed batch: what is expired by it is absent. */
  readonly timeMs: number;
  readonly client: PublicKey;
  readonly resultBytesMax: number;
}

export interface Service {
  /** Applies one operation and returns its result. All or nothing: an operation that is refused changes nothing. */
  apply(operation: Uint8Array, context: ExecutionContext): Uint8Array;
  /** Must be cheap (copy-on-write): it is called after every batch. */
  snapshot(): Snapshot;
  /**
   * Replaces the state by the one whose chunks these are. The chunks' hashes were verified against what Q replicas
   * signed; still, @throws Error on bytes that no `chunks()` of this service can have made.
   */
  restore(chunks: readonly Uint8Array[]): void;
}

/** Makes the service in its genesis state; the same everywhere. */
export type ServiceFactory = () => Service;
