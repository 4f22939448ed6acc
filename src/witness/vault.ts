/**
 * What a witness must never forget, in one small file: the head that it vouches for. A cosignature exists only of a head that is durable here,
 * and only the head before it can be replaced by it; so whenever the process dies, no two cosignatures of it contradict each other.
 */

import { decode, encode, fixed, list, optional, struct, type TypeOf } from '../codec/index.ts';
import type { Signer } from '../crypto/port.ts';
import { cosign, headText, type NoteSignature } from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { type Entry, entrySchema, type Head, headSchema, sameEntry } from '../protocol/messages/entry.ts';
import { REPLICAS_MAX } from '../protocol/quorum.ts';
import { readAtomicFile, writeAtomicFile } from '../storage/atomic-file.ts';
import type { FileLayer } from '../storage/file-layer.ts';
import { StorageError } from '../storage/storage-error.ts';
import { equalBytes } from '../types/bytes.ts';

const vaultSchema = struct({
  cluster: fixed(32),
  /** The public key that cosigns. */
  key: fixed(32),
  /** The largest consistent head; undefined: none yet. */
  head: optional(headSchema),
  /** Of each replica the newest entry that it was heard to sign, at most one each: what its later ones are held against. */
  entries: list(entrySchema, REPLICAS_MAX),
});
type VaultContents = TypeOf<typeof vaultSchema>;

/** A head with the witness's word for it. */
export interface Cosigned {
  readonly head: Head;
  readonly cosignature: NoteSignature;
}

export interface Vault {
  readonly latest: Cosigned | undefined;
  readonly entries: readonly Entry[];
  /**
   * Makes `to` the latest head, durably, and then cosigns it; undefined if `from` is not the latest one any more, or the vault is sealed. The
   * caller has verified that `to` is signed and extends `from`.
   */
  advance(from: Head | undefined, to: Head): Promise<Cosigned | undefined>;
  /** The latest head cosigned anew, as of now. */
  refresh(): Cosigned | undefined;
  /** Takes the newer entries of replicas. Durable when it resolves. */
  keepEntries(entries: readonly Entry[]): Promise<void>;
  /** From now on, at once, nothing is cosigned. */
  seal(): void;
  readonly isSealed: boolean;
  close(): Promise<void>;
}

export interface VaultOptions {
  readonly files: FileLayer;
  readonly directory: string;
  readonly context: Context;
  readonly name: string;
  readonly signer: Signer;
  /** Seconds since 1970. */
  readonly clock: () => number;
}

const pathIn = (directory: string): string => `${directory}/latest`;

/** Creates the file for a key that has never cosigned. @throws StorageError NOT_EMPTY if there is one */
export async function formatVault(
  files: FileLayer,
  directory: string,
  cluster: Uint8Array,
  key: Uint8Array,
): Promise<void> {
  await files.makeDirectory(directory);
  const lock = await files.lock(directory);
  try {
    if ((await files.status(pathIn(directory))) !== undefined) {
      throw new StorageError('NOT_EMPTY', `${directory} holds the memory of a witness already.`);
    }
    const empty: VaultContents = { cluster, key, head: undefined, entries: [] };
    await writeAtomicFile(files, pathIn(directory), encode(vaultSchema, empty));
  } finally {
    await lock.release();
  }
}

/** @throws StorageError LOCKED, NOT_FORMATTED, CORRUPT, or another cluster's or key's */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const { files, directory } = options;
  if ((await files.status(directory)) === undefined) throw notFormatted(directory);
  const lock = await files.lock(directory);
  try {
    const contents = await read(options);
    return makeVault(options, contents, () => lock.release());
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function read({ files, directory, context, signer }: VaultOptions): Promise<VaultContents> {
  const path = pathIn(directory);
  const bytes = await readAtomicFile(files, path);
  if (bytes === undefined) throw notFormatted(directory);
  const decoded = decode(vaultSchema, bytes);
  if (!decoded.ok)
    throw new StorageError('CORRUPT', `${path} is no memory of a witness of this version. Restore it.`);
  const { cluster, key } = decoded.value;
  if (!equalBytes(cluster, context.cluster.id)) {
    throw new StorageError('NOT_FORMATTED', `${directory} belongs to a witness of another cluster.`);
  }
  if (!equalBytes(key, signer.publicKey)) {
    throw new StorageError('NOT_FORMATTED', `${directory} belongs to a witness with another key.`);
  }
  return decoded.value;
}

function notFormatted(directory: string): StorageError {
  return new StorageError(
    'NOT_FORMATTED',
    `${directory} holds no memory of a witness. For a key that never cosigned make one with "bft2f witness --format"; if it is lost, make a new key.`,
  );
}

function makeVault(options: VaultOptions, opened: VaultContents, release: () => Promise<void>): Vault {
  const { files, directory, context, name, signer, clock } = options;
  let contents = opened;
  let isSealed = false;
  let latest = contents.head && signed(contents.head);
  /** Changes happen one after the other; after one that failed none does, since nobody knows what the disk holds. */
  let last: Promise<unknown> = Promise.resolve();

  function signed(head: Head): Cosigned {
    const text = headText(context.cluster, head);
    return { head, cosignature: cosign(context.crypto, { name, signer }, text, clock()) };
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done;
    done.catch(() => undefined);
    return done;
  }

  async function store(changed: VaultContents): Promise<void> {
    await writeAtomicFile(files, pathIn(directory), encode(vaultSchema, changed));
    contents = changed;
  }

  return {
    get latest() {
      return latest;
    },
    get entries() {
      return contents.entries;
    },
    advance: (from, to) =>
      inTurn(async () => {
        const { head } = contents;
        const isNext = head === undefined ? from === undefined : from !== undefined && sameEntry(from, head);
        if (isSealed || !isNext) return undefined;
        await store({ ...contents, head: to });
        if (isSealed) return undefined;
        latest = signed(to);
        return latest;
      }),
    refresh() {
      if (latest !== undefined && !isSealed) latest = signed(latest.head);
      return latest;
    },
    keepEntries: (entries) =>
      inTurn(async () => {
        const newest = new Map(contents.entries.map((entry) => [entry.replica, entry]));
        let isNews = false;
        for (const entry of entries) {
          if (entry.sequenceNumber <= (newest.get(entry.replica)?.sequenceNumber ?? 0)) continue;
          newest.set(entry.replica, entry);
          isNews = true;
        }
        if (isNews) await store({ ...contents, entries: [...newest.values()] });
      }),
    seal() {
      isSealed = true;
    },
    get isSealed() {
      return isSealed;
    },
    async close() {
      // A request that is still being answered changes nothing any more.
      isSealed = true;
      await last.catch(() => undefined);
      await release();
    },
  };
}
