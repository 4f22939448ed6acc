/** Four replicas in processes of their own, as `bft2f up` would start them, in a directory that goes when they go. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readClientConfig } from '../src/cli/cluster-directory.ts';
import { makeNewCluster } from '../src/cli/new-cluster.ts';
import { fetchReady } from '../src/cli/replica-status.ts';
import type { Address } from '../src/node/index.ts';
import type { Genesis } from '../src/protocol/genesis.ts';
import type { Durability } from './options.ts';

export interface BenchCluster {
  readonly genesis: Genesis;
  /** In the order of the genesis. */
  readonly replicas: readonly Address[];
  /** Where each serves its metrics. */
  readonly metrics: readonly Address[];
  /** Ends the processes in good order, so that they write their profiles, and removes the directory. */
  stop(): Promise<void>;
}

const REPLICAS = 4;
const START_MS_MAX = 30_000;
const PROGRAM = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** @param profiles where each replica's profile goes; undefined: none is made */
export async function startCluster(
  durability: Durability,
  profiles: string | undefined,
): Promise<BenchCluster> {
  const temporary = await mkdtemp(join(tmpdir(), 'bft2f-bench-'));
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  const children: ChildProcess[] = [];
  const abandon = (): void => {
    for (const child of children) child.kill('SIGKILL');
    remove();
  };
  process.on('exit', abandon);

  async function stop(): Promise<void> {
    const living = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const gone = living.map((child) => once(child, 'exit'));
    for (const child of living) child.kill('SIGTERM');
    await Promise.all(gone);
    process.off('exit', abandon);
    remove();
  }

  try {
    const { paths, genesis } = await makeNewCluster({
      directory: join(temporary, 'cluster'),
      name: 'bench',
      replicas: REPLICAS,
      quorum: undefined,
      host: '127.0.0.1',
      basePort: 0,
    });
    const { replicas } = await readClientConfig(paths);
    for (let index = 0; index < REPLICAS; index++) {
      const { config } = paths.replica(index);
      const flags = profiles === undefined ? [] : profilerFlags(profiles, index);
      const options = ['--config', config, '--durability', durability, '--log-level', 'error'];
      const child = spawn(process.execPath, [...flags, PROGRAM, 'replica', ...options], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      children.push(child);
    }
    const metrics = replicas.map(({ status }) => status!);
    for (const [index, address] of metrics.entries()) await waitUntilReady(children[index]!, index, address);
    return { genesis, replicas, metrics, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function profilerFlags(directory: string, index: number): string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-name=replica-${index}.cpuprofile`];
}

async function waitUntilReady(child: ChildProcess, index: number, address: Address): Promise<void> {
  const deadlineMs = performance.now() + START_MS_MAX;
  while (!(await fetchReady(address))) {
    if (child.exitCode !== null) throw new Error(`replica ${index} ended with code ${child.exitCode}`);
    if (performance.now() > deadlineMs)
      throw new Error(`replica ${index} was not ready after ${START_MS_MAX} ms`);
    await sleep(50);
  }
}
