/** What a witness remembers, whenever it dies: no two of its cosignatures contradict each other. */

import { afterEach, describe, expect, it } from 'vitest';
import { signerFromSeed } from '../../src/crypto/sodium-native.ts';
import { type Head, sameEntry } from '../../src/protocol/messages/entry.ts';
import type { FileLayer } from '../../src/storage/file-layer.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { formatVault, openVault, type Vault } from '../../src/witness/vault.ts';
import { randomFrom } from '../storage/random.ts';
import { cleanUp, context, cosigner, headAt, historyOf, NAME, seed, start } from './support.ts';

afterEach(cleanUp);

const one = historyOf('one', 5);
const other = historyOf('other', 5);
const signer = signerFromSeed(seed);

const open = (files: FileLayer) =>
  openVault({ files, directory: 'data', context, name: NAME, signer, clock: () => 1 });
const format = (files: FileLayer) => formatVault(files, 'data', context.cluster.id, cosigner.publicKey);

/** As the auditor does it: nothing replaces a head that it does not extend. The heads that were cosigned. */
async function offer(vault: Vault, heads: readonly Head[]): Promise<Head[]> {
  const from = vault.latest?.head;
  const extending = heads.filter(
    (head) => from === undefined || from.sequenceNumber < 6 || isOfOne(head) === isOfOne(from),
  );
  const cosigned = await Promise.all(
    extending.map((head) => vault.advance(from, head).catch(() => undefined)),
  );
  return cosigned.flatMap((it) => (it === undefined ? [] : [it.head]));
}

function isOfOne(head: Head): boolean {
  return sameEntry(head, one.at(head.sequenceNumber));
}

it('a loss of power at any moment never leads to two histories', async () => {
  const outcomes = new Set<string>();
  for (let operations = 0; operations < 24; operations++) {
    for (let random = 0; random < 4; random++) {
      let files = createMemoryFiles();
      await format(files);
      const before = await open(files);
      await before.advance(undefined, headAt(one, 5));
      let left = operations;
      files.faults.beforeOperation = () => {
        if (left-- <= 0) throw new Error('power is gone');
      };
      const given = await offer(before, [headAt(one, 8), headAt(other, 8)]);
      files = files.crash(randomFrom(random));
      const after = await open(files);
      given.push(...(await offer(after, [headAt(other, 9), headAt(one, 9)])));
      const histories = new Set(given.map(isOfOne));
      expect(histories.size).toBe(1);
      outcomes.add([...histories].join());
    }
  }
  // Both come about, or nothing was tested.
  expect(outcomes.size).toBe(2);
});

describe('memory that is not this witness’s', () => {
  it('is refused: none, another cluster’s, another key’s, damaged, or in use', async () => {
    const files = createMemoryFiles();
    await expect(open(files)).rejects.toMatchObject({ code: 'NOT_FORMATTED' });
    await format(files);
    await expect(format(files)).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    const vault = await open(files);
    await expect(open(files)).rejects.toMatchObject({ code: 'LOCKED' });
    await vault.close();
    files.flipBit('data/latest', 8 * 40);
    await expect(open(files)).rejects.toMatchObject({ code: 'CORRUPT' });
    for (const [cluster, key] of [
      [signer.publicKey, cosigner.publicKey],
      [context.cluster.id, context.cluster.id],
    ] as const) {
      const foreign = createMemoryFiles();
      await formatVault(foreign, 'data', cluster, key);
      await expect(open(foreign)).rejects.toMatchObject({ code: 'NOT_FORMATTED' });
    }
  });
});

it('a witness whose disk fails cosigns nothing and stops, saying why', async () => {
  const files = createMemoryFiles();
  await format(files);
  const witness = await start('data', undefined, { files });
  expect((await witness.addHead(headAt(one, 5))).status).toBe(200);
  files.faults.beforeOperation = ({ name }) => {
    if (name === 'sync') throw new Error('the disk is gone');
  };
  const path = [...one.tree.consistencyPath(5, 8)];
  const answer = await witness.addCheckpoint(5, path, headAt(one, 8)).then(
    (response) => response.status,
    () => 'cut off',
  );
  expect([500, 'cut off']).toContain(answer);
  expect((await witness.stopped)?.message).toContain('the disk is gone');
});

it('a witness that is asked again for what it cosigned says so with a new time', async () => {
  const files = createMemoryFiles();
  await format(files);
  let now = 1;
  const clock = () => now;
  const vault = await openVault({ files, directory: 'data', context, name: NAME, signer, clock });
  const first = await vault.advance(undefined, headAt(one, 5));
  now = 2;
  expect(vault.refresh()?.cosignature.signature).not.toEqual(first?.cosignature.signature);
  vault.seal();
  now = 3;
  const sealed = vault.latest;
  expect(vault.refresh()).toBe(sealed);
  expect(await vault.advance(headAt(one, 5), headAt(one, 8))).toBeUndefined();
});
