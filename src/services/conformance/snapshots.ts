/** What is checked of snapshots: their chunks, that they never change, and that they can be restored. */

import type { Crypto } from '../../crypto/port.ts';
import { concatBytes, equalBytes, keyOf } from '../../types/bytes.ts';
import { CHUNK_BYTES_MAX, type Service, type ServiceFactory, type Snapshot } from '../service.ts';
import { attempt, check, type Report, type Rule } from './report.ts';

/** A snapshot as it was when it was taken. */
export interface Impression {
  readonly snapshot: Snapshot;
  readonly digest: Uint8Array;
  readonly chunkDigests: readonly Uint8Array[];
  readonly chunks: readonly Uint8Array[];
}

/** All that a snapshot shows, copied; its chunks checked one by one. */
export function impressionOf(report: Report, hash: Crypto['hash'], service: Service): Impression | undefined {
  return attempt(report, 'snapshot', () => {
    const snapshot = service.snapshot();
    const chunks = snapshot.chunks();
    const impression: Impression = {
      snapshot,
      digest: snapshot.digest().slice(),
      chunkDigests: chunks.map((chunk) => chunk.digest.slice()),
      chunks: chunks.map((chunk) => chunk.bytes().slice()),
    };
    check(report, 'chunk-length', chunks.length > 0, 'a state has at least one chunk');
    for (const [i, bytes] of impression.chunks.entries()) {
      check(report, 'chunk-length', bytes.length <= CHUNK_BYTES_MAX, `chunk ${i} has ${bytes.length} bytes`);
      check(report, 'chunk-digest', equalBytes(hash(bytes), impression.chunkDigests[i]!), `chunk ${i}`);
    }
    return impression;
  });
}

/** Digest and chunks of two moments or two instances that must not differ. */
export function compareImpressions(
  report: Report,
  rule: Rule,
  a: Impression | undefined,
  b: Impression | undefined,
): void {
  if (a === undefined || b === undefined) return;
  check(report, rule, equalBytes(a.digest, b.digest), 'the digests differ');
  check(report, rule, sameChunks(a, b), 'the chunks differ');
}

export function sameChunks(a: Impression, b: Impression): boolean {
  return a.chunks.length === b.chunks.length && a.chunks.every((bytes, i) => equalBytes(bytes, b.chunks[i]!));
}

/** That an old snapshot still shows what it showed. */
export function checkUnchanged(report: Report, hash: Crypto['hash'], before: Impression): void {
  const now = impressionOf(report, hash, { snapshot: () => before.snapshot } as Service);
  compareImpressions(report, 'snapshot-immutable', before, now);
}

/** A snapshot that is prepared bit by bit, and what another instance shows of the same state. */
export interface Preparation {
  readonly snapshot: Snapshot;
  readonly expected: Impression | undefined;
}

/** So few bytes that a small state takes several slices. */
const SLICE_BYTES = 100;
/** More slices than any state of this suite needs. */
const SLICES_MAX = 100_000;

/** One slice; answers whether nothing is left to do. */
export function prepareSlice(report: Report, { snapshot }: Preparation): boolean {
  return attempt(report, 'prepare', () => snapshot.prepare?.(SLICE_BYTES) ?? true) ?? true;
}

/** The remaining slices, and that the snapshot is what it would have been without. */
export function checkPrepared(report: Report, hash: Crypto['hash'], preparation: Preparation): void {
  let slices = 0;
  while (!prepareSlice(report, preparation) && slices < SLICES_MAX) slices++;
  check(report, 'prepare', slices < SLICES_MAX, `not done after ${SLICES_MAX} slices`);
  const { snapshot, expected } = preparation;
  const prepared = impressionOf(report, hash, { snapshot: () => snapshot } as Service);
  compareImpressions(report, 'prepare', expected, prepared);
}

/** A new instance restored from the snapshot, which must equal it although the chunks are scribbled over afterwards. */
export function restored(
  report: Report,
  hash: Crypto['hash'],
  factory: ServiceFactory,
  from: Impression,
): Service | undefined {
  const chunks = from.chunks.map((bytes) => bytes.slice());
  const service = factory();
  const done = attempt(report, 'restore', () => {
    service.restore(chunks);
    return true;
  });
  check(report, 'restore', done === true, 'chunks of a snapshot are refused');
  if (!done) return undefined;
  compareImpressions(report, 'restore', from, impressionOf(report, hash, service));
  for (const bytes of chunks) bytes.fill(0xaa);
  compareImpressions(report, 'aliasing', from, impressionOf(report, hash, service));
  return service;
}

/** Chunks that are not the snapshot's must not pass for it. */
export function checkBadChunks(report: Report, factory: ServiceFactory, from: Impression): void {
  const last = from.chunks.at(-1)!;
  const others: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['no chunk', []],
    ['last chunk missing', from.chunks.slice(0, -1)],
    ['last byte missing', [...from.chunks.slice(0, -1), last.subarray(0, -1)]],
    ['a byte more', [...from.chunks.slice(0, -1), concatBytes(last, Uint8Array.of(0))]],
    ['an empty chunk more', [...from.chunks, new Uint8Array(0)]],
    ['the first chunk twice', [from.chunks[0]!, ...from.chunks]],
    ['a bit of the last byte changed', [...from.chunks.slice(0, -1), withBitChanged(last)]],
  ];
  for (const [what, chunks] of others) {
    if (keyOfChunks(chunks) === keyOfChunks(from.chunks)) continue;
    check(report, 'bad-chunks', !passes(factory, chunks, from.digest), what);
  }
}

function passes(factory: ServiceFactory, chunks: readonly Uint8Array[], digest: Uint8Array): boolean {
  try {
    const service = factory();
    service.restore(chunks);
    return equalBytes(service.snapshot().digest(), digest);
  } catch (error) {
    return !(error instanceof Error);
  }
}

function withBitChanged(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  if (changed.length > 0) changed[changed.length - 1]! ^= 1;
  return changed;
}

function keyOfChunks(chunks: readonly Uint8Array[]): string {
  return chunks.map((chunk) => `${chunk.length}:${keyOf(chunk)}`).join();
}
