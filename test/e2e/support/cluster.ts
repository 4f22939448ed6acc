/**
 * A cluster of real processes in a directory of its own, laid out as `bft2f init` does it, so that every command of the program works on
 * it. The test starts, kills, pauses and asks; nothing here looks into a process otherwise than its operator could.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type ClusterPaths, clusterPaths, writeClientConfig } from '../../../src/cli/cluster-directory.ts';
import {
  createGenesis,
  formatReplica,
  generateKey,
  type NodeStatus,
  readReplicaConfig,
  writeGenesisFile,
  writeKeyFile,
  writeReplicaConfig,
} from '../../../src/node/index.ts';
import type { Genesis, GenesisLimits } from '../../../src/protocol/genesis.ts';
import type { LocalLimits } from '../../../src/protocol/replica/limits.ts';
import { onCleanUp } from './cleanup.ts';
import { runDirectory } from './leftovers.ts';
import { loopbackNetwork } from './networks/loopback.ts';
import type { Network } from './networks/network.ts';
import { type Exit, type ReplicaProcess, startReplicaProcess } from './replica-process.ts';
import { until } from './wait.ts';

export interface ClusterChoices<N extends Network = Network> {
  readonly network?: N;
  readonly limits?: Partial<GenesisLimits>;
  readonly localLimits?: Partial<LocalLimits>;
  /** Data directories elsewhere than beside the replica file, by index. */
  readonly data?: Readonly<Record<number, string>>;
}

export interface Cluster {
  readonly paths: ClusterPaths;
  readonly genesis: Genesis;
  readonly network: Network;
  readonly indices: readonly number[];
  data(index: number): string;
  start(index: number, prefix?: readonly string[]): ReplicaProcess;
  startAll(): Promise<void>;
  process(index: number): ReplicaProcess;
  /** SIGKILL; resolves when the process is gone. */
  kill(index: number): Promise<void>;
  /** SIGTERM; resolves to how it ended. */
  stop(index: number): Promise<Exit>;
  pause(index: number): void;
  resume(index: number): void;
  /** @throws Error if the replica does not answer */
  status(index: number): Promise<NodeStatus>;
  /** Of all that answer. */
  statuses(): Promise<readonly NodeStatus[]>;
  /** The text and the code that `/readyz` answers. */
  readiness(index: number): Promise<{ readonly ok: boolean; readonly text: string }>;
  until(index: number, what: string, holds: (status: NodeStatus) => boolean): Promise<NodeStatus>;
  untilReady(index: number): Promise<NodeStatus>;
  /** The highest view that a replica has entered. */
  primary(): Promise<{ readonly view: number; readonly index: number }>;
  /** Processes that ended without being asked to. */
  surprises(): readonly string[];
}

export const REPLICAS = 4;
const ASK_TIMEOUT_MS = 2_000;

/** Directories are formatted; nothing runs yet. */
export async function createCluster(name: string, choices: ClusterChoices = {}): Promise<Cluster> {
  const directory = mkdtempSync(join(runDirectory(), `${name}-`));
  onCleanUp(() => {
    if (process.env.BFT2F_E2E_KEEP === undefined) rmSync(directory, { recursive: true, force: true });
  });
  const network = choices.network ?? (await loopbackNetwork(REPLICAS));
  const paths = clusterPaths(directory);
  const indices = Array.from({ length: REPLICAS }, (_, index) => index);
  const genesis = await writeFiles(name, paths, network, indices, choices);
  const processes = new Map<number, ReplicaProcess>();
  const started: { readonly index: number; readonly process: ReplicaProcess }[] = [];
  onCleanUp(async () => {
    for (const { process } of started) {
      process.expectExit();
      process.signal('SIGKILL');
    }
    await Promise.all(started.map(({ process }) => process.exited));
  });

  function processOf(index: number): ReplicaProcess {
    const process = processes.get(index);
    if (process === undefined) throw new Error(`replica ${index} was not started`);
    return process;
  }

  async function end(index: number, signal: NodeJS.Signals): Promise<Exit> {
    const process = processOf(index);
    process.expectExit();
    process.signal(signal);
    return process.exited;
  }

  async function ask(index: number, path: string): Promise<Response> {
    const { host, port } = network.status(index);
    return fetch(`http://${host}:${port}${path}`, {
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      headers: { connection: 'close' },
    });
  }

  const cluster: Cluster = {
    paths,
    genesis,
    network,
    indices,
    data: (index) => choices.data?.[index] ?? paths.replica(index).data,
    process: processOf,
    start(index, prefix = []) {
      const own = paths.replica(index);
      const process = startReplicaProcess({
        config: own.config,
        log: own.log,
        errors: join(own.directory, 'errors.txt'),
        prefix: [...network.prefix(index), ...prefix],
      });
      processes.set(index, process);
      started.push({ index, process });
      return process;
    },
    async startAll() {
      for (const index of indices) cluster.start(index);
      await Promise.all(indices.map((index) => cluster.untilReady(index)));
    },
    async kill(index) {
      await end(index, 'SIGKILL');
    },
    stop: (index) => end(index, 'SIGTERM'),
    pause: (index) => processOf(index).signal('SIGSTOP'),
    resume: (index) => processOf(index).signal('SIGCONT'),
    async status(index) {
      return (await (await ask(index, '/status')).json()) as NodeStatus;
    },
    async statuses() {
      const answers = await Promise.allSettled(indices.map((index) => cluster.status(index)));
      return answers.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    },
    async readiness(index) {
      const response = await ask(index, '/readyz');
      return { ok: response.ok, text: await response.text() };
    },
    until: (index, what, holds) =>
      until(`replica ${index} ${what}`, async () => {
        const { exit, isExitExpected } = processOf(index);
        if (exit !== undefined && !isExitExpected) throw new Error(`it ended: ${describe(exit)}`);
        const status = await cluster.status(index);
        if (holds(status)) return status;
        throw new Error(JSON.stringify(brief(status)));
      }),
    untilReady: (index) => cluster.until(index, 'is ready', (status) => status.ready),
    async primary() {
      const view = Math.max(...(await cluster.statuses()).map((status) => status.view));
      return { view, index: view % REPLICAS };
    },
    surprises: () =>
      started.flatMap(({ index, process: { exit, isExitExpected } }) =>
        exit === undefined || isExitExpected ? [] : [`replica ${index} ${describe(exit)}`],
      ),
  };
  return cluster;
}

async function writeFiles(
  name: string,
  paths: ClusterPaths,
  network: Network,
  indices: readonly number[],
  { limits = {}, localLimits, data = {} }: ClusterChoices,
): Promise<Genesis> {
  const keys = indices.map(() => generateKey());
  const genesis = createGenesis({ name, replicas: keys.map(({ publicKey }) => publicKey), limits });
  await writeGenesisFile(paths.genesis, genesis);
  for (const index of indices) {
    const own = paths.replica(index);
    mkdirSync(own.directory, { recursive: true });
    await writeKeyFile(own.key, keys[index]!);
    await writeReplicaConfig(own.config, {
      genesis: relative(own.directory, paths.genesis),
      index,
      key: relative(own.directory, own.key),
      data: data[index] ?? relative(own.directory, own.data),
      listen: network.listen(index),
      peers: network.peersOf(index),
      metrics: network.status(index),
      limits: localLimits,
    });
    await formatReplica(await readReplicaConfig(own.config));
  }
  mkdirSync(paths.clientDirectory);
  await writeKeyFile(paths.clientKey, generateKey());
  await writeClientConfig(paths.client, {
    genesis: relative(paths.directory, paths.genesis),
    key: relative(paths.directory, paths.clientKey),
    state: relative(paths.directory, paths.clientState),
    replicas: network.replicas.map((address, index) => ({ ...address, status: network.status(index) })),
  });
  return genesis;
}

function describe({ code, signal, words }: Exit): string {
  return `ended with ${code ?? signal}: ${words.trim()}`;
}

/** What matters of a status, for messages. */
export function brief(status: NodeStatus): object {
  const { index, started, ready, view, phase, silence, committed, executed, stable } = status;
  return { index, started, ready, view, phase, silence, committed, executed, stable };
}
