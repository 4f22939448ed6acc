/**
 * A replica's disk: a log whose tail is lost in a crash unless it was synced, snapshots, and the leaves of the log tree. It keeps bytes, and
 * hands them out decoded after a restart, as the real storage does.
 *
 * What it may do to a replica is what real disks do: lose any part of what was not synced, damage a record, or come back empty.
 */

import { decode } from '../codec/index.ts';
import { type LeafStore, memoryLeafStore } from '../crypto/leaf-store.ts';
import {
  type DurableRecord,
  encodeRecord,
  isPromise,
  type RecordType,
  recordSchema,
  recordSequenceNumber,
} from '../protocol/records.ts';
import type { BodyStore } from '../protocol/replica/body-store.ts';
import type { Recovered, RecoveredSnapshot } from '../protocol/replica/index.ts';
import type { SnapshotToWrite } from '../protocol/replica/io.ts';
import { assert } from '../types/assert.ts';
import type { SequenceNumber } from '../types/identities.ts';
import type { Kernel } from './kernel.ts';
import type { Random } from './random.ts';

export interface DiskTimes {
  /** How long a sync takes, in microseconds, at least and at most. */
  readonly syncMinUs: number;
  readonly syncMaxUs: number;
  readonly snapshotMaxUs: number;
}

export const DISK_TIMES: DiskTimes = { syncMinUs: 50, syncMaxUs: 2_000, snapshotMaxUs: 20_000 };

export interface DiskOptions {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly times: DiskTimes;
  readonly onDurable: (record: DurableRecord) => void;
  readonly onSnapshotDurable: (snapshot: SnapshotToWrite) => void;
}

export interface Disk {
  /** Records ever appended: the position after the last one. */
  readonly appended: number;
  /** Records before this position survive a crash. */
  readonly synced: number;
  /** Log records held now. */
  readonly size: number;
  /** The log tree's leaves, for the running process. */
  readonly leaves: LeafStore;
  append(records: readonly DurableRecord[]): void;
  /** Makes everything appended so far durable; `done` is not called if the machine crashes before. */
  sync(done: () => void): void;
  /** Writes it beside the log, after a sync. `done` as above. */
  writeSnapshot(snapshot: SnapshotToWrite, done: () => void): void;
  /** Deletes from the front what holds nothing above `below`, but nothing at or after `position`; all of it must be synced. */
  discard(below: SequenceNumber, position: number): void;
  /** Power fails: of what was not synced an arbitrary prefix survives. */
  crash(): void;
  /** Everything is gone, as if the disk had been replaced. */
  empty(): void;
  /** Damages one arbitrary record of the kind or type: a promise in both of its copies. Answers which type it was. */
  damage(kind: Damage): RecordType | undefined;
  /** What a restart finds. */
  recover(): Recovered;
}

/** `promise` and `other` tell apart what is written twice and what peers can give again. */
export type Damage = 'promise' | 'other' | RecordType;

interface Stored {
  readonly record: DurableRecord;
  readonly bytes: Uint8Array;
  damaged: boolean;
}

/** Segments are deleted whole: so many records are kept or go together. */
const SEGMENT_RECORDS = 8;

export function makeDisk(options: DiskOptions): Disk {
  const { kernel, random, times } = options;
  let log: Stored[] = [];
  /** The position of log[0]. */
  let base = 0;
  let synced = 0;
  let snapshot: RecoveredSnapshot | undefined;
  let leaves = memoryLeafStore();
  let promisesLost = false;
  /** Callbacks of an earlier process are dropped. */
  let process = 0;

  const appended = () => base + log.length;

  function settle(position: number): void {
    for (; synced < position; synced++) options.onDurable(log[synced - base]!.record);
  }

  /** Runs `action` after a while, unless the machine crashes before. */
  function later(mostUs: number, action: () => void): void {
    const begun = process;
    const leastUs = Math.min(times.syncMinUs, mostUs);
    kernel.schedule(random.between(leastUs, mostUs), () => {
      if (begun === process) action();
    });
  }

  const bodies: BodyStore = {
    sequenceNumbers: () =>
      new Set(log.flatMap(({ record }) => (record.type === 'body' ? [record.sequenceNumber] : []))),
    *read(s) {
      for (const { record, damaged, bytes } of log) {
        if (damaged || record.type !== 'body' || record.sequenceNumber !== s) continue;
        const decoded = decodeRecord(bytes);
        if (decoded.type === 'body') yield decoded.batch;
      }
    },
  };

  const disk: Disk = {
    get appended() {
      return appended();
    },
    get synced() {
      return synced;
    },
    get size() {
      return log.length;
    },
    get leaves() {
      return leaves;
    },
    append(records) {
      for (const record of records) log.push({ record, bytes: encodeRecord(record), damaged: false });
    },
    sync(done) {
      const position = appended();
      later(times.syncMaxUs, () => {
        settle(position);
        done();
      });
    },
    writeSnapshot(written, done) {
      const content: RecoveredSnapshot = {
        sequenceNumber: written.sequenceNumber,
        entry: written.entry,
        summary: written.summary,
        chunks: written.chunks.map((chunk) => chunk.bytes().slice()),
        windowChunks: written.windowChunks.map((chunk) => chunk.bytes().slice()),
      };
      const position = appended();
      later(times.snapshotMaxUs, () => {
        settle(position);
        if (snapshot === undefined || snapshot.sequenceNumber < content.sequenceNumber) snapshot = content;
        options.onSnapshotDurable(written);
        done();
      });
    },
    discard(below, position) {
      assert(position <= synced, 'only what is durable may replace what is deleted');
      let count = 0;
      while (base + count < position && recordSequenceNumber(log[count]!.record) <= below) count++;
      count -= count % SEGMENT_RECORDS;
      log.splice(0, count);
      base += count;
    },
    crash() {
      process++;
      const survives = random.between(synced, appended());
      settle(survives);
      log.length = synced - base;
      // Leaves are written behind the log: those up to the durable snapshot are safe, later ones may be lost.
      const safe = Math.min(snapshot?.sequenceNumber ?? 0, leaves.size);
      const kept = random.between(safe, leaves.size);
      const survivors = memoryLeafStore();
      for (let index = 0; index < kept; index++) survivors.append(leaves.read(index));
      leaves = survivors;
    },
    empty() {
      process++;
      base = appended();
      log = [];
      synced = base;
      snapshot = undefined;
      leaves = memoryLeafStore();
      promisesLost = true;
    },
    damage(kind) {
      const candidates = log.filter(
        ({ damaged, record }) =>
          !damaged && (record.type === kind || kind === (isPromise(record) ? 'promise' : 'other')),
      );
      if (candidates.length === 0) return undefined;
      const chosen = random.pick(candidates);
      chosen.damaged = true;
      if (isPromise(chosen.record)) promisesLost = true;
      return chosen.record.type;
    },
    recover() {
      const records = log
        .filter((stored) => !stored.damaged)
        .map((stored) => decodeRecord(stored.bytes))
        .filter((record) => record.type !== 'body');
      return { snapshot, records, bodies, promisesLost };
    },
  };
  return disk;
}

function decodeRecord(bytes: Uint8Array): DurableRecord {
  const decoded = decode(recordSchema, bytes);
  assert(decoded.ok, 'a record of our own must decode');
  return decoded.value;
}
