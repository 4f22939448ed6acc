/**
 * A replica's disk: a log whose tail is lost in a crash unless it was synced, snapshots, the leaves of the log tree, and pieces of a transfer that was
 * under way. It keeps bytes, and hands them out decoded after a restart, as the real storage does.
 *
 * What it may do to a replica is what real disks do: lose any part of what was not synced, tear the last record, flip bits, be slow, refuse a
 * sync, be full, or come back empty. Modelled is what src/storage and src/node/recover.ts make of that, not files: a record or snapshot that was torn
 * or damaged is left out, since its checksum or digest tells; a promise is lost only with both copies; leaves have no checksums and are
 * held against the log root of the snapshot; an older snapshot takes the place of a damaged one.
 */

import { decode } from '../codec/index.ts';
import { type LeafStore, memoryLeafStore } from '../crypto/leaf-store.ts';
import { createLogTree } from '../crypto/log-tree.ts';
import type { Crypto } from '../crypto/port.ts';
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
import type { Chunk } from '../services/service.ts';
import { assert } from '../types/assert.ts';
import { equalBytes } from '../types/bytes.ts';
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
  readonly hash: Crypto['hash'];
  readonly onDurable: (record: DurableRecord) => void;
  readonly onSnapshotDurable: (snapshot: SnapshotToWrite) => void;
}

/** How a disk fails: the next sync does, once; it has no room for snapshots; it has no room at all. */
export type DiskTrouble = 'failing-sync' | 'full-for-snapshots' | 'full';

export interface Disk {
  /** Syncs and snapshots take up to so many microseconds, instead of the usual. */
  slowUs: number | undefined;
  trouble: DiskTrouble | undefined;
  /** Records ever appended: the position after the last one. */
  readonly appended: number;
  /** Records before this position survive a crash. */
  readonly synced: number;
  /** Log records held now. */
  readonly size: number;
  /** The log tree's leaves, for the running process. */
  readonly leaves: LeafStore;
  append(records: readonly DurableRecord[]): void;
  /** Makes everything appended so far durable; nothing is called if the machine crashes before. */
  sync(done: () => void, failed: () => void): void;
  /** Writes it beside the log, after a sync. As above; `failed` if there is no room. */
  writeSnapshot(snapshot: SnapshotToWrite, done: () => void, failed: () => void): void;
  /** Keeps a piece that a transfer received, from some time later on. */
  keepChunk(chunk: Chunk): void;
  endTransfer(): void;
  /** Deletes from the front what holds nothing above `below`, but nothing at or after `position`, and older snapshots; all of it must be synced. */
  discard(below: SequenceNumber, position: number): void;
  /** Power fails: of what was not synced an arbitrary prefix survives. */
  crash(): void;
  /** Everything is gone, as if the disk had been replaced. */
  empty(): void;
  /**
   * Flips a bit in one arbitrary record of the kind or type (a promise in both of its copies), snapshot or leaf. Answers what it was; undefined
   * if there is none.
   */
  damage(kind: Damage): RecordType | 'snapshot' | 'leaf' | undefined;
  /** What a restart finds. */
  recover(): Recovered;
}

/** `promise` and `other` tell apart what is written twice and what peers can give again. */
export type Damage = 'promise' | 'other' | 'snapshot' | 'leaf' | RecordType;

interface Stored {
  readonly record: DurableRecord;
  readonly bytes: Uint8Array;
  damaged: boolean;
}

interface StoredSnapshot {
  readonly content: RecoveredSnapshot;
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
  /** By ascending s. */
  let snapshots: StoredSnapshot[] = [];
  let receivedChunks: Uint8Array[] = [];
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

  /** Whether the leaves up to the snapshot lead to its log root. */
  function fitsLeaves({ sequenceNumber, entry }: RecoveredSnapshot): boolean {
    if (leaves.size < sequenceNumber) return false;
    const beginning = memoryLeafStore();
    for (let index = 0; index < sequenceNumber; index++) beginning.append(leaves.read(index));
    return equalBytes(createLogTree(options.hash, beginning).root(), entry.logRoot);
  }

  function damageLeaf(): 'leaf' | undefined {
    if (leaves.size === 0) return undefined;
    const victim = random.below(leaves.size);
    const damaged = memoryLeafStore();
    for (let index = 0; index < leaves.size; index++) {
      const leaf = leaves.read(index);
      if (index === victim) leaf[random.below(leaf.length)]! ^= 1 << random.below(8);
      damaged.append(leaf);
    }
    leaves = damaged;
    return 'leaf';
  }

  const disk: Disk = {
    slowUs: undefined,
    trouble: undefined,
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
    sync(done, failed) {
      const position = appended();
      later(disk.slowUs ?? times.syncMaxUs, () => {
        if (disk.trouble === 'failing-sync' || disk.trouble === 'full') {
          if (disk.trouble === 'failing-sync') disk.trouble = undefined;
          failed();
          return;
        }
        settle(position);
        done();
      });
    },
    keepChunk(chunk) {
      const bytes = chunk.bytes().slice();
      later(disk.slowUs ?? times.snapshotMaxUs, () => receivedChunks.push(bytes));
    },
    endTransfer() {
      receivedChunks = [];
    },
    writeSnapshot(written, done, failed) {
      const content: RecoveredSnapshot = {
        sequenceNumber: written.sequenceNumber,
        entry: written.entry,
        summary: written.summary,
        chunks: written.chunks.map((chunk) => chunk.bytes().slice()),
        windowChunks: written.windowChunks.map((chunk) => chunk.bytes().slice()),
      };
      const position = appended();
      later(disk.slowUs ?? times.snapshotMaxUs, () => {
        if (disk.trouble === 'full' || disk.trouble === 'full-for-snapshots') {
          failed();
          return;
        }
        settle(position);
        snapshots = snapshots.filter((other) => other.content.sequenceNumber !== content.sequenceNumber);
        snapshots.push({ content, damaged: false });
        snapshots.sort((a, b) => a.content.sequenceNumber - b.content.sequenceNumber);
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
      snapshots = snapshots.filter(({ content }) => content.sequenceNumber >= below);
    },
    crash() {
      process++;
      const survives = random.between(synced, appended());
      settle(survives);
      log.length = synced - base;
      // Leaves are written behind the log: those up to the durable snapshot are safe, later ones may be lost.
      const safe = Math.min(snapshots.at(-1)?.content.sequenceNumber ?? 0, leaves.size);
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
      snapshots = [];
      receivedChunks = [];
      leaves = memoryLeafStore();
      promisesLost = true;
    },
    damage(kind) {
      if (kind === 'leaf') return damageLeaf();
      if (kind === 'snapshot') {
        const whole = snapshots.filter(({ damaged }) => !damaged);
        if (whole.length === 0) return undefined;
        random.pick(whole).damaged = true;
        return 'snapshot';
      }
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
      const whole = snapshots.filter(({ damaged, content }) => !damaged && fitsLeaves(content));
      return { snapshot: whole.at(-1)?.content, records, bodies, promisesLost, receivedChunks };
    },
  };
  return disk;
}

function decodeRecord(bytes: Uint8Array): DurableRecord {
  const decoded = decode(recordSchema, bytes);
  assert(decoded.ok, 'a record of our own must decode');
  return decoded.value;
}
