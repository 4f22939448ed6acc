import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openLeafFile } from '../../src/storage/leaf-file.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { u32Bytes } from '../../src/types/bytes.ts';
import { LAYERS } from './layers.ts';
import { randomFrom } from './random.ts';

function leaf(number: number): Uint8Array {
  const bytes = new Uint8Array(32).fill(number);
  bytes.set(u32Bytes(number));
  return bytes;
}

describe.each(LAYERS)('leaf file %s', (_, withFiles) => {
  it('behaves like an array, whatever is appended, cut, synced and reopened', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ type: fc.constant('append'), count: fc.nat(300) }),
            fc.record({ type: fc.constant('truncate'), count: fc.nat(400) }),
            fc.record({ type: fc.constant('sync'), count: fc.constant(0) }),
            fc.record({ type: fc.constant('start a sync'), count: fc.constant(0) }),
            fc.record({ type: fc.constant('reopen'), count: fc.constant(0) }),
          ),
          { maxLength: 14 },
        ),
        fc.nat(),
        async (steps, seed) => {
          await withFiles(async (files, base) => {
            const random = randomFrom(seed);
            const model: Uint8Array[] = [];
            let file = await openLeafFile(files, `${base}/leaves`);
            let fresh = 0;
            for (const { type, count } of steps) {
              if (type === 'append') {
                for (let i = 0; i < count; i++) {
                  model.push(leaf(++fresh));
                  file.append(leaf(fresh));
                }
              } else if (type === 'truncate') {
                model.length = Math.max(0, model.length - count);
                file.truncate(model.length);
              } else if (type === 'sync') {
                await file.sync();
              } else if (type === 'start a sync') {
                void file.sync();
              } else {
                await file.sync();
                await file.close();
                file = await openLeafFile(files, `${base}/leaves`);
              }
              expect(file.size).toBe(model.length);
              for (let i = 0; i < 5 && model.length > 0; i++) {
                const index = random(model.length);
                expect(file.read(index)).toEqual(model[index]);
              }
            }
            for (const [index, expected] of model.entries()) expect(file.read(index)).toEqual(expected);
            await file.close();
          });
        },
      ),
      { numRuns: 60 },
    ));

  it('ignores a leaf that is there in part, and goes on behind the last whole one', () =>
    withFiles(async (files, base) => {
      const raw = await files.open(`${base}/leaves`, 'create');
      await raw.write(0, new Uint8Array([...leaf(1), ...leaf(2), 9, 9, 9]));
      await raw.close();
      const file = await openLeafFile(files, `${base}/leaves`);
      expect(file.size).toBe(2);
      await file.sync();
      expect((await files.status(`${base}/leaves`))!.size).toBe(64);
      file.append(leaf(3));
      expect(file.read(2)).toEqual(leaf(3));
      await file.close();
    }));

  it('refuses what is no leaf and what is not there', () =>
    withFiles(async (files, base) => {
      const file = await openLeafFile(files, `${base}/leaves`);
      expect(() => file.append(new Uint8Array(31))).toThrow('32 bytes');
      expect(() => file.read(0)).toThrow('no leaf 0');
      expect(() => file.truncate(1)).toThrow('cannot keep');
      await file.close();
    }));
});

describe('leaf file on a bad disk', () => {
  it('has all synced leaves after a crash', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = randomFrom(seed);
      const files = createMemoryFiles();
      await files.makeDirectory('d');
      const file = await openLeafFile(files, 'd/leaves');
      let synced = 0;
      for (let i = 0; i < 20; i++) {
        file.append(leaf(i));
        if (random(4) > 0) continue;
        await file.sync();
        synced = i + 1;
      }
      const after = await openLeafFile(files.crash(random), 'd/leaves');
      expect(after.size).toBeGreaterThanOrEqual(synced);
      for (let i = 0; i < synced; i++) expect(after.read(i)).toEqual(leaf(i));
    }
  });

  it('a truncation while a sync is under way holds', async () => {
    const files = createMemoryFiles();
    await files.makeDirectory('d');
    let file = await openLeafFile(files, 'd/leaves');
    for (let i = 0; i < 300; i++) file.append(leaf(i));
    const reached = new Promise<() => void>((atSync) => {
      files.faults.beforeOperation = ({ name }) =>
        name === 'sync' ? new Promise<void>((release) => atSync(release)) : undefined;
    });
    const syncing = file.sync();
    const release = await reached;
    file.truncate(200);
    file.append(leaf(1000));
    files.faults.beforeOperation = undefined;
    release();
    await syncing;
    expect([file.size, file.read(199), file.read(200)]).toEqual([201, leaf(199), leaf(1000)]);
    await file.sync();
    file = await openLeafFile(files.crash(), 'd/leaves');
    expect([file.size, file.read(199), file.read(200)]).toEqual([201, leaf(199), leaf(1000)]);
  });

  it('what was read before a truncation is not read again after it', async () => {
    const files = createMemoryFiles();
    await files.makeDirectory('d');
    const file = await openLeafFile(files, 'd/leaves');
    for (let i = 0; i < 300; i++) file.append(leaf(i));
    await file.sync();
    expect([file.read(0), file.read(255)]).toEqual([leaf(0), leaf(255)]);
    file.truncate(200);
    for (let i = 200; i < 300; i++) file.append(leaf(i + 5000));
    await file.sync();
    expect([file.read(0), file.read(199), file.read(255)]).toEqual([leaf(0), leaf(199), leaf(5255)]);
  });

  it('does not sync again after a failure', async () => {
    const files = createMemoryFiles();
    await files.makeDirectory('d');
    const file = await openLeafFile(files, 'd/leaves');
    file.append(leaf(1));
    files.faults.beforeOperation = ({ name }) => {
      if (name === 'sync') throw new Error('device');
    };
    await expect(file.sync()).rejects.toThrow('device');
    files.faults.beforeOperation = undefined;
    await expect(file.sync()).rejects.toThrow('device');
  });
});
