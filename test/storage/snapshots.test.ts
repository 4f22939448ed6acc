import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { FileLayer } from '../../src/storage/file-layer.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { openSnapshots, type SnapshotContent, type SnapshotStore } from '../../src/storage/snapshots.ts';
import { toHex, utf8 } from '../../src/types/bytes.ts';
import { LAYERS } from './layers.ts';
import { randomFrom } from './random.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());
const chunkOf = (text: string) => ({ digest: sha256(utf8(text)), bytes: () => utf8(text) });
const snapshot = (sequenceNumber: number, ...texts: string[]): SnapshotContent => ({
  sequenceNumber,
  meta: utf8(`meta ${sequenceNumber}`),
  chunks: texts.map(chunkOf),
});

async function textOf(store: SnapshotStore, sequenceNumber: number): Promise<string> {
  const stored = (await store.readSnapshot(sequenceNumber))!;
  const parts = [new TextDecoder().decode(stored.meta)];
  for (let i = 0; i < stored.chunkDigests.length; i++)
    parts.push(new TextDecoder().decode(await stored.readChunk(i)));
  return parts.join('|');
}

const chunkFiles = (files: FileLayer, base: string): Promise<string[]> => files.list(`${base}/s/chunks`);

describe.each(LAYERS)('snapshots with files %s', (_, withFiles) => {
  it('are read as written, share chunks, and go when they are old', () =>
    withFiles(async (files, base) => {
      const store = await openSnapshots(files, `${base}/s`, sha256);
      expect(await store.listSnapshots()).toEqual([]);
      expect(await store.readSnapshot(256)).toBeUndefined();
      await store.writeSnapshot(snapshot(256, 'a', 'b', 'a', ''));
      const shared = { digest: sha256(utf8('a')), bytes: () => expect.unreachable('a is on disk') };
      await store.writeSnapshot({
        sequenceNumber: 512,
        meta: utf8('meta 512'),
        chunks: [shared, chunkOf('c')],
      });
      await store.writeSnapshot(snapshot(768));
      expect(await store.listSnapshots()).toEqual([256, 512, 768]);
      expect(await textOf(store, 256)).toBe('meta 256|a|b|a|');
      const again = await openSnapshots(files, `${base}/s`, sha256);
      expect(await textOf(again, 512)).toBe('meta 512|a|c');
      expect(await textOf(again, 768)).toBe('meta 768');
      await again.removeSnapshotsBelow(768, new Set([512]));
      expect(await again.listSnapshots()).toEqual([512, 768]);
      expect(await chunkFiles(files, base)).toEqual(
        ['a', 'c'].map((text) => toHex(sha256(utf8(text)))).sort(),
      );
      await again.removeSnapshotsBelow(768, new Set());
      expect(await chunkFiles(files, base)).toEqual([]);
    }));

  it('a received chunk survives a restart and the removal of snapshots, and is taken by the snapshot', () =>
    withFiles(async (files, base) => {
      let store = await openSnapshots(files, `${base}/s`, sha256);
      const [a, b] = [chunkOf('a'), chunkOf('b')];
      await store.putChunk(a.digest, a.bytes());
      await expect(store.putChunk(b.digest, a.bytes())).rejects.toMatchObject({ code: 'CORRUPT' });
      await store.removeSnapshotsBelow(1000, new Set());
      store = await openSnapshots(files, `${base}/s`, sha256);
      expect([store.hasChunk(a.digest), store.hasChunk(b.digest)]).toEqual([true, false]);
      expect(await store.readChunk(a.digest)).toEqual(utf8('a'));
      expect(await store.receivedChunks()).toEqual([utf8('a')]);
      const onDisk = { digest: a.digest, bytes: () => expect.unreachable('a was received') };
      await store.writeSnapshot({ sequenceNumber: 1, meta: utf8('m'), chunks: [onDisk, b] });
      await store.endTransfer();
      expect(await files.list(`${base}/s/received`)).toEqual([]);
      expect(await store.receivedChunks()).toEqual([]);
      expect(await textOf(store, 1)).toBe('m|a|b');
    }));

  it('bytes that do not have their digest are refused', () =>
    withFiles(async (files, base) => {
      const store = await openSnapshots(files, `${base}/s`, sha256);
      const wrong = { digest: sha256(utf8('a')), bytes: () => utf8('b') };
      const write = store.writeSnapshot({ sequenceNumber: 1, meta: utf8(''), chunks: [wrong] });
      await expect(write).rejects.toMatchObject({ code: 'CORRUPT' });
      expect(await store.listSnapshots()).toEqual([]);
      await store.writeSnapshot(snapshot(2, 'a'));
      expect(await textOf(store, 2)).toBe('meta 2|a');
    }));
});

describe('snapshots on a bad disk', () => {
  it('a damaged chunk is never given out, and is written again by the next snapshot', async () => {
    const files = createMemoryFiles();
    const store = await openSnapshots(files, 's', sha256);
    await store.writeSnapshot(snapshot(1, 'abc'));
    const digest = sha256(utf8('abc'));
    files.flipBit(`s/chunks/${toHex(digest)}`, 13);
    await expect((await store.readSnapshot(1))!.readChunk(0)).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(store.hasChunk(digest)).toBe(false);
    await store.writeSnapshot(snapshot(2, 'abc'));
    expect(await textOf(store, 1)).toBe('meta 1|abc');
    files.flipBit('s/manifest-0000000000000002', 200);
    await expect(store.readSnapshot(2)).rejects.toMatchObject({ code: 'CORRUPT' });
    await store.removeSnapshotsBelow(2, new Set());
    expect(await store.listSnapshots()).toEqual([2]);
  });

  it('a loss of power at any operation of writing and removing leaves the old or the new snapshot whole', async () => {
    let finished = false;
    for (let allowed = 0; !finished; allowed++) {
      expect(allowed).toBeLessThan(100);
      for (let seed = 0; seed < 12; seed++) {
        let files = createMemoryFiles();
        let store = await openSnapshots(files, 's', sha256);
        await store.writeSnapshot(snapshot(1, 'a', 'b', 'c'));
        let left = allowed;
        files.faults.beforeOperation = () => {
          if (left-- <= 0) throw new Error('power is gone');
        };
        let written = false;
        try {
          await store.writeSnapshot(snapshot(2, 'a', 'x', 'y'));
          written = true;
          await store.removeSnapshotsBelow(2, new Set());
          finished = true;
        } catch {}
        files = seed === 0 ? files.crash() : files.crash(randomFrom(seed));
        store = await openSnapshots(files, 's', sha256);
        const present = await store.listSnapshots();
        const context = `operation ${allowed}, seed ${seed}: ${present}`;
        if (written) expect(present, context).toContain(2);
        else expect(present, context).toContain(1);
        for (const number of present) {
          expect(await textOf(store, number), context).toBe(number === 1 ? 'meta 1|a|b|c' : 'meta 2|a|x|y');
        }
        // What the crash left over does not stay for ever.
        await store.removeSnapshotsBelow(3, new Set());
        expect(await files.list('s/chunks'), context).toEqual([]);
        expect(await files.list('s'), context).toEqual(['chunks', 'received']);
      }
    }
  });
});
