/** What an archive's directory offers for beginning at a trusted head: its leaves, and a state that a quorum certified. Nothing of it is believed unproved. */

import { memoryLeafStore } from '../crypto/leaf-store.ts';
import { createLogTree, type LogTree } from '../crypto/log-tree.ts';
import type { Context } from '../protocol/context.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { ServiceFactory } from '../services/service.ts';
import { readWhole } from '../storage/file-layer.ts';
import { equalBytes } from '../types/bytes.ts';
import { DIGEST_BYTES, type SequenceNumber } from '../types/identities.ts';
import type { Archive } from './archive.ts';
import type { Beginning } from './beginning.ts';

/** @throws StorageError if a file cannot be read */
export async function beginAt(
  context: Context,
  archive: Archive,
  head: Head,
  service: ServiceFactory | undefined,
): Promise<Beginning> {
  const s = head.sequenceNumber;
  const bytes = (await readWhole(archive.files, `${archive.directory}/leaves`)) ?? new Uint8Array();
  const leaves = treeOver(context, bytes, Math.floor(bytes.length / DIGEST_BYTES));
  const leadsToHead = leaves.size >= s && equalBytes(leaves.rootAt(s), head.logRoot);
  return {
    head,
    ledger: undefined,
    notExecuted: service === undefined ? 'nothing was to be executed' : 'the state at the head is not known',
    leaves,
    growing: leadsToHead ? treeOver(context, bytes, s) : undefined,
    passed: new Map(),
    met: false,
    contradicted: false,
  };
}

/** Over the first `size` leaves of the file. */
function treeOver({ crypto }: Context, bytes: Uint8Array, size: SequenceNumber): LogTree {
  const store = memoryLeafStore();
  for (let i = 0; i < size; i++) store.append(bytes.slice(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES));
  return createLogTree(crypto.hash, store);
}
