/**
 * Snapshots of the service: chunks named by their SHA-256, and a manifest for each snapshot. What two snapshots
 * have in common is on disk once. The manifest is written last and atomically, so a snapshot is there whole or not
 * at all; a chunk that no manifest names is only space.
 *
 * Chunks that a state transfer receives wait in a folder of their own, where a restart finds them again and where
 * the removal of old snapshots does not touch them.
 */

import { assert } from '../types/assert.ts';
import { equalBytes, fromHex, toHex } from '../types/bytes.ts';
import { DIGEST_BYTES, type Digest } from '../types/identities.ts';
import { readAtomicFile, writeAtomicFile } from './atomic-file.ts';
import { type FileLayer, readWhole, stageFile, TEMPORARY_SUFFIX } from './file-layer.ts';
import { decodeManifest, encodeManifest, type Manifest } from './snapshot-manifest.ts';
import { isStorageError, StorageError } from './storage-error.ts';

export interface SnapshotChunk {
  /** SHA-256 of the bytes. */
  readonly digest: Digest;
  /** Called only if the chunk is not on disk yet. */
  bytes(): Uint8Array | Promise<Uint8Array>;
}

export interface SnapshotContent {
  /** 1…2⁵³−1. */
  readonly sequenceNumber: number;
  readonly meta: Uint8Array;
  readonly chunks: readonly SnapshotChunk[];
}

export interface StoredSnapshot {
  readonly meta: Uint8Array;
  readonly chunkDigests: readonly Digest[];
  /** Verified against its digest. @throws StorageError CORRUPT, also if the file is missing */
  readChunk(index: number): Promise<Uint8Array>;
}

/** Writing and removing are done one after the other, in the order of the calls. */
export interface SnapshotStore {
  /** Durable when it resolves. Replaces a snapshot of the same number. @throws StorageError CORRUPT if bytes() do not have their digest */
  writeSnapshot(content: SnapshotContent): Promise<void>;
  /** Sequence numbers, increasing. */
  listSnapshots(): Promise<number[]>;
  /** Undefined if there is none. @throws StorageError CORRUPT if its manifest is damaged */
  readSnapshot(sequenceNumber: number): Promise<StoredSnapshot | undefined>;
  /** Removes older snapshots but the pinned ones, and then the chunks that no snapshot needs any more. */
  removeSnapshotsBelow(sequenceNumber: number, pinned: ReadonlySet<number>): Promise<void>;
  /** Keeps a received chunk until `endTransfer`; durable when it resolves. @throws StorageError CORRUPT for other bytes than the digest's */
  putChunk(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** All received chunks that are whole: what a transfer that was interrupted has already. */
  receivedChunks(): Promise<Uint8Array[]>;
  /** Whether a chunk is on disk, received or in a snapshot. */
  hasChunk(digest: Digest): boolean;
  /** As StoredSnapshot.readChunk, received chunks included. */
  readChunk(digest: Digest): Promise<Uint8Array>;
  /** Forgets all received chunks that no `writeSnapshot` has taken. */
  endTransfer(): Promise<void>;
}

const MANIFEST_NAME = /^manifest-(\d{16})$/;
const CHUNK_NAME = /^[0-9a-f]{64}$/;
/** A look into a set is cheap, and there may be a hundred thousand of them. */
const STEPS_WITHOUT_PAUSE = 256;

/**
 * Opens the store in `directory`, which is created if missing. `hash` is SHA-256.
 *
 * @throws StorageError
 */
export async function openSnapshots(
  files: FileLayer,
  directory: string,
  hash: (bytes: Uint8Array) => Digest,
): Promise<SnapshotStore> {
  const chunkDirectory = `${directory}/chunks`;
  const receivedDirectory = `${directory}/received`;
  for (const folder of [directory, chunkDirectory, receivedDirectory]) {
    await files.makeDirectory(folder);
    await removeTemporaries(files, folder);
  }
  // A chunk found damaged is taken out of these sets, so that it counts as missing and is written again.
  const chunks = new Set((await files.list(chunkDirectory)).filter((name) => CHUNK_NAME.test(name)));
  const received = new Set((await files.list(receivedDirectory)).filter((name) => CHUNK_NAME.test(name)));

  let lastChange: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = lastChange.then(work);
    lastChange = result.catch(() => undefined);
    return result;
  };

  const manifestPath = (sequenceNumber: number): string => manifestIn(directory, sequenceNumber);
  const listSnapshots = (): Promise<number[]> => snapshotsIn(files, directory);
  const readManifest = (sequenceNumber: number): Promise<Manifest | undefined> =>
    readManifestIn(files, directory, sequenceNumber);

  const checkDigest = (digest: Digest, bytes: Uint8Array): void => {
    if (equalBytes(hash(bytes), digest)) return;
    throw new StorageError('CORRUPT', `the bytes offered for chunk ${toHex(digest)} have another digest.`);
  };

  const readChunk = async (digest: Digest): Promise<Uint8Array> => {
    const name = toHex(digest);
    for (const [known, folder] of [
      [chunks, chunkDirectory],
      [received, receivedDirectory],
    ] as const) {
      if (!known.has(name)) continue;
      const bytes = await readWhole(files, `${folder}/${name}`);
      if (bytes !== undefined && equalBytes(hash(bytes), digest)) return bytes;
      known.delete(name);
    }
    throw new StorageError(
      'CORRUPT',
      `chunk ${name} in ${directory} is missing or damaged: fetch it from a peer.`,
    );
  };

  const placeChunk = async (chunk: SnapshotChunk): Promise<void> => {
    const name = toHex(chunk.digest);
    const bytes = received.has(name) ? await readChunk(chunk.digest).catch(() => undefined) : undefined;
    const content = bytes ?? (await chunk.bytes());
    if (bytes === undefined) checkDigest(chunk.digest, content);
    await stageFile(files, `${chunkDirectory}/${name}`, content);
    chunks.add(name);
  };

  const writeSnapshot = async ({ sequenceNumber, meta, chunks: wanted }: SnapshotContent): Promise<void> => {
    for (const [index, chunk] of wanted.entries()) {
      if (index % STEPS_WITHOUT_PAUSE === 0) await files.pause();
      if (chunks.has(toHex(chunk.digest))) continue;
      await placeChunk(chunk);
      await files.pause();
    }
    await files.syncDirectory(chunkDirectory);
    const manifest = encodeManifest({ meta, chunkDigests: wanted.map((chunk) => chunk.digest) });
    await writeAtomicFile(files, manifestPath(sequenceNumber), manifest);
  };

  const removeSnapshotsBelow = async (sequenceNumber: number, pinned: ReadonlySet<number>): Promise<void> => {
    const needed = new Set<string>();
    const doomed: number[] = [];
    for (const number of await listSnapshots()) {
      if (number < sequenceNumber && !pinned.has(number)) {
        doomed.push(number);
        continue;
      }
      const manifest = await readManifest(number).catch((error) => {
        // Of a damaged snapshot nobody can say what it needs; it cannot be read either.
        if (isStorageError(error, 'CORRUPT')) return undefined;
        throw error;
      });
      for (const digest of manifest?.chunkDigests ?? []) needed.add(toHex(digest));
    }
    for (const number of doomed) await files.unlink(manifestPath(number));
    // A manifest that came back after a crash would name chunks that are gone.
    await files.syncDirectory(directory);
    // Names, not the set: a damaged chunk has left the set and must go as well.
    for (const [index, name] of (await files.list(chunkDirectory)).entries()) {
      if (index % STEPS_WITHOUT_PAUSE === 0) await files.pause();
      if (needed.has(name)) continue;
      chunks.delete(name);
      await files.unlink(`${chunkDirectory}/${name}`);
    }
    await files.syncDirectory(chunkDirectory);
  };

  return {
    listSnapshots,
    readChunk,
    receivedChunks() {
      return inTurn(async () => {
        const whole: Uint8Array[] = [];
        for (const name of [...received].sort()) {
          const bytes = await readChunk(fromHex(name)!).catch((error: unknown) => {
            // A damaged one is fetched again; that the disk fails is another matter.
            if (!isStorageError(error, 'CORRUPT')) throw error;
          });
          if (bytes !== undefined) whole.push(bytes);
        }
        return whole;
      });
    },
    hasChunk: (digest) => chunks.has(toHex(digest)) || received.has(toHex(digest)),
    writeSnapshot(content) {
      const { sequenceNumber, chunks: wanted } = content;
      assert(
        Number.isSafeInteger(sequenceNumber) && sequenceNumber > 0,
        `a snapshot's sequenceNumber must be in 1…2⁵³−1, not ${sequenceNumber}`,
      );
      for (const { digest } of wanted) {
        assert(digest.length === DIGEST_BYTES, `a chunk's digest has 32 bytes, not ${digest.length}`);
      }
      return inTurn(() => writeSnapshot(content));
    },
    async readSnapshot(sequenceNumber) {
      const manifest = await readManifest(sequenceNumber);
      return manifest && storedSnapshot(sequenceNumber, manifest, readChunk);
    },
    removeSnapshotsBelow: (sequenceNumber, pinned) =>
      inTurn(() => removeSnapshotsBelow(sequenceNumber, pinned)),
    putChunk(digest, bytes) {
      return inTurn(async () => {
        checkDigest(digest, bytes);
        const name = toHex(digest);
        if (received.has(name)) return;
        await stageFile(files, `${receivedDirectory}/${name}`, bytes);
        await files.syncDirectory(receivedDirectory);
        received.add(name);
      });
    },
    endTransfer() {
      return inTurn(async () => {
        received.clear();
        for (const name of await files.list(receivedDirectory))
          await files.unlink(`${receivedDirectory}/${name}`);
        await files.syncDirectory(receivedDirectory);
      });
    },
  };
}

/** The snapshots of a directory that is not ours to change: nothing is created, removed or remembered. @throws StorageError */
export function snapshotReader(
  files: FileLayer,
  directory: string,
  hash: (bytes: Uint8Array) => Digest,
): Pick<SnapshotStore, 'listSnapshots' | 'readSnapshot'> {
  const readChunk = async (digest: Digest): Promise<Uint8Array> => {
    const path = `${directory}/chunks/${toHex(digest)}`;
    const bytes = await readWhole(files, path);
    if (bytes !== undefined && equalBytes(hash(bytes), digest)) return bytes;
    throw new StorageError('CORRUPT', `${path} is missing or damaged.`);
  };
  return {
    async listSnapshots() {
      return (await files.status(directory)) === undefined ? [] : snapshotsIn(files, directory);
    },
    async readSnapshot(sequenceNumber) {
      const manifest = await readManifestIn(files, directory, sequenceNumber);
      return manifest && storedSnapshot(sequenceNumber, manifest, readChunk);
    },
  };
}

function manifestIn(directory: string, sequenceNumber: number): string {
  return `${directory}/manifest-${String(sequenceNumber).padStart(16, '0')}`;
}

async function snapshotsIn(files: FileLayer, directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await files.list(directory)) {
    const digits = MANIFEST_NAME.exec(name)?.[1];
    if (digits !== undefined) numbers.push(Number(digits));
  }
  return numbers;
}

async function readManifestIn(
  files: FileLayer,
  directory: string,
  sequenceNumber: number,
): Promise<Manifest | undefined> {
  const path = manifestIn(directory, sequenceNumber);
  const bytes = await readAtomicFile(files, path);
  if (bytes === undefined) return undefined;
  const manifest = decodeManifest(bytes);
  if (manifest === undefined) throw new StorageError('CORRUPT', `${path} is damaged: it is no manifest.`);
  return manifest;
}

function storedSnapshot(
  sequenceNumber: number,
  { meta, chunkDigests }: Manifest,
  readChunk: (digest: Digest) => Promise<Uint8Array>,
): StoredSnapshot {
  return {
    meta,
    chunkDigests,
    async readChunk(index) {
      const digest = chunkDigests[index];
      assert(
        digest !== undefined,
        `snapshot ${sequenceNumber} has ${chunkDigests.length} chunks, no index ${index}`,
      );
      return readChunk(digest);
    },
  };
}

async function removeTemporaries(files: FileLayer, directory: string): Promise<void> {
  for (const name of await files.list(directory)) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await files.unlink(`${directory}/${name}`);
  }
}
