import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree } from '../../src/crypto/log-tree.ts';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import type { DurableRecord } from '../../src/protocol/records.ts';
import type { SnapshotToWrite } from '../../src/protocol/replica/io.ts';
import { DISK_TIMES, type Disk, makeDisk } from '../../src/simulator/disk.ts';
import { makeKernel } from '../../src/simulator/kernel.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { digest, signature } from './support.ts';

const suspected = (view: number): DurableRecord => ({ type: 'suspected', view });
const body = (sequenceNumber: number): DurableRecord => ({
  type: 'body',
  sequenceNumber,
  batch: { timeMs: sequenceNumber, requests: [] },
});
const accepted = (sequenceNumber: number): DurableRecord => ({
  type: 'accepted',
  header: { view: 0, sequenceNumber, batchDigest: digest(1), signature },
});

function diskOf(seed = 1) {
  const kernel = makeKernel();
  const durable: DurableRecord[] = [];
  const disk = makeDisk({
    kernel,
    random: makeRandom(seed),
    times: DISK_TIMES,
    hash: mixingHash,
    onDurable: (record) => durable.push(record),
    onSnapshotDurable: () => {},
  });
  return { kernel, disk, durable };
}

const never = () => expect.unreachable('the disk is well');

const viewsOf = (records: readonly DurableRecord[]) =>
  records.map((record) => (record.type === 'suspected' ? record.view : -1));

describe('disk', () => {
  it('keeps what was synced and some prefix of the rest, whatever the seed', () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const { kernel, disk, durable } = diskOf(seed);
      disk.append([suspected(0), suspected(1)]);
      disk.sync(() => {}, never);
      kernel.runUntil(1_000_000);
      disk.append([suspected(2), suspected(3)]);
      disk.crash();
      const kept = viewsOf(disk.recover().records);
      expect(kept).toEqual([0, 1, 2, 3].slice(0, kept.length));
      expect(viewsOf(durable)).toEqual(kept);
      lengths.add(kept.length);
    }
    expect([...lengths].sort()).toEqual([2, 3, 4]);
  });

  it('says that a sync is done only if the machine lived until then, and only of what was there when it began', () => {
    const { kernel, disk } = diskOf();
    let done = 0;
    disk.append([suspected(0)]);
    disk.sync(() => done++, never);
    disk.append([suspected(1)]);
    kernel.runUntil(1_000_000);
    expect([done, disk.synced]).toEqual([1, 1]);
    disk.sync(() => done++, never);
    disk.crash();
    kernel.runUntil(2_000_000);
    expect(done).toBe(1);
  });

  it('deletes whole segments from the front and nothing above the s', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 60 }), fc.nat(30), (numbers, below) => {
        const { kernel, disk } = diskOf();
        disk.append(numbers.map((s) => (s === 0 ? suspected(1) : accepted(s))));
        disk.sync(() => {}, never);
        kernel.runUntil(1_000_000);
        const position = disk.appended;
        disk.discard(below, position);
        const left = disk.recover().records;
        const deleted = numbers.slice(0, numbers.length - left.length);
        expect(deleted.every((s) => s <= below)).toBe(true);
        expect([disk.appended, disk.synced]).toEqual([position, position]);
      }),
    );
  });

  it('loses damaged records, and says so of promises', () => {
    const { kernel, disk } = diskOf();
    disk.append([accepted(1), body(1), accepted(2)]);
    disk.sync(() => {}, never);
    kernel.runUntil(1_000_000);
    expect(disk.damage('other')).toBe('body');
    expect(disk.damage('other')).toBeUndefined();
    expect(disk.recover()).toMatchObject({
      promisesLost: false,
      records: [{ type: 'accepted' }, { type: 'accepted' }],
    });
    expect([...disk.recover().bodies.read(1)]).toEqual([]);
    expect(disk.damage('promise')).toBe('accepted');
    expect(disk.recover()).toMatchObject({ promisesLost: true, records: [{ type: 'accepted' }] });
    disk.empty();
    expect(disk.recover()).toMatchObject({ promisesLost: true, records: [], snapshot: undefined });
  });

  const summary = {
    timeMs: 0,
    manifestRoot: digest(1),
    chunks: 1,
    sessionChunks: 1,
    sessionsDigest: digest(1),
    serviceDigest: digest(1),
  };

  /** A snapshot at s, of the leaves that the disk holds by then. */
  function snapshotAt(disk: Disk, sequenceNumber: number): SnapshotToWrite {
    const leaves = memoryLeafStore();
    for (let index = 0; index < sequenceNumber; index++) leaves.append(disk.leaves.read(index));
    const logRoot = createLogTree(mixingHash, leaves).root();
    const entry = { sequenceNumber, hashChainDigest: digest(1), repliesRoot: digest(1), logRoot };
    const chunk = { digest: digest(3), bytes: () => digest(sequenceNumber) };
    return { sequenceNumber, entry, summary, chunks: [chunk], windowChunks: [] };
  }

  /** Ten leaves, and snapshots at 4 and 6. */
  function diskWithSnapshots(seed: number) {
    const { kernel, disk } = diskOf(seed);
    for (let i = 0; i < 10; i++) disk.leaves.append(digest(i));
    let done = 0;
    for (const s of [4, 6]) {
      disk.writeSnapshot(snapshotAt(disk, s), () => done++, never);
      kernel.runUntil(s * 1_000_000);
    }
    expect(done).toBe(2);
    return { kernel, disk };
  }

  it('keeps the leaves up to the durable snapshot', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { disk } = diskWithSnapshots(seed);
      disk.crash();
      expect(disk.leaves.size).toBeGreaterThanOrEqual(6);
      expect(disk.leaves.read(5)).toEqual(digest(5));
      expect(disk.recover().snapshot).toMatchObject({ sequenceNumber: 6, chunks: [digest(6)] });
    }
  });

  it('gives an older snapshot for a damaged one, and none without the leaves that lead to it', () => {
    const found = new Set<number | undefined>();
    for (let seed = 0; seed < 50; seed++) {
      const { disk } = diskWithSnapshots(seed);
      expect(disk.damage('snapshot')).toBe('snapshot');
      const after = disk.recover().snapshot?.sequenceNumber;
      expect([4, 6]).toContain(after);
      expect(disk.damage('snapshot')).toBe('snapshot');
      expect(disk.damage('snapshot')).toBeUndefined();
      expect(disk.recover()).toMatchObject({ snapshot: undefined, promisesLost: false });
      const other = diskWithSnapshots(seed).disk;
      expect(other.damage('leaf')).toBe('leaf');
      found.add(other.recover().snapshot?.sequenceNumber);
    }
    expect(found).toEqual(new Set([undefined, 4, 6]));
  });

  it('deletes snapshots below what is discarded', () => {
    const { disk } = diskWithSnapshots(1);
    disk.discard(6, 0);
    disk.damage('snapshot');
    expect(disk.recover().snapshot).toBeUndefined();
  });

  it('refuses one sync, or all of them while it is full, or only snapshots; nothing of it is durable then', () => {
    for (const [trouble, expected] of [
      ['failing-sync', ['sync failed', 'synced']],
      ['full', ['sync failed', 'sync failed']],
      ['full-for-snapshots', ['synced', 'synced']],
    ] as const) {
      const { kernel, disk, durable } = diskOf();
      const said: string[] = [];
      const sync = () =>
        disk.sync(
          () => said.push('synced'),
          () => said.push('sync failed'),
        );
      disk.append([suspected(0)]);
      disk.trouble = trouble;
      sync();
      kernel.runUntil(1_000_000);
      expect(durable.length).toBe(expected[0] === 'synced' ? 1 : 0);
      sync();
      kernel.runUntil(2_000_000);
      expect(said).toEqual(expected);
    }
    const { kernel, disk } = diskOf();
    disk.leaves.append(digest(0));
    disk.trouble = 'full-for-snapshots';
    let failed = 0;
    disk.writeSnapshot(snapshotAt(disk, 1), never, () => failed++);
    kernel.runUntil(1_000_000);
    expect([failed, disk.recover().snapshot]).toEqual([1, undefined]);
  });

  it('keeps pieces of a transfer until it ends', () => {
    const { kernel, disk } = diskOf();
    disk.keepChunk({ digest: digest(1), bytes: () => digest(2) });
    kernel.runUntil(1_000_000);
    disk.crash();
    expect(disk.recover().receivedChunks).toEqual([digest(2)]);
    disk.endTransfer();
    expect(disk.recover().receivedChunks).toEqual([]);
  });
});
