/** Records that are not kept in memory, but read from the log's files when they are asked for. */

import { describe, expect, it } from 'vitest';
import { formatLog, type LogOptions, openLog } from '../../src/storage/log.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { segmentName } from '../../src/storage/segment-names.ts';
import { body, DIRECTORY, promise, SALT, show } from './log-helpers.ts';

const READABLE: LogOptions = { durability: 'disk', readable: 1, segmentBytes: 500 };

const texts = (payloads: readonly Uint8Array[]): string[] =>
  payloads.map((bytes) => new TextDecoder().decode(bytes));

async function freshLog() {
  const files = createMemoryFiles();
  await formatLog(files, DIRECTORY, SALT);
  const { log } = await openLog(files, DIRECTORY, READABLE);
  return { files, log };
}

describe('readable records', () => {
  it('are read from their appending on, over segments and openings', async () => {
    const { files, log } = await freshLog();
    for (let i = 1; i <= 20; i++) {
      log.append(body(i));
      log.append(promise(i));
      expect(texts(log.read(i))).toEqual([`body ${i}`]);
      if (i % 3 === 0) await log.sync();
    }
    log.append(body(7, 'another'));
    for (let i = 1; i <= 20; i++) {
      expect(texts(log.read(i))).toEqual(i === 7 ? ['body 7', 'another'] : [`body ${i}`]);
    }
    expect(log.read(21)).toEqual([]);
    await log.close();
    const again = await openLog(files, DIRECTORY, READABLE);
    expect(show(again.recovered.records)).toEqual(show(Array.from({ length: 20 }, (_, i) => promise(i + 1))));
    expect([...again.log.readableSequenceNumbers()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    again.log.append(body(21));
    await again.log.sync();
    for (let i = 1; i <= 21; i++) {
      expect(texts(again.log.read(i))).toEqual(i === 7 ? ['body 7', 'another'] : [`body ${i}`]);
    }
  });

  it('are gone with their segment', async () => {
    const { log } = await freshLog();
    for (let i = 1; i <= 20; i++) log.append(body(i));
    await log.sync();
    await log.discardBelow(10);
    const left = [...log.readableSequenceNumbers()];
    expect(left[0]).toBeGreaterThan(1);
    expect(left[0]).toBeLessThanOrEqual(10);
    expect(log.read(1)).toEqual([]);
    for (const s of left) expect(texts(log.read(s))).toEqual([`body ${s}`]);
  });

  it('are left out when they are damaged, before and after the repair of a neighbour moved them', async () => {
    const { files, log } = await freshLog();
    for (const record of [body(1), promise(1), body(2), promise(2), body(3)]) log.append(record);
    await log.sync();
    const file = `${DIRECTORY}/${segmentName('main', 1)}`;
    // Header of the segment 48 bytes, of each record 48, then its payload.
    const body1 = 48;
    const promise1 = body1 + 48 + 'body 1'.length;
    const body2 = promise1 + 48 + 'promise 1'.length;
    files.flipBit(file, 8 * (body2 + 48));
    expect(log.read(2)).toEqual([]);
    files.flipBit(file, 8 * (body2 + 48));
    // Without its header nothing is left of a record when its file is written anew.
    files.flipBit(file, 8 * body1);
    expect(log.read(1)).toEqual([]);
    expect(texts(log.read(2))).toEqual(['body 2']);
    await log.close();
    files.flipBit(file, 8 * promise1);
    const again = await openLog(files, DIRECTORY, READABLE);
    expect(show(again.recovered.records)).toEqual(show([promise(1), promise(2)]));
    expect([1, 2, 3].map((s) => texts(again.log.read(s)))).toEqual([[], ['body 2'], ['body 3']]);
  });
});
