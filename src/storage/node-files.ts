/** The file layer on a real disk. Raw descriptors instead of fs/promises: one object less for each group commit. */

import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { lockDirectory } from './directory-lock.ts';
import type { FileHandle, FileLayer, FileStatus, OpenMode } from './file-layer.ts';
import { parentOf } from './file-layer.ts';
import { StorageError, type StorageErrorCode } from './storage-error.ts';

const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const write = promisify(fs.write);
const fsync = promisify(fs.fsync);
const fdatasync = promisify(fs.fdatasync);
const ftruncate = promisify(fs.ftruncate);

const FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', write: 'r+', create: 'w+' };

export const nodeFiles: FileLayer = {
  async open(path, mode) {
    return fileHandle(await attempt('open', path, () => open(path, FLAGS[mode], 0o600)), path);
  },
  status: (path) => attempt('stat', path, () => statusOf(path)),
  list: (directory) => attempt('list', directory, async () => (await fs.promises.readdir(directory)).sort()),
  makeDirectory: (directory) => attempt('create', directory, () => makeDurableDirectory(directory)),
  rename: (from, to) => attempt('rename', from, () => fs.promises.rename(from, to)),
  link: (from, to) => attempt('link', from, () => linkUnlessThere(from, to)),
  unlink: (path) => attempt('remove', path, () => fs.promises.unlink(path)),
  syncDirectory: (directory) => attempt('sync', directory, () => syncDirectory(directory)),
  lock: (directory) => attempt('lock', directory, () => lockDirectory(directory)),
  pause: () => new Promise((resolve) => setImmediate(resolve)),
};

/** So little is copied into the page cache sooner than another thread could be woken for it; only the sync goes to the disk. */
const WRITE_AT_ONCE_BYTES = 256 * 1024;

function fileHandle(descriptor: number, path: string): FileHandle {
  return {
    read: (position, length) =>
      attempt('read', path, async () => {
        const bytes = new Uint8Array(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await read(descriptor, bytes, filled, length - filled, position + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      }),
    readSync(position, length) {
      try {
        const bytes = new Uint8Array(length);
        return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, length, position));
      } catch (error) {
        throw storageError('read', path, error);
      }
    },
    write: (position, bytes) =>
      attempt('write', path, async () => {
        let written = 0;
        while (written < bytes.length) {
          const rest = bytes.length - written;
          written +=
            rest <= WRITE_AT_ONCE_BYTES
              ? fs.writeSync(descriptor, bytes, written, rest, position + written)
              : (await write(descriptor, bytes, written, rest, position + written)).bytesWritten;
        }
      }),
    truncate: (size) => attempt('truncate', path, () => ftruncate(descriptor, size)),
    sync: () => attempt('sync', path, () => fdatasync(descriptor)),
    close: () => attempt('close', path, () => close(descriptor)),
  };
}

async function statusOf(path: string): Promise<FileStatus | undefined> {
  try {
    const status = await fs.promises.stat(path);
    return { size: status.size, directory: status.isDirectory() };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function linkUnlessThere(from: string, to: string): Promise<void> {
  try {
    await fs.promises.link(from, to);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** The new name lives in the parent, so the parent is what must be synced; and so on up to the one that existed. */
async function makeDurableDirectory(directory: string): Promise<void> {
  if ((await statusOf(directory))?.directory) return;
  const parent = parentOf(directory);
  await makeDurableDirectory(parent);
  await fs.promises.mkdir(directory, { mode: 0o700 });
  await syncDirectory(parent);
}

async function syncDirectory(directory: string): Promise<void> {
  const descriptor = await open(directory, 'r');
  try {
    await fsync(descriptor);
  } finally {
    await close(descriptor);
  }
}

async function attempt<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(action, path, error);
  }
}

function storageError(action: string, path: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageError(codeOf(systemCode(error)), `cannot ${action} ${path}: ${reason}`, error);
}

function codeOf(code: string | undefined): StorageErrorCode {
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return 'DISK_FULL';
  if (code === 'ENOENT') return 'NOT_FOUND';
  return 'IO';
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
