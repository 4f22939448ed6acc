/** Disks that are full: a small file system where the machine lets us mount one, and a limit on the size of files everywhere. */

import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanUp } from './cleanup.ts';
import { noteLeftover, run, runDirectory } from './leftovers.ts';

export interface SmallDisk {
  /** For a data directory, which does not exist yet. */
  readonly data: string;
  /** Takes all the room that is left. */
  fill(): void;
  free(): void;
}

const DISK_BYTES = 32 * 1024 * 1024;

export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const place = mkdtempSync(join(runDirectory(), 'probe-'));
  try {
    run(['mount', '-t', 'tmpfs', '-o', 'size=4096', 'tmpfs', place]);
    run(['umount', place]);
    return true;
  } catch {
    return false;
  }
}

export function mountSmallDisk(): SmallDisk {
  const place = mkdtempSync(join(runDirectory(), 'disk-'));
  // Lazily: a process that still has a file open in it must not keep it there.
  const undo = ['umount', '-l', place];
  const forget = noteLeftover({ kind: 'command', undo });
  run(['mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', place]);
  onCleanUp(() => {
    run(undo);
    forget();
  });
  const ballast = join(place, 'ballast');
  mkdirSync(join(place, 'replica'));
  return {
    data: join(place, 'replica', 'data'),
    fill() {
      const file = openSync(ballast, 'w');
      try {
        // Ever smaller pieces, to the last byte.
        for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) writeUntilFull(file, bytes);
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast),
  };
}

function writeUntilFull(file: number, bytes: number): void {
  const piece = Buffer.alloc(bytes);
  try {
    while (writeSync(file, piece) === bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** For a program that must not write a file beyond so many bytes: the system refuses, as a disk without room does. */
export function withFileSizeLimit(bytes: number): readonly string[] {
  return ['/bin/sh', '-c', `ulimit -f ${Math.ceil(bytes / 512)}; exec "$@"`, 'sh'];
}
