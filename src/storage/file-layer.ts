/**
 * The few file operations this room needs. Everything else here is written against this interface, so that the
 * same log and the same recovery run on a disk and in memory, where a test can lose what was not synced, fill the
 * disk or flip a bit.
 *
 * The model is that of POSIX: written bytes survive a crash only after `sync` of their file, names (created,
 * renamed, removed) only after `syncDirectory`. All methods fail with StorageError.
 */

/** `read`: existing, read only. `write`: existing, read and write. `create`: made empty, whether it existed or not. */
export type OpenMode = 'read' | 'write' | 'create';

export interface FileHandle {
  /** Up to `length` bytes from `position`; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** As `read`, but blocks the thread: for small reads that a synchronous caller cannot wait for. */
  readSync(position: number, length: number): Uint8Array;
  /** Writes all bytes at `position`, or fails. The caller leaves `bytes` unchanged until then. */
  write(position: number, bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Makes the contents and the size durable (fdatasync). After a failure nothing is known of what was written before it. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileStatus {
  readonly size: number;
  readonly directory: boolean;
}

export interface FileLock {
  release(): Promise<void>;
}

export interface FileLayer {
  open(path: string, mode: OpenMode): Promise<FileHandle>;
  /** Undefined if nothing has this name. */
  status(path: string): Promise<FileStatus | undefined>;
  /** Names in a directory, sorted by UTF-16 unit. */
  list(directory: string): Promise<string[]>;
  /** With missing parents; durable when it returns. Nothing happens if it exists. */
  makeDirectory(directory: string): Promise<void>;
  /** Replaces `to` atomically. Both are in the same directory. */
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name, in whatever directory of the same file system; nothing happens if that name exists. */
  link(from: string, to: string): Promise<void>;
  /** @throws StorageError NOT_FOUND */
  unlink(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Exclusive among all processes of this machine, freed by the death of the holder. @throws StorageError LOCKED */
  lock(directory: string): Promise<FileLock>;
  /** Lets other work of this thread run: long loops that may find nothing to wait for call it. */
  pause(): Promise<void>;
}

/** The whole contents of a file, or undefined if there is none. */
export async function readWhole(files: FileLayer, path: string): Promise<Uint8Array | undefined> {
  const status = await files.status(path);
  if (status === undefined) return undefined;
  const file = await files.open(path, 'read');
  try {
    return await file.read(0, status.size);
  } finally {
    await file.close();
  }
}

/** Replaces a file in one step: a crash at any instant leaves the old or the new contents, whole. One writer a path. */
export async function replaceFile(files: FileLayer, path: string, bytes: Uint8Array): Promise<void> {
  await stageFile(files, path, bytes);
  await files.syncDirectory(parentOf(path));
}

/** As `replaceFile`, but the new name is durable only after a `syncDirectory`, which many files can share. */
export async function stageFile(files: FileLayer, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  const file = await files.open(temporary, 'create');
  try {
    await file.write(0, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
}

/** Ends the name of a file that a crash left half written; whoever owns the directory removes such files. */
export const TEMPORARY_SUFFIX = '.tmp';

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}
