/**
 * The file layer without a single sync, for `durability: memory`: what is written survives the death of the process, and nothing
 * survives the death of the machine.
 */

import type { FileLayer } from '../storage/file-layer.ts';

const NOTHING = async (): Promise<void> => undefined;

export function withoutSync(files: FileLayer): FileLayer {
  return {
    ...files,
    open: async (path, mode) => ({ ...(await files.open(path, mode)), sync: NOTHING }),
    syncDirectory: NOTHING,
  };
}
