/**
 * The directory that holds everything a replica promised. Only `formatDataDirectory` creates one: a replica that
 * finds none must not begin with an empty memory under a key that may have spoken, so `open` never creates.
 */

import { equalBytes } from '../types/bytes.ts';
import { readAtomicFile, writeAtomicFile } from './atomic-file.ts';
import type { FileLayer } from './file-layer.ts';
import { formatLog } from './log.ts';
import { StorageError } from './storage-error.ts';

export interface DataDirectory {
  /** What `formatDataDirectory` was given. */
  readonly format: Uint8Array;
  readonly logDirectory: string;
  /** Of segments of the log that are kept for ever; there only if something was archived. */
  readonly archiveDirectory: string;
  readonly snapshotDirectory: string;
  readonly leafPath: string;
  /** Lets another process open it. Death does so too. */
  release(): Promise<void>;
}

/** Twice, because without a FORMAT everything else is useless. */
const FORMAT_NAMES = ['FORMAT', 'FORMAT.copy'] as const;

/**
 * Creates `directory` with an empty log, for the record that says whose it is. `salt`, 0…2³²−1, is random (see `formatLog`).
 * After a crash in the middle there is no FORMAT: empty the directory and format again.
 *
 * @throws StorageError NOT_EMPTY
 */
export async function formatDataDirectory(
  files: FileLayer,
  directory: string,
  formatRecord: Uint8Array,
  salt: number,
): Promise<void> {
  await files.makeDirectory(directory);
  if ((await files.list(directory)).length > 0) {
    throw new StorageError(
      'NOT_EMPTY',
      `${directory} is not empty. If it holds a replica's data, use it as it is: formatting would make the replica forget its promises. Otherwise choose an empty directory.`,
    );
  }
  await formatLog(files, `${directory}/log`, salt);
  await files.makeDirectory(`${directory}/snapshots`);
  // Last: only a complete directory has a FORMAT.
  for (const name of FORMAT_NAMES) await writeAtomicFile(files, `${directory}/${name}`, formatRecord);
}

/** @throws StorageError NOT_FORMATTED, LOCKED, CORRUPT if both copies of FORMAT are damaged */
export async function openDataDirectory(files: FileLayer, directory: string): Promise<DataDirectory> {
  // Before the lock, which writes into the directory.
  const present = await Promise.all(FORMAT_NAMES.map((name) => files.status(`${directory}/${name}`)));
  if (present.every((status) => status === undefined)) {
    throw new StorageError(
      'NOT_FORMATTED',
      `${directory} is not a replica's data directory (it has no FORMAT). A new replica's is created by "init" or "format"; if there was one here, its disk is lost and the replica needs a new key.`,
    );
  }
  const lock = await files.lock(directory);
  try {
    return {
      format: await readFormat(files, directory),
      logDirectory: `${directory}/log`,
      archiveDirectory: `${directory}/archive`,
      snapshotDirectory: `${directory}/snapshots`,
      leafPath: `${directory}/leaves`,
      release: () => lock.release(),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The first whole copy; the other is written again if it is not the same. */
async function readFormat(files: FileLayer, directory: string): Promise<Uint8Array> {
  let format: Uint8Array | undefined;
  let failure: unknown;
  const bad: string[] = [];
  for (const name of FORMAT_NAMES) {
    const path = `${directory}/${name}`;
    try {
      const contents = await readAtomicFile(files, path);
      if (contents === undefined || (format !== undefined && !equalBytes(format, contents))) bad.push(path);
      else format = contents;
    } catch (error) {
      failure = error;
      bad.push(path);
    }
  }
  if (format === undefined) throw failure;
  for (const path of bad) await writeAtomicFile(files, path, format);
  return format;
}
