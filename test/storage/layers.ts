/** The layers that every conformance test runs over, each with a fresh directory. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileLayer } from '../../src/storage/file-layer.ts';
import { createMemoryFiles } from '../../src/storage/memory-files.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';

export type WithFiles = (test: (files: FileLayer, directory: string) => Promise<void>) => Promise<void>;

export const LAYERS: readonly [name: string, withFiles: WithFiles][] = [
  [
    'in memory',
    async (test) => {
      const files = createMemoryFiles();
      await files.makeDirectory('base');
      await test(files, 'base');
    },
  ],
  ['on disk', withDisk],
];

export async function withDisk(test: (files: FileLayer, directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bft2f-storage-'));
  try {
    await test(nodeFiles, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
