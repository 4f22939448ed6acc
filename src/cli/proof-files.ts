/** Files that prove something, and the genesis file that they are verified with. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { sodiumCrypto } from '../crypto/sodium-native.ts';
import { readGenesisFile } from '../node/index.ts';
import type { Refusal } from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { makeCluster } from '../protocol/genesis.ts';
import type { Result } from '../types/result.ts';
import { clusterPaths, DEFAULT_DIRECTORY } from './cluster-directory.ts';
import { CommandError, EXIT } from './exit-codes.ts';

export interface ProofOptions {
  readonly directory: string;
  readonly genesis?: string;
  readonly json?: true;
}

/** The options that say which cluster a proof is judged by. */
export function withProofOptions(command: Command): Command {
  return command
    .option('-d, --directory <path>', 'the directory of the cluster', DEFAULT_DIRECTORY)
    .option('--genesis <file>', 'the genesis file to judge by (default: that of the directory)')
    .option('--json', 'the same for programs');
}

/** @throws NodeError CONFIG */
export async function contextFor({ directory, genesis }: ProofOptions): Promise<Context> {
  const file = await readGenesisFile(genesis ?? clusterPaths(directory).genesis);
  return { cluster: makeCluster(file, sodiumCrypto), crypto: sodiumCrypto };
}

/** More than any of these files may have: read no further. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** @throws CommandError if it cannot be read */
export async function readProof(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, more than any proof`);
    return await readFile(path);
  } catch (error) {
    throw new CommandError(EXIT.usage, `cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The file itself, or the files of a directory in the order of their names. @throws CommandError */
export async function proofsIn(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() ? [join(path, entry.name)] : [])).sort();
  } catch (error) {
    throw new CommandError(EXIT.usage, `cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The value, or the complaint about the file as the command's end: the answer is no. */
export function accepted<T>(path: string, result: Result<T, Refusal>): T {
  if (result.ok) return result.value;
  const { code, text } = result.error;
  throw new CommandError(EXIT.no, `${path}: ${text} (${code})`);
}

/** Byte strings as hexadecimal, all the way down, indented. */
export function proofJson(value: unknown): string {
  const readable = (_: string, it: unknown) =>
    it instanceof Uint8Array ? Buffer.from(it).toString('hex') : it;
  return `${JSON.stringify(value, readable, 2)}\n`;
}
