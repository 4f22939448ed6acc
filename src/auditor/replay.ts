/**
 * The committed batches of an archive with the bodies that it holds, executed again (docs/protocol.md §3.8) through the very ledger that
 * replicas run. What comes out is what every entry, checkpoint and head of the history must say.
 */

import type { Context } from '../protocol/context.ts';
import { executeBatch, type Ledger, snapshotLedger } from '../protocol/ledger.ts';
import { type Batch, batchBytes, batchDigest, NULL_BATCH } from '../protocol/messages/batch.ts';
import type { EntryContent } from '../protocol/messages/entry.ts';
import { keyOf } from '../types/bytes.ts';
import type { Digest, SequenceNumber } from '../types/identities.ts';
import type { CommittedBatch } from './history.ts';

export interface Replay {
  readonly context: Context;
  /** Undefined if nothing is executed: bodies are only held against the digests that were committed. */
  ledger: Ledger | undefined;
  /** The last batch that was taken from `due`, or is skipped. */
  reached: SequenceNumber;
  /** Committed batches that wait for their bodies, in order. */
  due: CommittedBatch[];
  /** Bodies above what is reached, by s and digest. */
  readonly bodies: Map<SequenceNumber, Map<string, Batch>>;
  bodyBytes: number;
  /** What came out, of the last `KEPT` batches, and Σ of the last checkpoints. */
  readonly entries: Map<SequenceNumber, EntryContent>;
  readonly states: Map<SequenceNumber, Digest>;
}

/** A committed batch and its body. */
export interface Taken {
  readonly batch: Batch;
  /** Undefined if it was not executed. */
  readonly executed: { readonly entry: EntryContent; readonly operations: number } | undefined;
}

const KEPT = 4096;
const STATES_KEPT = 16;
/** No correct replica records bodies this far ahead of what it executes. */
const BODY_BYTES_MAX = 256 * 1024 * 1024;
const DUE_MAX = 65_536;

/** Goes on from the ledger's state. Without one nothing is executed, above batch `reached`. */
export function createReplay(context: Context, ledger: Ledger | undefined, reached = 0): Replay {
  return {
    context,
    ledger,
    reached,
    due: [],
    bodies: new Map(),
    bodyBytes: 0,
    entries: new Map(),
    states: new Map(),
  };
}

/** Keeps a body that may be wanted; answers whether there is room for it. */
export function offerBody(replay: Replay, s: SequenceNumber, batch: Batch): boolean {
  const { context, bodies } = replay;
  if (s <= replay.reached) return true;
  const key = keyOf(batchDigest(context.cluster, context.crypto, batch));
  const those = bodies.get(s) ?? new Map<string, Batch>();
  if (those.has(key)) return true;
  const bytes = batchBytes(batch);
  if (replay.bodyBytes + bytes > BODY_BYTES_MAX) return false;
  replay.bodyBytes += bytes;
  bodies.set(s, those.set(key, batch));
  return true;
}

/** Batches were committed, in order behind those before; answers whether there is room for them. */
export function offerCommitted(replay: Replay, batches: readonly CommittedBatch[]): boolean {
  if (replay.due.length + batches.length > DUE_MAX) return false;
  replay.due.push(...batches);
  return true;
}

/** Goes on above `s`, whose batches are not known; nothing can be executed any more. */
export function skipTo(replay: Replay, s: SequenceNumber): void {
  replay.ledger = undefined;
  replay.due = replay.due.filter((batch) => batch.sequenceNumber > s);
  for (const [at, those] of replay.bodies) {
    if (at > s) continue;
    for (const batch of those.values()) replay.bodyBytes -= batchBytes(batch);
    replay.bodies.delete(at);
  }
  replay.reached = Math.max(replay.reached, s);
}

/** Takes the next batch, and executes it, if it is committed and its body is here. @throws whatever the service throws */
export function takeNext(replay: Replay): Taken | undefined {
  const { context, ledger, due, bodies } = replay;
  const next = due[0];
  if (next === undefined) return undefined;
  const { sequenceNumber: s, batchDigest: digest } = next;
  const isNull = keyOf(digest) === keyOf(batchDigest(context.cluster, context.crypto, NULL_BATCH));
  const batch = bodies.get(s)?.get(keyOf(digest)) ?? (isNull ? NULL_BATCH : undefined);
  if (batch === undefined) return undefined;
  due.shift();
  for (const each of bodies.get(s)?.values() ?? []) replay.bodyBytes -= batchBytes(each);
  bodies.delete(s);
  replay.reached = s;
  if (ledger === undefined) return { batch, executed: undefined };
  const { entry, operations } = executeBatch(ledger, batch, next.hashChainDigest);
  keepOutcome(replay, ledger, entry);
  return { batch, executed: { entry, operations } };
}

function keepOutcome({ context, entries, states }: Replay, ledger: Ledger, entry: EntryContent): void {
  const s = entry.sequenceNumber;
  entries.set(s, entry);
  entries.delete(s - KEPT);
  const { checkpointInterval } = context.cluster.limits;
  if (s % checkpointInterval !== 0) return;
  states.set(s, snapshotLedger(ledger).stateDigest);
  states.delete(s - STATES_KEPT * checkpointInterval);
}
