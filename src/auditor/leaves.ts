/** The leaves of L that an archive's directory holds. They are only said to be so: a root that somebody signed tells whether they are. */

import { type LeafStore, memoryLeafStore } from '../crypto/leaf-store.ts';
import { createLogTree, type LogTree } from '../crypto/log-tree.ts';
import type { Context } from '../protocol/context.ts';
import { readWhole } from '../storage/file-layer.ts';
import { DIGEST_BYTES, type SequenceNumber } from '../types/identities.ts';
import type { Archive } from './archive.ts';

export interface Leaves {
  readonly store: LeafStore;
  /** Over all of them. */
  readonly tree: LogTree;
  /** A copy of the first ones. */
  upTo(s: SequenceNumber): Pick<Leaves, 'store' | 'tree'>;
}

/** None if there is no such file. @throws StorageError if it cannot be read */
export async function readLeaves({ crypto }: Context, { files, directory }: Archive): Promise<Leaves> {
  const bytes = (await readWhole(files, `${directory}/leaves`)) ?? new Uint8Array();
  const upTo: Leaves['upTo'] = (s) => {
    const store = memoryLeafStore();
    for (let i = 0; i < s; i++) store.append(bytes.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES));
    return { store, tree: createLogTree(crypto.hash, store) };
  };
  return { ...upTo(Math.floor(bytes.length / DIGEST_BYTES)), upTo };
}
