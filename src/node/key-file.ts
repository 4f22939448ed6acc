/**
 * Private keys on disk. Each operator makes its own; nobody else ever sees it, so a file that others can read is refused rather than used.
 */

import { open, rm, stat } from 'node:fs/promises';
import { generateSeed, signerFromSeed } from '../crypto/sodium-native.ts';
import { equalBytes, toHex } from '../types/bytes.ts';
import { PUBLIC_KEY_BYTES, type PublicKey } from '../types/identities.ts';
import { configError, type FileKind, hexField, objectField, readConfigFile } from './config-fields.ts';
import { NodeError, reasonOf } from './node-error.ts';

export interface KeyPair {
  /** 32 bytes; the secret. */
  readonly seed: Uint8Array;
  /** 32 bytes; Ed25519. */
  readonly publicKey: PublicKey;
}

const SEED_BYTES = 32;
const KIND: FileKind = {
  name: 'key file',
  wayOut: 'Correct the path. "bft2f keygen" makes a new key; that is another identity.',
};

const keyFileSchema = objectField(
  {
    publicKey: hexField(PUBLIC_KEY_BYTES, 'the Ed25519 public key', 'nothing'),
    seed: hexField(SEED_BYTES, 'the secret seed of the key', 'nothing'),
  },
  'an object with publicKey and seed',
  'nothing',
);

/** A new key pair from the operating system's generator. */
export function generateKey(): KeyPair {
  return keyOfSeed(generateSeed());
}

/** @throws Error unless `seed` has 32 bytes */
export function keyOfSeed(seed: Uint8Array): KeyPair {
  return { seed, publicKey: signerFromSeed(seed).publicKey };
}

/** Creates the file with mode 0600. @throws NodeError CONFIG if there is one already: a key is never overwritten */
export async function writeKeyFile(path: string, key: KeyPair): Promise<void> {
  const text = `${JSON.stringify({ publicKey: toHex(key.publicKey), seed: toHex(key.seed) }, undefined, 2)}\n`;
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      // Half a key is none, and would be in the way of the next attempt.
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    const way = exists
      ? 'it exists already, and a key is never overwritten: choose another path'
      : reasonOf(error);
    throw new NodeError('CONFIG', `cannot write the key file ${path}: ${way}.`, error);
  }
}

/** @throws NodeError CONFIG, also if anyone but its owner may read it */
export async function readKeyFile(path: string): Promise<KeyPair> {
  const mode = (await stat(path).catch(() => undefined))?.mode;
  if (mode !== undefined && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new NodeError(
      'CONFIG',
      `the key file ${path} has mode ${octal}, so others on this machine may read the secret. If nobody did: chmod 600 ${path}. Otherwise make a new key with "bft2f keygen".`,
    );
  }
  const { publicKey, seed } = await readConfigFile(path, KIND, keyFileSchema, 'nothing');
  const key = keyOfSeed(seed);
  if (!equalBytes(key.publicKey, publicKey)) {
    throw configError(path, KIND, ['publicKey is not that of seed; one of the two was altered']);
  }
  return key;
}
