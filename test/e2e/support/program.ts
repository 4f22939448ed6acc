/** Where the compiled program is, and how a command of it is run to its end. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Inside the package, so that its dependencies are found. */
export const PROGRAM_DIRECTORY = fileURLToPath(new URL('../dist', import.meta.url));
export const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `bft2f …args`, behind `prefix` if it is given, until it ends by itself. */
export function bft2f(args: readonly string[], prefix: readonly string[] = []): Promise<Ended> {
  const [command, ...rest] = [...prefix, process.execPath, PROGRAM, ...args];
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}
