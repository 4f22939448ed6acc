/** Counts what is synced, since syncs and signatures are what a batch costs. */

import type { FileLayer } from '../storage/file-layer.ts';

export interface CountedFiles {
  readonly files: FileLayer;
  /** Of files and directories; ever increasing. */
  readonly syncs: () => number;
}

export function countSyncs(files: FileLayer): CountedFiles {
  let count = 0;
  const counted: FileLayer = {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode);
      return {
        ...file,
        sync() {
          count++;
          return file.sync();
        },
      };
    },
    syncDirectory(directory) {
      count++;
      return files.syncDirectory(directory);
    },
  };
  return { files: counted, syncs: () => count };
}
