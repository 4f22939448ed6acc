import { describe, expect, it } from 'vitest';
import { readAtomicFile, writeAtomicFile } from '../../src/storage/atomic-file.ts';
import { readWhole, replaceFile } from '../../src/storage/file-layer.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { LAYERS } from './layers.ts';
import { randomFrom } from './random.ts';

describe.each(LAYERS)('files %s', (_, withFiles) => {
  it('write, read, grow, cut and stat like POSIX', () =>
    withFiles(async (files, base) => {
      const file = await files.open(`${base}/a`, 'create');
      await file.write(0, utf8('hello'));
      await file.write(8, utf8('world'));
      await file.sync();
      expect(await file.read(0, 100)).toEqual(utf8('hello\0\0\0world'));
      expect(file.readSync(9, 2)).toEqual(utf8('or'));
      expect(await file.read(50, 5)).toEqual(new Uint8Array(0));
      await file.truncate(6);
      await file.truncate(9);
      expect(await file.read(0, 100)).toEqual(utf8('hello\0\0\0\0'));
      await file.close();
      expect(await files.status(`${base}/a`)).toEqual({ size: 9, directory: false });
      expect((await files.status(base))?.directory).toBe(true);
      expect(await files.status(`${base}/b`)).toBeUndefined();
      await (await files.open(`${base}/a`, 'create')).close();
      expect((await files.status(`${base}/a`))?.size).toBe(0);
    }));

  it('name, rename, list and remove', () =>
    withFiles(async (files, base) => {
      await files.makeDirectory(`${base}/x/y`);
      await files.makeDirectory(`${base}/x/y`);
      await replaceFile(files, `${base}/x/two`, utf8('2'));
      await replaceFile(files, `${base}/x/one`, utf8('1'));
      expect(await files.list(`${base}/x`)).toEqual(['one', 'two', 'y']);
      await files.rename(`${base}/x/one`, `${base}/x/two`);
      await files.syncDirectory(`${base}/x`);
      expect(await files.list(`${base}/x`)).toEqual(['two', 'y']);
      expect(await readWhole(files, `${base}/x/two`)).toEqual(utf8('1'));
      await files.unlink(`${base}/x/two`);
      expect(await readWhole(files, `${base}/x/two`)).toBeUndefined();
      await expect(files.unlink(`${base}/x/two`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(files.open(`${base}/x/two`, 'write')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await files.pause();
    }));

  it('a lock has one holder', () =>
    withFiles(async (files, base) => {
      const lock = await files.lock(base);
      await expect(files.lock(base)).rejects.toMatchObject({ code: 'LOCKED' });
      await lock.release();
      await (await files.lock(base)).release();
    }));

  it('an atomic file holds what was last written, and shows damage', () =>
    withFiles(async (files, base) => {
      const path = `${base}/state`;
      expect(await readAtomicFile(files, path)).toBeUndefined();
      for (const text of ['first', '', 'a longer third one']) {
        await writeAtomicFile(files, path, utf8(text));
        expect(await readAtomicFile(files, path)).toEqual(utf8(text));
      }
      const whole = (await readWhole(files, path))!;
      for (let i = 0; i < whole.length; i++) {
        const damaged = whole.slice();
        damaged[i]! ^= 1;
        await replaceFile(files, path, i % 2 === 0 ? damaged : whole.slice(0, i));
        await expect(readAtomicFile(files, path), `byte ${i}`).rejects.toMatchObject({ code: 'CORRUPT' });
      }
    }));
});

it('a full disk has its own code', async () => {
  const file = await nodeFiles.open('/dev/full', 'write');
  await expect(file.write(0, utf8('x'))).rejects.toMatchObject({
    code: 'DISK_FULL',
    cause: { code: 'ENOSPC' },
  });
  await file.close();
});

describe('crashes in memory', () => {
  it('only what was synced is sure to survive: contents by file, names by directory', async () => {
    const files = createMemoryFiles();
    await files.makeDirectory('d');
    const kept = await files.open('d/kept', 'create');
    await kept.write(0, utf8('synced'));
    await kept.sync();
    await files.syncDirectory('d');
    await kept.write(0, utf8('SYNCED and not'));
    const nameless = await files.open('d/nameless', 'create');
    await nameless.write(0, utf8('x'));
    await nameless.sync();
    const after = files.crash();
    expect(await after.list('d')).toEqual(['kept']);
    expect(await readWhole(after, 'd/kept')).toEqual(utf8('synced'));
  });

  it('with a random function every torn state occurs, and no other', async () => {
    const states = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const files = createMemoryFiles();
      await files.makeDirectory('d');
      const file = await files.open('d/f', 'create');
      await files.syncDirectory('d');
      await file.write(0, utf8('ab'));
      await file.write(2, utf8('c'));
      states.add(new TextDecoder().decode(await readWhole(files.crash(randomFrom(seed)), 'd/f')));
    }
    expect([...states].sort()).toEqual(['', 'a', 'ab', 'abc']);
  });

  it('an atomic file is the old or the new one, at whichever operation the power goes', async () => {
    for (let seed = 0; seed < 200; seed++) {
      let files = createMemoryFiles();
      await files.makeDirectory('d');
      await writeAtomicFile(files, 'd/state', utf8('old'));
      let left = seed % 8;
      files.faults.beforeOperation = () => {
        if (left-- <= 0) throw new Error('power is gone');
      };
      const done = await writeAtomicFile(files, 'd/state', utf8('new')).then(
        () => true,
        () => false,
      );
      files = files.crash(randomFrom(seed));
      const text = new TextDecoder().decode(await readAtomicFile(files, 'd/state'));
      if (done) expect(text).toBe('new');
      else expect(['old', 'new']).toContain(text);
    }
  });
});
