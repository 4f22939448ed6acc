/**
 * The leaves of the log tree L, 32 bytes each, for ever: too many for memory, and read at random for proofs. The
 * core asks for them synchronously, so reads block for one small read of the file at most, and mostly hit a page
 * kept here.
 *
 * There are no checksums: whoever opens the file knows from its EXECUTED records which root the leaves must
 * have, and truncates and appends again what a crash left in doubt.
 */

import { assert } from '../types/assert.ts';
import { DIGEST_BYTES } from '../types/identities.ts';
import { type FileHandle, type FileLayer, parentOf } from './file-layer.ts';

const LEAVES_PER_PAGE = 128;
const PAGES_KEPT = 64;

export interface LeafFile {
  /** Number of leaves, with those not yet synced. */
  readonly size: number;
  /** 32 bytes; copied. No I/O. */
  append(leafHash: Uint8Array): void;
  /** The leaf at `index`, 0…size−1. The caller does not change it. @throws StorageError IO */
  read(index: number): Uint8Array;
  /** Keeps the first `size` leaves. Durable with the next `sync`. */
  truncate(size: number): void;
  /** Resolves when the leaves appended before the call are durable. @throws StorageError; after a failure every later sync fails too */
  sync(): Promise<void>;
  /** Without syncing. */
  close(): Promise<void>;
}

/** Opens or creates the file. A leaf that is there in part is not counted. */
export async function openLeafFile(files: FileLayer, path: string): Promise<LeafFile> {
  const status = await files.status(path);
  if (status === undefined) {
    const created = await files.open(path, 'create');
    await created.close();
    await files.syncDirectory(parentOf(path));
  }
  return leafFileOver(await files.open(path, 'write'), Math.floor((status?.size ?? 0) / DIGEST_BYTES));
}

function leafFileOver(file: FileHandle, found: number): LeafFile {
  /** Leaves below are read from the file, the others are in `tail`. */
  let inFile = found;
  let tail: Uint8Array[] = [];
  /** Leaves the file may have beyond `inFile` are leftovers that a sync must cut off. */
  let mustCut = true;
  /** Counts truncations, so that a sync notices one that came while it was writing. */
  let truncations = 0;
  let lastSync: Promise<void> = Promise.resolve();
  /** Full pages of the file, the one used last at the end. */
  const pages = new Map<number, Uint8Array>();

  const readPage = (page: number): Uint8Array => {
    const kept = pages.get(page);
    if (kept !== undefined) {
      pages.delete(page);
      pages.set(page, kept);
      return kept;
    }
    const first = page * LEAVES_PER_PAGE;
    const leaves = Math.min(LEAVES_PER_PAGE, inFile - first);
    const bytes = file.readSync(first * DIGEST_BYTES, leaves * DIGEST_BYTES);
    if (leaves === LEAVES_PER_PAGE) {
      pages.set(page, bytes);
      if (pages.size > PAGES_KEPT) pages.delete(pages.keys().next().value!);
    }
    return bytes;
  };

  const flush = async (): Promise<void> => {
    const first = inFile;
    const count = tail.length;
    const bytes = new Uint8Array(count * DIGEST_BYTES);
    for (const [index, leaf] of tail.entries()) bytes.set(leaf, index * DIGEST_BYTES);
    const truncationsBefore = truncations;
    if (mustCut) await file.truncate(first * DIGEST_BYTES);
    if (count > 0) await file.write(first * DIGEST_BYTES, bytes);
    await file.sync();
    // Otherwise what was written is not what is wanted any more: the next sync cuts it off and writes anew.
    if (truncations !== truncationsBefore) return;
    mustCut = false;
    inFile = first + count;
    tail = tail.slice(count);
  };

  return {
    get size() {
      return inFile + tail.length;
    },
    append(leafHash) {
      assert(leafHash.length === DIGEST_BYTES, `a leaf has 32 bytes, not ${leafHash.length}`);
      tail.push(leafHash.slice());
    },
    read(index) {
      const { size } = this;
      assert(Number.isInteger(index) && index >= 0 && index < size, `no leaf ${index}: there are ${size}`);
      if (index >= inFile) return tail[index - inFile]!;
      const offset = (index % LEAVES_PER_PAGE) * DIGEST_BYTES;
      return readPage(Math.floor(index / LEAVES_PER_PAGE)).subarray(offset, offset + DIGEST_BYTES);
    },
    truncate(size) {
      assert(
        Number.isInteger(size) && size >= 0 && size <= this.size,
        `cannot keep ${size} of ${this.size} leaves`,
      );
      truncations++;
      mustCut = true;
      tail.length = Math.max(0, size - inFile);
      inFile = Math.min(inFile, size);
      for (const page of pages.keys()) if ((page + 1) * LEAVES_PER_PAGE > inFile) pages.delete(page);
    },
    sync() {
      // A failed sync rejects all later ones: what an fsync once refused is never asked again.
      lastSync = lastSync.then(flush);
      return lastSync;
    },
    async close() {
      await lastSync.catch(() => undefined);
      await file.close();
    },
  };
}
