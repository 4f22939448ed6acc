/** The log over both file layers: order, groups, rotation, discarding, and the stop after a failure. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLog, openLog } from '../../src/storage/log.ts';
import type { LogRecord } from '../../src/storage/log-record.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { LAYERS } from './layers.ts';
import { appendAll, body, DIRECTORY, ON_DISK, promise, recover, SALT, show } from './log-helpers.ts';
import { randomFrom } from './random.ts';

describe.each(LAYERS)('log with files %s', (_, withFiles) => {
  it('gives back what was appended, in order, over any number of openings and segments', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            kind: fc.nat(255),
            sequenceNumber: fc.oneof(fc.nat(9), fc.constant(Number.MAX_SAFE_INTEGER)),
            payload: fc.uint8Array({ maxLength: 200 }),
            mirrored: fc.boolean(),
            next: fc.constantFrom('', '', 'sync', 'rotate', 'reopen'),
          }),
          { maxLength: 25 },
        ),
        async (steps) => {
          await withFiles(async (files, base) => {
            await formatLog(files, `${base}/log`, SALT);
            const options = { durability: 'disk', segmentBytes: 500 } as const;
            let { log } = await openLog(files, `${base}/log`, options);
            const expected: LogRecord[] = [];
            for (const { next, ...record } of steps) {
              log.append(record);
              expected.push(record);
              if (next === 'sync') await log.sync();
              if (next === 'rotate') log.rotate();
              if (next !== 'reopen') continue;
              await log.close();
              const opened = await openLog(files, `${base}/log`, options);
              log = opened.log;
              expect(show(opened.recovered.records)).toEqual(show(expected));
            }
            const { bytes } = log;
            await log.close();
            let onDisk = 0;
            for (const name of await files.list(`${base}/log`))
              onDisk += (await files.status(`${base}/log/${name}`))!.size;
            // A last rotation may still owe its header.
            expect(onDisk - bytes).toBeGreaterThanOrEqual(0);
            const { records, damage, tornBytes } = await recover(files, `${base}/log`);
            expect(show(records)).toEqual(show(expected));
            expect({ damage, tornBytes }).toEqual({ damage: [], tornBytes: 0 });
          });
        },
      ),
      { numRuns: 40 },
    ));

  it('is only found where it was created, and only created in an empty place', () =>
    withFiles(async (files, base) => {
      await expect(openLog(files, `${base}/log`, ON_DISK)).rejects.toMatchObject({ code: 'NOT_FORMATTED' });
      await files.makeDirectory(`${base}/log`);
      await expect(openLog(files, `${base}/log`, ON_DISK)).rejects.toMatchObject({ code: 'NOT_FORMATTED' });
      await formatLog(files, `${base}/log`, SALT);
      await expect(formatLog(files, `${base}/log`, SALT)).rejects.toMatchObject({ code: 'NOT_EMPTY' });
      const recovered = await recover(files, `${base}/log`);
      expect(recovered).toEqual({ records: [], damage: [], tornBytes: 0 });
    }));

  it('discards the oldest sealed segments below a number, and nothing else', () =>
    withFiles(async (files, base) => {
      await formatLog(files, `${base}/log`, SALT);
      const { log } = await openLog(files, `${base}/log`, ON_DISK);
      for (const numbers of [[1, 2], [5, 3], [4], [6]]) {
        log.rotate();
        await appendAll(
          log,
          numbers.map((s) => promise(s)),
        );
      }
      const before = log.bytes;
      await log.discardBelow(5);
      expect(log.bytes).toBeLessThan(before);
      // Segment [4] lies behind [5, 3], which is still needed.
      expect((await recover(files, `${base}/log`)).records.map((r) => r.sequenceNumber)).toEqual([
        5, 3, 4, 6,
      ]);
      await log.discardBelow(1000);
      const left = await recover(files, `${base}/log`);
      expect(left.records.map((r) => r.sequenceNumber)).toEqual([6]);
      expect(left.damage).toEqual([]);
      await appendAll(log, [body(7)]);
      await log.close();
      expect((await recover(files, `${base}/log`)).records.map((r) => r.sequenceNumber)).toEqual([6, 7]);
    }));

  it('moves what it discards into the archive, which with the log holds every record in order', () =>
    withFiles(async (files, base) => {
      await formatLog(files, `${base}/log`, SALT);
      const archiveDirectory = `${base}/archive`;
      await files.makeDirectory(archiveDirectory);
      const { log } = await openLog(files, `${base}/log`, { ...ON_DISK, archiveDirectory });
      for (const s of [1, 2, 3]) {
        log.rotate();
        await appendAll(log, [promise(s), body(s)]);
      }
      await log.discardBelow(3);
      await log.close();
      expect(await files.list(archiveDirectory)).toEqual(['main-0000000001.log', 'main-0000000002.log']);
      expect(await files.list(`${base}/log`)).toEqual(['main-0000000003.log', 'mirror-0000000003.log']);
      for (const name of await files.list(archiveDirectory)) {
        await files.link(`${archiveDirectory}/${name}`, `${base}/log/${name}`);
      }
      const whole = await recover(files, `${base}/log`);
      expect(whole.records.map((r) => [r.kind, r.sequenceNumber])).toEqual([
        [2, 1],
        [1, 1],
        [2, 2],
        [1, 2],
        [2, 3],
        [1, 3],
      ]);
    }));

  it('a power failure while segments move leaves each of them in the log, in the archive, or in both', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(12), async (seed, failAt) => {
        const files = createMemoryFiles();
        await formatLog(files, DIRECTORY, SALT);
        const archiveDirectory = 'data/archive';
        await files.makeDirectory(archiveDirectory);
        const { log } = await openLog(files, DIRECTORY, { ...ON_DISK, archiveDirectory });
        for (const s of [1, 2, 3]) {
          log.rotate();
          await appendAll(log, [promise(s)]);
        }
        let operations = 0;
        files.faults.beforeOperation = () => {
          if (operations++ >= failAt) throw new StorageError('IO', 'the power fails');
        };
        await log.discardBelow(3).catch(() => undefined);
        files.faults.beforeOperation = undefined;
        const after = files.crash(randomFrom(seed));
        const kept = new Set([...(await after.list(archiveDirectory)), ...(await after.list(DIRECTORY))]);
        for (const number of [1, 2, 3]) expect(kept).toContain(`main-000000000${number}.log`);
        // And the log opens: no record is missing between two.
        expect((await recover(after)).damage.filter((piece) => !piece.repaired)).toEqual([]);
      }),
      { numRuns: 200 },
    ));

  it('with durability in memory everything is still written', () =>
    withFiles(async (files, base) => {
      await formatLog(files, `${base}/log`, SALT);
      const { log } = await openLog(files, `${base}/log`, { durability: 'memory' });
      await appendAll(log, [body(1), promise(2)]);
      await log.close();
      expect(show((await recover(files, `${base}/log`)).records)).toEqual(show([body(1), promise(2)]));
    }));

  it('refuses records that have no representation, naming what is wrong', () =>
    withFiles(async (files, base) => {
      await formatLog(files, `${base}/log`, SALT);
      const { log } = await openLog(files, `${base}/log`, ON_DISK);
      expect(() => log.append({ ...body(1), kind: 256 })).toThrow('0…255');
      expect(() => log.append({ ...body(1), sequenceNumber: -1 })).toThrow('sequenceNumber');
      await log.close();
      expect(() => log.append(body(1))).toThrow('closed');
      await expect(log.sync()).rejects.toMatchObject({ code: 'CLOSED' });
    }));
});

describe('groups', () => {
  it('calls during a write share the next one: one write and one fsync for each file', async () => {
    const files = createMemoryFiles();
    await formatLog(files, DIRECTORY, SALT);
    const { log } = await openLog(files, DIRECTORY, ON_DISK);
    const operations: string[] = [];
    const blocked: (() => void)[] = [];
    files.faults.beforeOperation = ({ name }) => {
      operations.push(name);
      return name === 'sync' ? new Promise<void>((resolve) => void blocked.push(resolve)) : undefined;
    };
    const release = (): void => {
      for (const resolve of blocked.splice(0)) resolve();
    };
    const settled: number[] = [];
    const appendAndSync = (i: number): Promise<void> => {
      log.append(promise(i));
      return log.sync().then(() => void settled.push(i));
    };
    const first = appendAndSync(0);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await turn();
    const others = [1, 2, 3].map(appendAndSync);
    const nothingNew = log.sync();
    await turn();
    expect(settled).toEqual([]);
    release();
    await first;
    expect(settled).toEqual([0]);
    await turn();
    release();
    await Promise.all([...others, nothingNew]);
    expect(settled).toEqual([0, 1, 2, 3]);
    expect(operations.filter((name) => name === 'write')).toHaveLength(4);
    expect(operations.filter((name) => name === 'sync')).toHaveLength(4);
    expect(log.stats).toMatchObject({ syncs: 2, records: 4 });
    await log.sync();
    expect(log.stats.syncs).toBe(2);
  });

  it('with durability in memory nothing is synced', async () => {
    const files = createMemoryFiles();
    await formatLog(files, DIRECTORY, SALT);
    const { log } = await openLog(files, DIRECTORY, { durability: 'memory' });
    const operations: string[] = [];
    files.faults.beforeOperation = ({ name }) => void operations.push(name);
    await appendAll(log, [promise(1)]);
    log.rotate();
    await appendAll(log, [promise(2)]);
    expect(operations).toEqual(['write', 'write', 'open', 'open', 'write', 'write']);
  });

  it('a sync without new records waits for the group being written', async () => {
    const files = createMemoryFiles();
    await formatLog(files, DIRECTORY, SALT);
    const { log } = await openLog(files, DIRECTORY, ON_DISK);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    files.faults.beforeOperation = ({ name }) => (name === 'sync' ? released : undefined);
    log.append(body(1));
    const first = log.sync();
    await new Promise((resolve) => setImmediate(resolve));
    let done = false;
    const second = log.sync().then(() => {
      done = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    release();
    await Promise.all([first, second]);
  });
});

describe('failures', () => {
  it('a full disk stops the log; after space is made and a new start all that was synced is there', async () => {
    for (let room = 0; room < 400; room += 7) {
      const files = createMemoryFiles();
      await formatLog(files, DIRECTORY, SALT);
      const { log } = await openLog(files, DIRECTORY, { durability: 'disk', segmentBytes: 250 });
      files.faults.capacityBytes = 96 + room;
      const synced: LogRecord[] = [];
      let failure: unknown;
      for (let i = 1; i < 20 && failure === undefined; i++) {
        log.append(promise(i));
        await log.sync().then(
          () => synced.push(promise(i)),
          (error) => {
            failure = error;
          },
        );
      }
      expect(failure).toBeInstanceOf(StorageError);
      expect(failure).toMatchObject({ code: 'DISK_FULL', cause: { code: 'DISK_FULL' } });
      files.faults.capacityBytes = Number.POSITIVE_INFINITY;
      // It would succeed now, but nobody knows any more what the disk has.
      await expect(log.sync()).rejects.toBe(failure);
      expect(() => log.append(body(1))).toThrow(failure as Error);
      await expect(log.discardBelow(100)).rejects.toBe(failure);
      await log.close();
      const { records, damage } = await recover(files);
      expect(show(records).slice(0, synced.length)).toEqual(show(synced));
      expect(damage.filter((d) => !d.repaired)).toEqual([]);
    }
  });

  it.each(['main', 'mirror'])(
    'an fsync of the %s file that fails is never tried again, and all waiters hear of it',
    async (copy) => {
      const files = createMemoryFiles();
      await formatLog(files, DIRECTORY, SALT);
      const { log } = await openLog(files, DIRECTORY, ON_DISK);
      await appendAll(log, [promise(1)]);
      let syncs = 0;
      files.faults.beforeOperation = ({ name, path }) => {
        if (name !== 'sync' || !path.includes(copy)) return;
        syncs++;
        throw new StorageError('IO', 'the device is gone');
      };
      log.append(promise(2));
      const first = log.sync();
      await Promise.resolve();
      await Promise.resolve();
      log.append(promise(3));
      const second = log.sync();
      const outcomes = await Promise.allSettled([first, second, log.sync()]);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'IO' } });
      files.faults.beforeOperation = undefined;
      await expect(log.sync()).rejects.toMatchObject({ code: 'IO' });
      expect(syncs).toBe(1);
      expect(show((await recover(files.crash())).records)[0]).toEqual(show([promise(1)])[0]);
    },
  );

  it('a crash at any operation of rotation and discarding leaves a log without damage', async () => {
    for (let allowed = 0; allowed < 45; allowed++) {
      for (const random of [undefined, () => 0, (bound: number) => bound - 1]) {
        let files = createMemoryFiles();
        await formatLog(files, DIRECTORY, SALT);
        const { log } = await openLog(files, DIRECTORY, ON_DISK);
        let left = allowed;
        files.faults.beforeOperation = () => {
          if (left-- <= 0) throw new Error('power is gone');
        };
        let discarded = 0;
        try {
          for (let s = 1; s <= 4; s++) {
            await appendAll(log, [body(s), promise(s)]);
            log.rotate();
            if (s === 3) {
              discarded = 2;
              await Promise.all([log.discardBelow(2), log.discardBelow(3)]);
            }
          }
        } catch {}
        files = files.crash(random);
        const { records, damage } = await recover(files);
        const numbers = records.filter((r) => r.mirrored).map((r) => r.sequenceNumber);
        expect(numbers.filter((s) => s > discarded)).toEqual(
          [1, 2, 3, 4].filter((s) => s > discarded && s <= (numbers.at(-1) ?? 0)),
        );
        expect(damage.filter((d) => !d.repaired)).toEqual([]);
      }
    }
  });
});
