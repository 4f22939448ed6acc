/**
 * What a client keeps on disk (docs/protocol.md §8): one file per session, and what it has found that proves replicas guilty. One process at a
 * time uses it: two would sign different requests under one timestamp.
 */

import { encode, optional, struct } from '../codec/index.ts';
import { sha256 } from '../crypto/sha256.ts';
import { type Evidence, encodeEvidence, verifyEvidence } from '../protocol/accountability/index.ts';
import { type DurableSession, decodeDurableSession, encodeDurableSession } from '../protocol/client/index.ts';
import type { Context } from '../protocol/context.ts';
import { type Head, headSchema } from '../protocol/messages/entry.ts';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.ts';
import { type FileLayer, readWhole, replaceFile } from '../storage/file-layer.ts';
import { nodeFiles } from '../storage/node-files.ts';
import { equalBytes, toHex } from '../types/bytes.ts';
import { ClientError, invalid } from './client-error.ts';

export interface StateDirectory {
  /** What earlier processes stored, by the number of the session. */
  readonly stored: ReadonlyMap<number, DurableSession>;
  /** The newest head that any session of the key has accepted; undefined: none. */
  readonly accepted: Head | undefined;
  /** Evidence that was kept and holds, with its path. */
  readonly evidence: readonly { readonly path: string; readonly evidence: Evidence }[];
  /** Durable when it resolves. One call at a time for each session. */
  write(session: number, state: DurableSession): Promise<void>;
  /** Where a piece is kept, once `writeEvidence` has ended. */
  evidencePath(evidence: Evidence): string;
  writeEvidence(evidence: Evidence): Promise<void>;
  writeFork(own: Head | undefined, theirs: Head): Promise<void>;
  release(): Promise<void>;
}

/** A quorum's refusal of our history: two heads of which no history holds both. */
const forkSchema = struct({ own: optional(headSchema), theirs: headSchema });

const SESSION_NAME = /^session-(\d+)$/;

/**
 * Opens the directory, which is made if there is none, for one key of one cluster.
 * @throws ClientError STATE if another process uses it or a file is damaged, INVALID if it is of another cluster or key
 */
export async function openStateDirectory(
  directory: string,
  context: Context,
  client: Uint8Array,
  files: FileLayer = nodeFiles,
): Promise<StateDirectory> {
  const { cluster } = context;
  const evidencePath = (evidence: Evidence): string => pathOf(directory, encodeEvidence(cluster, evidence));
  const lock = await guard(directory, async () => {
    await files.makeDirectory(directory);
    return files.lock(directory);
  });
  try {
    const stored = await guard(directory, () => readSessions(files, directory));
    for (const state of stored.values()) assertOwn(directory, state, cluster.id, client);
    const evidence = await guard(directory, () => readEvidence(files, directory, context));
    return {
      stored,
      accepted: newest([...stored.values()].map(({ accepted }) => accepted)),
      evidence,
      evidencePath,
      write: (session, state) =>
        writeAtomicFile(files, `${directory}/session-${session}`, encodeDurableSession(state)),
      async writeEvidence(evidence) {
        await files.makeDirectory(`${directory}/evidence`);
        await replaceFile(files, evidencePath(evidence), encodeEvidence(cluster, evidence));
      },
      writeFork: (own, theirs) => writeFound(files, directory, 'fork', encode(forkSchema, { own, theirs })),
      release: () => lock.release(),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function readSessions(files: FileLayer, directory: string): Promise<Map<number, DurableSession>> {
  const stored = new Map<number, DurableSession>();
  for (const name of await files.list(directory)) {
    const number = SESSION_NAME.exec(name)?.[1];
    if (number === undefined) continue;
    const path = `${directory}/${name}`;
    const decoded = decodeDurableSession((await readAtomicFile(files, path))!);
    if (!decoded.ok) {
      throw new Error(
        `${path} holds no session of this version; restore it, or start with a new key and directory`,
      );
    }
    stored.set(Number(number), decoded.value);
  }
  return stored;
}

function assertOwn(directory: string, state: DurableSession, cluster: Uint8Array, client: Uint8Array): void {
  if (!equalBytes(state.cluster, cluster)) {
    throw invalid(`${directory} holds the state of a client of another cluster: give each cluster its own`);
  }
  if (!equalBytes(state.client, client)) {
    throw invalid(`${directory} holds the state of another key: give each key its own`);
  }
}

export function newest(heads: readonly (Head | undefined)[]): Head | undefined {
  let best: Head | undefined;
  for (const head of heads) {
    if (head !== undefined && head.sequenceNumber > (best?.sequenceNumber ?? 0)) best = head;
  }
  return best;
}

/** Named by its contents, so that finding the same again adds nothing. */
function writeFound(files: FileLayer, directory: string, kind: string, bytes: Uint8Array): Promise<void> {
  return writeAtomicFile(files, `${directory}/${kind}-${toHex(sha256(bytes)).slice(0, 16)}`, bytes);
}

/** A file that `bft2f evidence verify` reads, named by its contents. */
function pathOf(directory: string, file: Uint8Array): string {
  return `${directory}/evidence/${toHex(sha256(file)).slice(0, 16)}`;
}

/** More than any client writes. */
const EVIDENCE_FILES_MAX = 64;

/** What earlier processes kept. A file that proves nothing, by damage or by another's hand, is passed over. */
async function readEvidence(
  files: FileLayer,
  directory: string,
  context: Context,
): Promise<StateDirectory['evidence']> {
  const kept: { readonly path: string; readonly evidence: Evidence }[] = [];
  const names = (await files.list(directory)).includes('evidence')
    ? await files.list(`${directory}/evidence`)
    : [];
  for (const name of [...names].sort().slice(0, EVIDENCE_FILES_MAX)) {
    const path = `${directory}/evidence/${name}`;
    const bytes = await readWhole(files, path);
    const verified = bytes && verifyEvidence(context, bytes);
    if (verified?.ok) kept.push({ path, evidence: verified.value.evidence });
  }
  return kept;
}

async function guard<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ClientError('STATE', 'not-applied', `the client's state in ${directory}: ${reason}`, {
      cause: error,
    });
  }
}
