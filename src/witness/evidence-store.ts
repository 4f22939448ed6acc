/**
 * The evidence that a witness holds, as files that `bft2f evidence verify` reads. A fork is kept in a file of its own name, so that a witness which
 * starts again knows that it cosigns no more.
 */

import { sha256 } from '../crypto/sha256.ts';
import {
  type Evidence,
  encodeEvidence,
  type Verdict,
  verifyEvidence,
} from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { type FileLayer, readWhole, replaceFile } from '../storage/file-layer.ts';
import { StorageError } from '../storage/storage-error.ts';
import { toHex } from '../types/bytes.ts';

export interface StoredEvidence {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
}

export interface EvidenceStore {
  /** The proof of a fork, if there is one. */
  readonly fork: StoredEvidence | undefined;
  /** How many pieces there are. */
  readonly count: number;
  /** Durable when it resolves; undefined if it says nothing that is not held already. `verdict` is what it was judged to prove. */
  keep(evidence: Evidence, verdict: Verdict): Promise<StoredEvidence | undefined>;
}

/** Guilty replicas could make ever new pieces; of what they prove so many are kept, and the fork besides. */
const PIECES_MAX = 64;
const FORK_NAME = 'fork';

/** @throws StorageError CORRUPT if the fork's file is not whole */
export async function openEvidenceStore(
  files: FileLayer,
  directory: string,
  context: Context,
): Promise<EvidenceStore> {
  await files.makeDirectory(directory);
  const names = new Set(await files.list(directory));
  const known = new Set<string>();
  let fork = await readFork(files, `${directory}/${FORK_NAME}`, context);

  return {
    get fork() {
      return fork;
    },
    get count() {
      return names.size;
    },
    async keep(evidence, verdict) {
      const says = `${evidence.type} ${verdict.guilty.join(',')}`;
      if (verdict.forked ? fork !== undefined : known.has(says) || names.size >= PIECES_MAX) return undefined;
      const bytes = encodeEvidence(context.cluster, evidence);
      const name = verdict.forked ? FORK_NAME : `${evidence.type}-${toHex(sha256(bytes)).slice(0, 16)}`;
      const stored = { path: `${directory}/${name}`, bytes, evidence, verdict };
      // Before it is written: the same must not be found a second time meanwhile.
      if (verdict.forked) fork = stored;
      known.add(says);
      names.add(name);
      await replaceFile(files, stored.path, bytes);
      return stored;
    },
  };
}

async function readFork(
  files: FileLayer,
  path: string,
  context: Context,
): Promise<StoredEvidence | undefined> {
  const bytes = await readWhole(files, path);
  if (bytes === undefined) return undefined;
  const proved = verifyEvidence(context, bytes);
  if (proved.ok) return { path, bytes, ...proved.value };
  throw new StorageError('CORRUPT', `${path} is not the evidence that was stored: ${proved.error.text}.`);
}
