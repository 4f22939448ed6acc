import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { formatDataDirectory, openDataDirectory } from '../../src/storage/data-directory.ts';
import { readWhole, replaceFile } from '../../src/storage/file-layer.ts';
import { openLog } from '../../src/storage/log.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { LAYERS, withDisk } from './layers.ts';
import { ON_DISK, SALT } from './log-helpers.ts';
import { randomFrom } from './random.ts';

describe.each(LAYERS)('data directory %s', (_, withFiles) => {
  it('must be formatted, once, and opened by one', () =>
    withFiles(async (files, base) => {
      const directory = `${base}/replica`;
      await expect(openDataDirectory(files, directory)).rejects.toMatchObject({ code: 'NOT_FORMATTED' });
      await formatDataDirectory(files, directory, utf8('cluster, 0, key'), SALT);
      await expect(formatDataDirectory(files, directory, utf8('x'), SALT)).rejects.toMatchObject({
        code: 'NOT_EMPTY',
      });
      const data = await openDataDirectory(files, directory);
      expect(data.format).toEqual(utf8('cluster, 0, key'));
      await expect(openDataDirectory(files, directory)).rejects.toMatchObject({ code: 'LOCKED' });
      await (await openLog(files, data.logDirectory, ON_DISK)).log.close();
      await data.release();
      await (await openDataDirectory(files, directory)).release();
    }));

  it('one copy of FORMAT is enough, and the other is made again', () =>
    withFiles(async (files, base) => {
      const directory = `${base}/replica`;
      await formatDataDirectory(files, directory, utf8('format'), SALT);
      const whole = await readWhole(files, `${directory}/FORMAT`);
      for (const name of ['FORMAT', 'FORMAT.copy']) {
        await replaceFile(files, `${directory}/${name}`, utf8('garbage'));
        const data = await openDataDirectory(files, directory);
        expect(data.format).toEqual(utf8('format'));
        await data.release();
        expect(await readWhole(files, `${directory}/${name}`)).toEqual(whole);
        await files.unlink(`${directory}/${name}`);
        await (await openDataDirectory(files, directory)).release();
        expect(await readWhole(files, `${directory}/${name}`)).toEqual(whole);
      }
      for (const name of ['FORMAT', 'FORMAT.copy'])
        await replaceFile(files, `${directory}/${name}`, utf8('garbage'));
      await expect(openDataDirectory(files, directory)).rejects.toMatchObject({ code: 'CORRUPT' });
      // The failed attempt holds no lock.
      await expect(openDataDirectory(files, directory)).rejects.toMatchObject({ code: 'CORRUPT' });
    }));
});

it('a crash while formatting leaves a complete directory or none', async () => {
  for (let seed = 0; seed < 160; seed++) {
    let files = createMemoryFiles();
    let left = seed % 40;
    files.faults.beforeOperation = () => {
      if (left-- <= 0) throw new Error('power is gone');
    };
    await formatDataDirectory(files, 'replica', utf8('format'), SALT).catch(() => undefined);
    files = files.crash(randomFrom(seed));
    const data = await openDataDirectory(files, 'replica').catch((error) => {
      expect(error).toMatchObject({ code: 'NOT_FORMATTED' });
      return undefined;
    });
    if (data === undefined) continue;
    expect(data.format).toEqual(utf8('format'));
    expect((await openLog(files, data.logDirectory, ON_DISK)).recovered.damage).toEqual([]);
  }
});

describe('the lock on disk', () => {
  /** Another process with a claim, as `lockDirectory` makes it: a listening socket. */
  async function holder(directory: string): Promise<ChildProcess> {
    const code = `
      const claim = process.argv[1] + '/LOCK.' + process.pid + '.0123456789ab';
      require('node:net').createServer().listen(claim, () => console.log('held'));`;
    const child = spawn(process.execPath, ['-e', code, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
    return child;
  }

  it('is respected while the other process lives, also if it is stopped, and taken over when it was killed', () =>
    withDisk(async (files, directory) => {
      const child = await holder(directory);
      const refusal = { code: 'LOCKED', message: expect.stringContaining(`process ${child.pid}`) };
      await expect(files.lock(directory)).rejects.toMatchObject(refusal);
      child.kill('SIGSTOP');
      await expect(files.lock(directory)).rejects.toMatchObject(refusal);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(await readdir(directory)).toHaveLength(1);
      const lock = await files.lock(directory);
      await expect(files.lock(directory)).rejects.toMatchObject({ code: 'LOCKED' });
      await lock.release();
      expect(await readdir(directory)).toEqual([]);
    }));

  it('never has two holders, however many try at once', () =>
    withDisk(async (files, directory) => {
      for (let round = 0; round < 20; round++) {
        const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => files.lock(directory)));
        const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
        expect(held.length).toBeLessThanOrEqual(1);
        for (const { value } of held) await value.release();
        expect(await readdir(directory)).toEqual([]);
      }
    }));

  it('works where the path is longer than a socket may have', () =>
    withDisk(async (files, base) => {
      const directory = `${base}/${'long/'.repeat(40)}end`;
      await files.makeDirectory(directory);
      const lock = await files.lock(directory);
      await expect(files.lock(directory)).rejects.toMatchObject({ code: 'LOCKED' });
      await lock.release();
    }));
});
