/** What the log promises after crashes and damage, in memory, where both can be made at will. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLog, openLog } from '../../src/storage/log.ts';
import type { Damage, LogRecord } from '../../src/storage/log-record.ts';
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/memory-files.ts';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/storage/record-frame.ts';
import { segmentName } from '../../src/storage/segment-names.ts';
import { appendAll, body, DIRECTORY, ON_DISK, promise, recover, SALT, show } from './log-helpers.ts';
import { randomFrom } from './random.ts';

const MAIN = segmentName('main', 1);
const MIRROR = segmentName('mirror', 1);

async function freshLog(): Promise<MemoryFiles> {
  const files = createMemoryFiles();
  await formatLog(files, DIRECTORY, SALT);
  return files;
}

async function logWith(...groups: LogRecord[][]): Promise<MemoryFiles> {
  const files = await freshLog();
  const { log } = await openLog(files, DIRECTORY, ON_DISK);
  for (const group of groups) await appendAll(log, group);
  return files;
}

async function sizeOf(files: MemoryFiles, name: string): Promise<number> {
  return (await files.status(`${DIRECTORY}/${name}`))!.size;
}

const isSubsequence = (part: readonly string[], whole: readonly string[]): boolean => {
  let i = 0;
  for (const element of whole) if (element === part[i]) i++;
  return i === part.length;
};

describe('recovery after crashes', () => {
  it.each([
    ['nothing unsynced survives', 'none'],
    ['a beginning of what was not synced survives, torn', 'prefix'],
    ['sectors of what was not synced survive in any order', 'sectors'],
  ])('everything synced is recovered in order and nothing is invented: %s', async (_, mode) => {
    for (let seed = 0; seed < 80; seed++) {
      const random = randomFrom(seed);
      let files = await freshLog();
      let synced: string[] = [];
      let written: string[] = [];
      let lostSoFar = 0;
      for (let life = 0; life < 4; life++) {
        const { log, recovered } = await openLog(files, DIRECTORY, { durability: 'disk', segmentBytes: 600 });
        const found = show(recovered.records);
        const context = `seed ${seed}, life ${life}`;
        expect(isSubsequence(synced, found), context).toBe(true);
        expect(isSubsequence(found, written), context).toBe(true);
        expect(
          recovered.damage.filter((damage) => damage.promiseLost),
          context,
        ).toEqual([]);
        // What was lost on the way to the last survivor is reported, also that of earlier lives.
        const reached = found.length === 0 ? 0 : written.lastIndexOf(found.at(-1)!) + 1;
        lostSoFar += reached - found.length;
        const reported = recovered.damage.filter((damage) => !damage.repaired);
        const recordsReported = reported.reduce((sum, damage) => sum + damage.records, 0);
        expect(recordsReported, context).toBe(lostSoFar);
        if (mode === 'none') expect(lostSoFar, context).toBe(0);
        synced = found;
        written = [...found];
        // A crash while the files stop to work at an arbitrary operation.
        let left = random(40);
        files.faults.beforeOperation = () => {
          if (left-- <= 0) throw new Error('power is gone');
        };
        try {
          for (let i = 0; i < 30; i++) {
            const name = `${seed}/${life}/${i}/${'x'.repeat(random(60))}`;
            const record = random(2) === 0 ? promise(i, name) : body(i, name);
            written.push(...show([record]));
            log.append(record);
            if (random(8) === 0) log.rotate();
            if (random(3) === 0) {
              await log.sync();
              synced = [...written];
            }
          }
        } catch {}
        if (mode === 'none') files = files.crash();
        if (mode === 'prefix') files = files.crash(random);
        if (mode === 'sectors') files = files.crash(random, 64);
      }
    }
  });

  it('a crash during recovery loses nothing, whichever operation it interrupts', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = randomFrom(seed);
      const hurt = await logWith([body(1), promise(1)], [body(2), promise(2)], [body(3), promise(3)]);
      const inMain = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + body(1).payload.length;
      hurt.flipBit(`${DIRECTORY}/${MAIN}`, 8 * inMain + random(400));
      hurt.flipBit(`${DIRECTORY}/${MIRROR}`, 8 * (SEGMENT_HEADER_BYTES + 57) + random(900));
      const expected = show([body(1), promise(1), body(2), promise(2), body(3), promise(3)]);
      for (let allowed = 0; allowed < 30; allowed++) {
        let files = hurt.crash();
        let left = allowed;
        files.faults.beforeOperation = () => {
          if (left-- <= 0) throw new Error('power is gone');
        };
        await openLog(files, DIRECTORY, ON_DISK).catch(() => undefined);
        files = files.crash(random);
        expect(show((await recover(files)).records), `seed ${seed}, operation ${allowed}`).toEqual(expected);
      }
      let operations = 0;
      hurt.faults.beforeOperation = () => void operations++;
      await recover(hurt);
      expect(operations).toBeGreaterThan(12);
      expect(operations).toBeLessThanOrEqual(30);
    }
  });

  it('a tail cut at every byte keeps exactly the records that are whole', async () => {
    const all = [body(1), body(2, ''), promise(3), body(4), promise(5)];
    const whole = await logWith(all);
    const size = await sizeOf(whole, MAIN);
    const ends: number[] = [];
    let end = SEGMENT_HEADER_BYTES;
    for (const record of all) {
      end += RECORD_HEADER_BYTES + record.payload.length;
      ends.push(end);
    }
    for (let cut = SEGMENT_HEADER_BYTES; cut <= size; cut++) {
      const files = whole.crash();
      for (const name of [MAIN, MIRROR]) {
        const file = await files.open(`${DIRECTORY}/${name}`, 'write');
        // The mirror has lost all of its records, as if it had not been written at all.
        await file.truncate(name === MAIN ? cut : SEGMENT_HEADER_BYTES);
        await file.sync();
      }
      const kept = ends.filter((offset) => offset <= cut).length;
      const recovered = await recover(files);
      expect(show(recovered.records)).toEqual(show(all.slice(0, kept)));
      expect(recovered.damage).toEqual([]);
      expect(recovered.tornBytes).toBe(cut - (kept === 0 ? SEGMENT_HEADER_BYTES : ends[kept - 1]!));
      const again = await recover(files);
      expect(again).toEqual({ records: recovered.records, damage: [], tornBytes: 0 });
    }
  });

  it('a promise that only the mirror has survives, and says that a body before it is missing', async () => {
    const files = await logWith([promise(1)], [body(2), promise(2)]);
    const main = await files.open(`${DIRECTORY}/${MAIN}`, 'write');
    await main.truncate(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + promise(1).payload.length);
    const recovered = await recover(files);
    expect(show(recovered.records)).toEqual(show([promise(1), promise(2)]));
    expect(
      recovered.damage.map(({ records, promiseLost, repaired }) => ({ records, promiseLost, repaired })),
    ).toEqual([{ records: 1, promiseLost: false, repaired: false }]);
  });
});

describe('the end of the last segment', () => {
  const cutTo = async (files: MemoryFiles, name: string, size: number): Promise<void> => {
    const file = await files.open(`${DIRECTORY}/${name}`, 'write');
    await file.truncate(size);
    await file.sync();
  };

  it('a body of which only the header was written does not swallow what is appended later', async () => {
    const long = { ...body(2), payload: new Uint8Array(500) };
    const files = await logWith([body(1)], [long, promise(3)]);
    await cutTo(files, MAIN, SEGMENT_HEADER_BYTES + 2 * RECORD_HEADER_BYTES + body(1).payload.length + 10);
    for (let opening = 0; opening < 3; opening++) {
      const { log, recovered } = await openLog(files, DIRECTORY, ON_DISK);
      const later = Array.from({ length: opening }, (_, i) => body(4 + i));
      expect(show(recovered.records)).toEqual(show([body(1), promise(3), ...later]));
      expect(recovered.damage.filter((damage) => !damage.repaired)).toMatchObject([
        { records: 1, promiseLost: false },
      ]);
      await appendAll(log, [body(4 + opening)]);
      await log.close();
    }
  });

  it('a promise there that is damaged in one file only is repaired, not torn', async () => {
    for (const name of [MAIN, MIRROR]) {
      const files = await logWith([body(1), promise(2)]);
      files.flipBit(`${DIRECTORY}/${name}`, 8 * (await sizeOf(files, name)) - 1);
      const { records, damage, tornBytes } = await recover(files);
      expect(show(records)).toEqual(show([body(1), promise(2)]));
      expect(damage).toMatchObject([{ segment: name, kind: 2, sequenceNumber: 2, repaired: true }]);
      expect(tornBytes).toBe(0);
    }
  });

  it('a segment whose creation was interrupted is no damage', async () => {
    for (const [mainBytes, mirrorBytes] of [
      [0, 0],
      [20, 0],
      [0, 20],
      [47, 1],
      [60, 0],
      [0, 50],
    ] as const) {
      const files = await freshLog();
      const { log } = await openLog(files, DIRECTORY, ON_DISK);
      await appendAll(log, [body(1), promise(1)]);
      log.rotate();
      await appendAll(log, [promise(2)]);
      await cutTo(files, segmentName('main', 2), mainBytes);
      await cutTo(files, segmentName('mirror', 2), mirrorBytes);
      for (let opening = 0; opening < 2; opening++) {
        const { records, damage } = await recover(files);
        expect(show(records)).toEqual(show([body(1), promise(1)]));
        expect(damage).toEqual([]);
      }
    }
  });
});

describe('recovery after the death of the process alone', () => {
  it('what is found is durable before anything is built on it', async () => {
    for (let allowed = 0; allowed < 24; allowed++) {
      const files = await freshLog();
      const { log } = await openLog(files, DIRECTORY, ON_DISK);
      let left = allowed;
      files.faults.beforeOperation = () => {
        if (left-- <= 0) throw new Error('killed');
      };
      try {
        for (let s = 1; s <= 3; s++) {
          await appendAll(log, [body(s), promise(s)]);
          log.rotate();
        }
      } catch {}
      files.faults.beforeOperation = undefined;
      // The page cache still has what was written and not synced; then the power goes as well.
      const { recovered } = await openLog(files, DIRECTORY, ON_DISK);
      expect(recovered.damage).toEqual([]);
      const after = await recover(files.crash());
      expect(after, `operation ${allowed}`).toEqual({ ...recovered, tornBytes: 0 });
    }
  });
});

describe('damage', () => {
  // The last group has two bodies and a promise, so that every position in a group is hit.
  const groups = [[body(1), promise(1)], [body(2)], [promise(3), body(4), promise(4), body(5)]];
  const all = groups.flat();

  /** For each byte of a file: which record it belongs to, or −1 for the segment's header. */
  function owners(records: readonly LogRecord[]): number[] {
    const owner = new Array<number>(SEGMENT_HEADER_BYTES).fill(-1);
    for (const record of records) {
      const bytes = RECORD_HEADER_BYTES + record.payload.length;
      for (let i = 0; i < bytes; i++) owner.push(all.indexOf(record));
    }
    return owner;
  }

  const brief = (damage: readonly Damage[]): unknown[] =>
    damage.map(({ segment, records, promiseLost, repaired }) => ({
      segment,
      records,
      promiseLost,
      repaired,
    }));

  it('every flipped bit of the main file is repaired, torn or reported, never a wrong record', async () => {
    const whole = await logWith(...groups);
    const owner = owners(all);
    for (let bit = 0; bit < 8 * owner.length; bit++) {
      const files = whole.crash();
      files.flipBit(`${DIRECTORY}/${MAIN}`, bit);
      const recovered = await recover(files);
      const hit = owner[bit >>> 3]!;
      const record = all[hit];
      const context = `bit ${bit} of record ${hit}`;
      if (record === undefined || record.mirrored) {
        expect(show(recovered.records), context).toEqual(show(all));
        const records = record === undefined ? 0 : 1;
        expect(brief(recovered.damage), context).toEqual([
          { segment: MAIN, records, promiseLost: false, repaired: true },
        ]);
        expect(recovered.tornBytes).toBe(0);
        expect(await recover(files), context).toEqual({
          records: recovered.records,
          damage: [],
          tornBytes: 0,
        });
      } else {
        expect(show(recovered.records), context).toEqual(show(all.filter((other) => other !== record)));
        const isTail = hit === all.length - 1;
        expect(recovered.tornBytes > 0, context).toBe(isTail);
        const lost = { segment: MAIN, records: 1, promiseLost: false, repaired: false };
        expect(brief(recovered.damage), context).toEqual(isTail ? [] : [lost]);
        // A loss is not forgotten by opening again.
        expect(brief((await recover(files)).damage), context).toEqual(isTail ? [] : [lost]);
      }
    }
  });

  it('every flipped bit of the mirror is repaired', async () => {
    const whole = await logWith(...groups);
    const owner = owners(all.filter((record) => record.mirrored));
    for (let bit = 0; bit < 8 * owner.length; bit++) {
      const files = whole.crash();
      files.flipBit(`${DIRECTORY}/${MIRROR}`, bit);
      const recovered = await recover(files);
      const records = owner[bit >>> 3] === -1 ? 0 : 1;
      expect(show(recovered.records), `bit ${bit}`).toEqual(show(all));
      expect(brief(recovered.damage)).toEqual([
        { segment: MIRROR, records, promiseLost: false, repaired: true },
      ]);
      if (bit % 16 === 0) {
        expect(await recover(files)).toEqual({ records: recovered.records, damage: [], tornBytes: 0 });
      }
    }
  });

  it('a payload damaged in place still says what the record was', async () => {
    const files = await logWith(...groups);
    files.flipBit(`${DIRECTORY}/${MAIN}`, 8 * (SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES) + 3);
    const expected = { segment: MAIN, offset: SEGMENT_HEADER_BYTES, kind: 1, sequenceNumber: 1, records: 1 };
    for (let opening = 0; opening < 2; opening++) {
      const { damage } = await recover(files);
      expect(damage).toEqual([{ ...expected, promiseLost: false, repaired: false }]);
    }
  });

  it('a synced promise damaged in both files is a loss, reported at every opening; what follows is kept', async () => {
    const whole = await logWith([body(1)], [promise(2)], [body(3), promise(3)], [body(4)]);
    const inMain = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + body(1).payload.length;
    for (const [mainByte, mirrorByte] of [
      [5, 5],
      [50, 50],
      [5, 50],
      [50, 5],
    ] as const) {
      const files = whole.crash();
      files.flipBit(`${DIRECTORY}/${MAIN}`, 8 * (inMain + mainByte));
      files.flipBit(`${DIRECTORY}/${MIRROR}`, 8 * (SEGMENT_HEADER_BYTES + mirrorByte));
      for (let opening = 0; opening < 3; opening++) {
        const { log, recovered } = await openLog(files, DIRECTORY, ON_DISK);
        const expected = [body(1), body(3), promise(3), body(4)];
        for (let i = 0; i < opening; i++) expected.push(promise(9));
        expect(show(recovered.records)).toEqual(show(expected));
        expect(recovered.damage.filter((damage) => damage.promiseLost)).toHaveLength(1);
        expect(recovered.damage).toHaveLength(1);
        await appendAll(log, [promise(9)]);
        await log.close();
      }
    }
  });

  it('a lost file of a sealed segment: the mirror is made again, of the main file only bodies are lost', async () => {
    for (const lost of ['main', 'mirror'] as const) {
      const files = await freshLog();
      const { log } = await openLog(files, DIRECTORY, ON_DISK);
      for (let s = 1; s <= 3; s++) {
        await appendAll(log, [body(s), promise(s)]);
        log.rotate();
      }
      await log.close();
      await files.unlink(`${DIRECTORY}/${segmentName(lost, 2)}`);
      const recovered = await recover(files);
      const left = [
        body(1),
        promise(1),
        ...(lost === 'main' ? [] : [body(2)]),
        promise(2),
        body(3),
        promise(3),
      ];
      expect(show(recovered.records)).toEqual(show(left));
      expect(recovered.damage.some((damage) => damage.promiseLost)).toBe(false);
      expect(recovered.damage.some((damage) => !damage.repaired)).toBe(lost === 'main');
      expect(show((await recover(files)).records)).toEqual(show(left));
    }
  });

  it('if it is lost where the log begins, promises may be lost, at every opening', async () => {
    const files = await freshLog();
    const { log } = await openLog(files, DIRECTORY, ON_DISK);
    await appendAll(log, [promise(1), body(2)]);
    log.rotate();
    await appendAll(log, [promise(3)]);
    await log.close();
    for (const name of [MAIN, MIRROR]) {
      const file = await files.open(`${DIRECTORY}/${name}`, 'write');
      await file.write(0, new Uint8Array(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES));
    }
    for (let opening = 0; opening < 2; opening++) {
      const { records, damage } = await recover(files);
      expect(show(records)).toEqual(show([body(2), promise(3)]));
      expect(damage.some((d) => d.promiseLost && !d.repaired)).toBe(true);
    }
  });

  it('without any whole header the log is lost', async () => {
    const files = await logWith([promise(1)]);
    for (const name of [MAIN, MIRROR]) files.flipBit(`${DIRECTORY}/${name}`, 70);
    await expect(recover(files)).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  it('a whole lost segment is noticed, with its promises', async () => {
    const files = await freshLog();
    const { log } = await openLog(files, DIRECTORY, ON_DISK);
    for (let s = 1; s <= 3; s++) {
      await appendAll(log, [body(s), promise(s)]);
      log.rotate();
    }
    await log.close();
    for (const copy of ['main', 'mirror'] as const)
      await files.unlink(`${DIRECTORY}/${segmentName(copy, 2)}`);
    for (let opening = 0; opening < 2; opening++) {
      const { records, damage } = await recover(files);
      expect(show(records)).toEqual(show([body(1), promise(1), body(3), promise(3)]));
      expect(damage.filter((d) => !d.repaired)).toMatchObject([{ records: 2, promiseLost: true }]);
    }
  });

  it('a record that a client hid in a payload is not found when the header before it is damaged', async () => {
    // The attacker knows the format and all positions, but not the salt.
    const other = createMemoryFiles();
    await formatLog(other, DIRECTORY, SALT + 1);
    const { log } = await openLog(other, DIRECTORY, ON_DISK);
    await appendAll(log, [body(1), promise(666, 'forged')]);
    const stolen = await other.open(`${DIRECTORY}/${MAIN}`, 'read');
    const hidden = (await stolen.read(0, 10_000)).slice(SEGMENT_HEADER_BYTES);
    const files = await logWith([body(1), { ...body(2), payload: hidden }, body(3)]);
    const outer = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + body(1).payload.length;
    files.flipBit(`${DIRECTORY}/${MAIN}`, 8 * (outer + 6));
    expect(show((await recover(files)).records)).toEqual(show([body(1), body(3)]));
  });

  it('arbitrary damage anywhere never throws anything but CORRUPT and never invents a record', async () => {
    const whole = await logWith(...groups);
    const mainSize = await sizeOf(whole, MAIN);
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            mirror: fc.boolean(),
            at: fc.nat(mainSize),
            bytes: fc.uint8Array({ maxLength: 80 }),
            cut: fc.boolean(),
          }),
          { maxLength: 4 },
        ),
        async (wounds) => {
          const files = whole.crash();
          for (const { mirror, at, bytes, cut } of wounds) {
            const file = await files.open(`${DIRECTORY}/${mirror ? MIRROR : MAIN}`, 'write');
            await file.write(at, bytes);
            if (cut) await file.truncate(at);
            await file.sync();
          }
          const recovered = await recover(files).catch((error) => {
            expect(error).toMatchObject({ name: 'StorageError', code: 'CORRUPT' });
            return undefined;
          });
          if (recovered === undefined) return;
          expect(isSubsequence(show(recovered.records), show(all))).toBe(true);
          expect(show((await recover(files)).records)).toEqual(show(recovered.records));
        },
      ),
      { numRuns: 300 },
    );
  });
});
