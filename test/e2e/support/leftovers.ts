/**
 * What lives outside of the test process and must not outlive the test run: processes, mounts, network namespaces. Each is written down
 * before it is made, so that the run's teardown can undo it even if the worker that made it was killed.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Leftover =
  /** Killed only if its command line still names `config`: process numbers are given anew. */
  | { readonly kind: 'process'; readonly pid: number; readonly config: string }
  | { readonly kind: 'command'; readonly undo: readonly string[] };

/** The directory of this test run, which global-setup.ts makes and removes. */
export function runDirectory(): string {
  const directory = process.env.BFT2F_E2E_DIRECTORY;
  if (directory === undefined) throw new Error('run these tests with --config vitest.e2e.config.ts');
  return directory;
}

let count = 0;

/** Answers what forgets it again, to be called once it is gone. */
export function noteLeftover(leftover: Leftover): () => void {
  const folder = join(runDirectory(), 'leftovers');
  mkdirSync(folder, { recursive: true });
  // In the order of their making, also among worker processes.
  const name = `${String(Date.now())}-${process.pid}-${String(count++).padStart(6, '0')}`;
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(leftover));
  return () => rmSync(path, { force: true });
}

/** Undoes everything that is still written down, the newest first. */
export function removeLeftovers(directory: string): void {
  const folder = join(directory, 'leftovers');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder).sort().reverse()) {
    const leftover = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Leftover;
    try {
      if (leftover.kind === 'command') run(leftover.undo);
      else if (commandLine(leftover.pid).includes(leftover.config)) process.kill(leftover.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}

/** @throws Error with what the command said, if it fails */
export function run([command, ...args]: readonly string[]): string {
  return execFileSync(command!, args, { encoding: 'utf8', stdio: 'pipe' });
}

function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}
