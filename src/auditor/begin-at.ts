/** What an archive's directory offers for beginning at a trusted head: its leaves, and a state that a quorum certified. Nothing of it is believed unproved. */

import type { Context } from '../protocol/context.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { ServiceFactory } from '../services/service.ts';
import { equalBytes } from '../types/bytes.ts';
import type { Archive } from './archive.ts';
import type { Beginning } from './beginning.ts';
import { readLeaves } from './leaves.ts';
import { stateAt } from './state-at.ts';

/** @throws StorageError if a file cannot be read */
export async function beginAt(
  context: Context,
  archive: Archive,
  head: Head,
  service: ServiceFactory | undefined,
): Promise<Beginning> {
  const s = head.sequenceNumber;
  const leaves = await readLeaves(context, archive);
  const leadsToHead = leaves.tree.size >= s && equalBytes(leaves.tree.rootAt(s), head.logRoot);
  const state =
    service === undefined
      ? 'nothing was to be executed'
      : leadsToHead
        ? await stateAt(context, archive, head, service, leaves)
        : 'the file of leaves does not lead to the head';
  const isKnown = typeof state !== 'string';
  return {
    head,
    ledger: isKnown ? state : undefined,
    notExecuted: isKnown ? undefined : state,
    leaves: leaves.tree,
    growing: leadsToHead && !isKnown ? leaves.upTo(s).tree : undefined,
    passed: new Map(),
    met: false,
    contradicted: false,
  };
}
