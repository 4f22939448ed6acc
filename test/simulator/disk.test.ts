import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DurableRecord } from '../../src/protocol/records.ts';
import { DISK_TIMES, makeDisk } from '../../src/simulator/disk.ts';
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
    onDurable: (record) => durable.push(record),
    onSnapshotDurable: () => {},
  });
  return { kernel, disk, durable };
}

const viewsOf = (records: readonly DurableRecord[]) =>
  records.map((record) => (record.type === 'suspected' ? record.view : -1));

describe('disk', () => {
  it('keeps what was synced and some prefix of the rest, whatever the seed', () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const { kernel, disk, durable } = diskOf(seed);
      disk.append([suspected(0), suspected(1)]);
      disk.sync(() => {});
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
    disk.sync(() => done++);
    disk.append([suspected(1)]);
    kernel.runUntil(1_000_000);
    expect([done, disk.synced]).toEqual([1, 1]);
    disk.sync(() => done++);
    disk.crash();
    kernel.runUntil(2_000_000);
    expect(done).toBe(1);
  });

  it('deletes whole segments from the front and nothing above the s', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 60 }), fc.nat(30), (numbers, below) => {
        const { kernel, disk } = diskOf();
        disk.append(numbers.map((s) => (s === 0 ? suspected(1) : accepted(s))));
        disk.sync(() => {});
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
    disk.sync(() => {});
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

  it('keeps the leaves up to the durable snapshot', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { kernel, disk } = diskOf(seed);
      for (let i = 0; i < 10; i++) disk.leaves.append(digest(i));
      const entry = {
        sequenceNumber: 6,
        hashChainDigest: digest(1),
        repliesRoot: digest(1),
        logRoot: digest(1),
      };
      const summary = {
        timeMs: 0,
        manifestRoot: digest(1),
        chunks: 1,
        sessionChunks: 1,
        sessionsDigest: digest(1),
        serviceDigest: digest(1),
      };
      const chunk = { digest: digest(3), bytes: () => digest(4) };
      let done = 0;
      disk.writeSnapshot(
        { sequenceNumber: 6, entry, summary, chunks: [chunk], windowChunks: [] },
        () => done++,
      );
      kernel.runUntil(1_000_000);
      disk.crash();
      expect(done).toBe(1);
      expect(disk.leaves.size).toBeGreaterThanOrEqual(6);
      expect(disk.leaves.read(5)).toEqual(digest(5));
      expect(disk.recover().snapshot).toMatchObject({ sequenceNumber: 6, chunks: [digest(4)] });
    }
  });
});
