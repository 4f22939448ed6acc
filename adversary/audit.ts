/**
 * What an auditor can do who trusts no replica: recompute the history from the bodies that one of them keeps, hold it against a head, and check
 * each client's signature.
 */

import { silentLogger } from '../src/node/index.ts';
import { recoverFromDisk } from '../src/node/recover.ts';
import { isRequestSigned } from '../src/protocol/certificates.ts';
import type { Context } from '../src/protocol/context.ts';
import { chainOf, genesisHashChainDigest } from '../src/protocol/hash-chain.ts';
import { type Batch, batchDigest, NULL_BATCH } from '../src/protocol/messages/batch.ts';
import type { Head } from '../src/protocol/messages/entry.ts';
import type { ClientRequest } from '../src/protocol/messages/request.ts';
import type { Recovered } from '../src/protocol/replica/index.ts';
import { openDataDirectory } from '../src/storage/data-directory.ts';
import { nodeFiles } from '../src/storage/node-files.ts';
import { equalBytes } from '../src/types/bytes.ts';
import type { Digest } from '../src/types/identities.ts';

export interface Audit {
  /** Whether the bodies are those of the head's history: then its signers answer for every one of them. */
  readonly isHistoryOfHead: boolean;
  readonly requests: number;
  /** In that history, but not signed by the client that it names. */
  readonly unsigned: readonly { readonly sequenceNumber: number; readonly request: ClientRequest }[];
}

/** Reads the data directory of a replica that does not run. @throws StorageError */
export async function audit(context: Context, dataDirectory: string, head: Head): Promise<Audit> {
  const directory = await openDataDirectory(nodeFiles, dataDirectory);
  const closers: (() => Promise<void>)[] = [() => directory.release()];
  try {
    const { recovered } = await recoverFromDisk({
      files: nodeFiles,
      directory,
      context,
      durability: 'disk',
      archive: false,
      logger: silentLogger,
      onOpened: (close) => void closers.push(close),
    });
    return judge(context, recovered, head);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function judge({ cluster, crypto }: Context, { records, bodies }: Recovered, head: Head): Audit {
  const digests: Digest[] = [];
  for (const record of records) {
    if (record.type !== 'committed') continue;
    for (const [i, digest] of record.links.entries()) digests[record.after + i] = digest;
  }
  const context = { cluster, crypto };
  const history = digests.slice(0, head.sequenceNumber);
  const end = chainOf(crypto, genesisHashChainDigest(cluster), history).at(-1);
  const unsigned: Audit['unsigned'][number][] = [];
  let requests = 0;
  for (const [i, digest] of history.entries()) {
    const isIt = (batch: Batch): boolean => equalBytes(batchDigest(cluster, crypto, batch), digest);
    const batch = isIt(NULL_BATCH) ? NULL_BATCH : [...bodies.read(i + 1)].find(isIt);
    for (const request of batch?.requests ?? []) {
      requests++;
      if (!isRequestSigned(context, request)) unsigned.push({ sequenceNumber: i + 1, request });
    }
  }
  return { isHistoryOfHead: end !== undefined && equalBytes(end, head.hashChainDigest), requests, unsigned };
}
