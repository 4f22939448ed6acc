/**
 * Whether a process number is still the replica that it was written down for. Numbers are given anew after a crash or a reboot; a signal to
 * whoever has it now would kill a stranger.
 */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Whether the process runs `bft2f replica` on this very replica file (an absolute path). */
export async function isReplicaProcess(pid: number, configPath: string): Promise<boolean> {
  const args = (await argumentsOf(pid)) ?? [];
  return args.includes('replica') && args.includes(configPath);
}

/** The arguments of a living process; undefined if there is none, or nobody tells. */
async function argumentsOf(pid: number): Promise<readonly string[] | undefined> {
  if (process.platform === 'linux') {
    // Empty for a process that has ended and that nobody has waited for yet.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return line === '' ? undefined : line.split('\0');
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
    return stdout.trim().split(/\s+/);
  } catch {
    return undefined;
  }
}

/** @returns whether there was such a process. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Resolves to whether `holds` became true within the time. */
export async function waitUntil(
  holds: () => Promise<boolean>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (true) {
    if (await holds()) return true;
    if (performance.now() >= endMs || signal?.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const POLL_MS = 50;
