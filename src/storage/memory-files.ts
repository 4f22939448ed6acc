/**
 * The file layer in memory, without anything of Node, with the faults that disks have: a crash loses or tears what
 * was not synced, operations fail or wait when the owner says so, space ends, bits flip.
 */

import { assert } from '../types/assert.ts';
import { type FileHandle, type FileLayer, type OpenMode, parentOf } from './file-layer.ts';
import { StorageError } from './storage-error.ts';

/** An integer in 0…bound−1. */
export type RandomBelow = (bound: number) => number;

export interface FileOperation {
  readonly name:
    | 'open'
    | 'read'
    | 'write'
    | 'truncate'
    | 'sync'
    | 'rename'
    | 'link'
    | 'unlink'
    | 'syncDirectory';
  readonly path: string;
}

/** What the owner may change at any time. */
export interface Faults {
  /** Called before every operation: throw to make it fail, return a promise to make it slow. */
  beforeOperation: ((operation: FileOperation) => void | Promise<void>) | undefined;
  /** Writes that would need more in all fail with DISK_FULL, after filling what is left. */
  capacityBytes: number;
}

export interface MemoryFiles extends FileLayer {
  readonly faults: Faults;
  /**
   * The disk after a loss of power: what was synced, and with `random` also an arbitrary beginning of what was not,
   * file by file and directory by directory, the last write torn at an arbitrary byte. With `sectorBytes` writes
   * survive sector by sector in any order, so that holes of zeros appear. This layer is not to be used any more.
   */
  crash(random?: RandomBelow, sectorBytes?: number): MemoryFiles;
  /** Inverts one bit, durably. `bit` in 0…8·size−1. */
  flipBit(path: string, bit: number): void;
}

interface Content {
  bytes: Uint8Array;
  size: number;
}

type Change =
  | { readonly type: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly size: number };

interface MemoryFile {
  readonly live: Content;
  readonly durable: Content;
  /** What makes `live` of `durable`, in order. */
  changes: Change[];
}

type NameChange = { readonly name: string; readonly file: MemoryFile | undefined };

interface Directory {
  readonly live: Map<string, MemoryFile>;
  readonly durable: Map<string, MemoryFile>;
  /** What makes `live` of `durable`; a rename is one element, because it is atomic. */
  changes: NameChange[][];
}

export function createMemoryFiles(): MemoryFiles {
  return layerOver(new Map());
}

function layerOver(directories: Map<string, Directory>): MemoryFiles {
  const faults: Faults = { beforeOperation: undefined, capacityBytes: Number.POSITIVE_INFINITY };
  const locks = new Set<string>();

  const directoryOf = (path: string): Directory => {
    const directory = directories.get(path);
    if (directory === undefined) throw new StorageError('NOT_FOUND', `no directory ${path}`);
    return directory;
  };
  const fileAt = (path: string): MemoryFile => {
    const file = directoryOf(parentOf(path)).live.get(nameOf(path));
    if (file === undefined) throw new StorageError('NOT_FOUND', `no file ${path}`);
    return file;
  };
  const before = async (name: FileOperation['name'], path: string): Promise<void> => {
    await faults.beforeOperation?.({ name, path });
  };
  const usedBytes = (): number => {
    let sum = 0;
    for (const directory of directories.values())
      for (const file of directory.live.values()) sum += file.live.size;
    return sum;
  };

  const handleOf = (file: MemoryFile, path: string, mode: OpenMode): FileHandle => {
    const change = (made: Change): void => {
      assert(mode !== 'read', `${path} is open for reading only`);
      apply(file.live, made);
      file.changes.push(made);
    };
    const readSync = (position: number, length: number): Uint8Array =>
      file.live.bytes.slice(position, Math.min(position + length, file.live.size));
    return {
      readSync,
      async read(position, length) {
        await before('read', path);
        return readSync(position, length);
      },
      async write(position, bytes) {
        await before('write', path);
        const growth = Math.max(0, position + bytes.length - file.live.size);
        const free =
          faults.capacityBytes === Number.POSITIVE_INFINITY ? growth : faults.capacityBytes - usedBytes();
        const fitting =
          growth <= free ? bytes.length : Math.max(0, bytes.length - growth + Math.max(0, free));
        if (fitting > 0) change({ type: 'write', position, bytes: bytes.slice(0, fitting) });
        if (fitting < bytes.length)
          throw new StorageError('DISK_FULL', `cannot write ${path}: the disk is full`);
      },
      async truncate(size) {
        await before('truncate', path);
        change({ type: 'truncate', size });
      },
      async sync() {
        await before('sync', path);
        for (const made of file.changes) apply(file.durable, made);
        file.changes = [];
      },
      async close() {},
    };
  };

  return {
    faults,
    async open(path, mode) {
      await before('open', path);
      if (mode !== 'create') return handleOf(fileAt(path), path, mode);
      const directory = directoryOf(parentOf(path));
      const name = nameOf(path);
      let file = directory.live.get(name);
      if (file === undefined) {
        file = { live: emptyContent(), durable: emptyContent(), changes: [] };
        changeNames(directory, [{ name, file }]);
      } else {
        const emptied: Change = { type: 'truncate', size: 0 };
        apply(file.live, emptied);
        file.changes.push(emptied);
      }
      return handleOf(file, path, mode);
    },
    async status(path) {
      if (directories.has(path)) return { size: 0, directory: true };
      const file = directories.get(parentOf(path))?.live.get(nameOf(path));
      return file && { size: file.live.size, directory: false };
    },
    async list(path) {
      const children = [...directories.keys()].filter((child) => parentOf(child) === path).map(nameOf);
      return [...directoryOf(path).live.keys(), ...children].sort();
    },
    async makeDirectory(path) {
      for (let at = path; !directories.has(at) && at !== '.' && at !== '/'; at = parentOf(at)) {
        directories.set(at, { live: new Map(), durable: new Map(), changes: [] });
      }
    },
    async rename(from, to) {
      await before('rename', from);
      assert(parentOf(from) === parentOf(to), 'rename stays within a directory');
      const moved = { name: nameOf(to), file: fileAt(from) };
      changeNames(directoryOf(parentOf(from)), [moved, { name: nameOf(from), file: undefined }]);
    },
    async link(from, to) {
      await before('link', from);
      const directory = directoryOf(parentOf(to));
      if (directory.live.has(nameOf(to))) return;
      changeNames(directory, [{ name: nameOf(to), file: fileAt(from) }]);
    },
    async unlink(path) {
      await before('unlink', path);
      fileAt(path);
      changeNames(directoryOf(parentOf(path)), [{ name: nameOf(path), file: undefined }]);
    },
    async syncDirectory(path) {
      await before('syncDirectory', path);
      const directory = directoryOf(path);
      for (const changes of directory.changes) for (const made of changes) setName(directory.durable, made);
      directory.changes = [];
    },
    async lock(directory) {
      if (locks.has(directory))
        throw new StorageError('LOCKED', `${directory} is in use: stop its other user first.`);
      locks.add(directory);
      return {
        async release() {
          locks.delete(directory);
        },
      };
    },
    async pause() {},
    flipBit(path, bit) {
      const file = fileAt(path);
      const byte = bit >>> 3;
      assert(byte < file.live.size, `${path} has no bit ${bit}`);
      for (const content of [file.live, file.durable]) {
        if (byte < content.size) content.bytes[byte]! ^= 1 << (bit & 7);
      }
    },
    crash(random, sectorBytes) {
      const survivors = new Map<MemoryFile, MemoryFile>();
      const survivorOf = (file: MemoryFile): MemoryFile => {
        let survivor = survivors.get(file);
        if (survivor === undefined) {
          const content = contentAfterCrash(file, random, sectorBytes);
          survivor = { live: content, durable: copyOf(content), changes: [] };
          survivors.set(file, survivor);
        }
        return survivor;
      };
      const after = new Map<string, Directory>();
      for (const [path, directory] of directories) {
        const names = new Map(directory.durable);
        const kept = random === undefined ? 0 : random(directory.changes.length + 1);
        for (const changes of directory.changes.slice(0, kept))
          for (const made of changes) setName(names, made);
        const files = new Map([...names].map(([name, file]) => [name, survivorOf(file)]));
        after.set(path, { live: files, durable: new Map(files), changes: [] });
      }
      return layerOver(after);
    },
  };
}

function contentAfterCrash(
  file: MemoryFile,
  random: RandomBelow | undefined,
  sectorBytes: number | undefined,
): Content {
  const content = copyOf(file.durable);
  if (random === undefined) return content;
  if (sectorBytes !== undefined) {
    for (const change of file.changes)
      for (const part of survivingSectors(change, random, sectorBytes)) apply(content, part);
    return content;
  }
  const kept = random(file.changes.length + 1);
  for (const change of file.changes.slice(0, kept)) apply(content, change);
  const torn = file.changes[kept];
  if (torn?.type === 'write') {
    const bytes = torn.bytes.subarray(0, random(torn.bytes.length + 1));
    if (bytes.length > 0) apply(content, { type: 'write', position: torn.position, bytes });
  }
  return content;
}

function survivingSectors(change: Change, random: RandomBelow, sectorBytes: number): Change[] {
  if (change.type === 'truncate') return random(2) === 0 ? [change] : [];
  const parts: Change[] = [];
  const end = change.position + change.bytes.length;
  for (let from = change.position; from < end; ) {
    const until = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
    if (random(2) === 0) {
      const bytes = change.bytes.subarray(from - change.position, until - change.position);
      parts.push({ type: 'write', position: from, bytes });
    }
    from = until;
  }
  return parts;
}

function changeNames(directory: Directory, changes: NameChange[]): void {
  for (const made of changes) setName(directory.live, made);
  directory.changes.push(changes);
}

function setName(names: Map<string, MemoryFile>, { name, file }: NameChange): void {
  if (file === undefined) names.delete(name);
  else names.set(name, file);
}

function apply(content: Content, change: Change): void {
  const end = change.type === 'write' ? change.position + change.bytes.length : change.size;
  if (end > content.bytes.length) {
    const grown = new Uint8Array(Math.max(end, 2 * content.bytes.length));
    grown.set(content.bytes.subarray(0, content.size));
    content.bytes = grown;
  }
  if (change.type === 'write') {
    content.bytes.set(change.bytes, change.position);
    content.size = Math.max(content.size, end);
  } else {
    // What is cut off must read as zeros if the file grows again.
    if (end < content.size) content.bytes.fill(0, end, content.size);
    content.size = end;
  }
}

function emptyContent(): Content {
  return { bytes: new Uint8Array(0), size: 0 };
}

function copyOf(content: Content): Content {
  return { bytes: content.bytes.slice(0, content.size), size: content.size };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
