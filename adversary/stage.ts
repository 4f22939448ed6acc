/**
 * A cluster of real processes in a directory laid out as `bft2f init` does it, on a network that can be divided, in which some replicas are
 * malicious or run twice. The scenarios say what happens on it.
 */

import { cp, mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type ClusterPaths, clusterPaths, writeClientConfig } from '../src/cli/cluster-directory.ts';
import { choosePorts } from '../src/cli/new-cluster.ts';
import { waitUntil } from '../src/cli/processes.ts';
import { connect } from '../src/client/index.ts';
import { sodiumCrypto } from '../src/crypto/sodium-native.ts';
import {
  createGenesis,
  formatReplica,
  generateKey,
  type NodeStatus,
  readReplicaConfig,
  writeGenesisFile,
  writeKeyFile,
  writeReplicaConfig,
} from '../src/node/index.ts';
import type { Context } from '../src/protocol/context.ts';
import { type Genesis, makeCluster } from '../src/protocol/genesis.ts';
import type { Nature } from './malicious-replica.ts';
import { makeParticipant, type Participant } from './participant.ts';
import { type MaliciousProcess, type ReplicaProcess, startMalicious, startReplica } from './processes.ts';
import { HOST, openSwitchboard, type Route } from './switchboard.ts';

export interface Stage {
  readonly paths: ClusterPaths;
  readonly context: Context;
  /** Of a process: `2`, or `2b` for a copy. */
  directory(name: string): string;
  /** Files for a process that stands for replica `index`; with `copyOf`, its twin, which has the key and the past of that stopped process. */
  prepare(name: string, index: number, copyOf?: string): Promise<void>;
  start(name: string): void;
  startMalicious(name: string, nature: Nature): MaliciousProcess;
  /** @throws Error with its last words if a process does not become ready in time */
  ready(names: readonly string[]): Promise<void>;
  /** Gracefully, or at once. */
  stop(name: string, signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  status(name: string): Promise<NodeStatus>;
  /** A client whose state and evidence are kept in client-<name>/, and how long it waits while it reaches no quorum. */
  client(name: string, noQuorumMs?: number): Promise<Participant>;
  /** From now on `place`, a process or a client, reaches a replica as the process that is named; undefined: not at all. */
  route(processOf: (place: string, replica: number) => string | undefined): void;
  /** Resolves to whether it became so in time. @throws Error if the demonstration is interrupted */
  until(holds: () => Promise<boolean>, timeoutMs?: number): Promise<boolean>;
  close(): Promise<void>;
}

const PATIENCE_MS = 30_000;

export async function openStage(directory: string, replicas: number, signal: AbortSignal): Promise<Stage> {
  const paths = clusterPaths(directory);
  const indices = Array.from({ length: replicas }, (_, index) => index);
  const keys = indices.map(() => generateKey());
  const genesis = createGenesis({ name: 'demo', replicas: keys.map(({ publicKey }) => publicKey) });
  const context = { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto };
  const switchboard = openSwitchboard(replicas);
  const ports = new Map<string, { readonly listen: number; readonly status: number }>();
  const processes = new Map<string, ReplicaProcess>();
  const participants: Participant[] = [];

  await mkdir(paths.clientDirectory, { recursive: true, mode: 0o700 });
  await writeGenesisFile(paths.genesis, genesis);
  await writeKeyFile(paths.clientKey, generateKey());

  const filesOf = (name: string) => {
    const own = join(paths.directory, `replica-${name}`);
    const file = (it: string): string => join(own, it);
    return {
      own,
      config: file('replica.json'),
      key: file('key.json'),
      data: file('data'),
      log: file('log.jsonl'),
    };
  };

  function note(name: string, process: ReplicaProcess): void {
    processes.set(name, process);
    // Whoever waits for it must not wait for nothing.
    if (signal.aborted) process.signal('SIGKILL');
  }

  function processOf(name: string): ReplicaProcess {
    const process = processes.get(name);
    if (process === undefined) throw new Error(`no process ${name} was started`);
    return process;
  }

  async function ask(name: string, path: string): Promise<Response> {
    return fetch(`http://${HOST}:${ports.get(name)!.status}${path}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]),
      headers: { connection: 'close' },
    });
  }

  const stage: Stage = {
    paths,
    context,
    directory: (name) => filesOf(name).own,
    async prepare(name, index, copyOf) {
      const files = filesOf(name);
      const [listen, status] = await choosePorts(HOST, 0, 2);
      ports.set(name, { listen: listen!, status: status! });
      await mkdir(files.own, { recursive: true, mode: 0o700 });
      await writeKeyFile(files.key, keys[index]!);
      await writeReplicaConfig(files.config, {
        genesis: relative(files.own, paths.genesis),
        index,
        key: relative(files.own, files.key),
        data: relative(files.own, files.data),
        listen: { host: HOST, port: listen! },
        peers: await switchboard.join(name),
        metrics: { host: HOST, port: status! },
      });
      if (copyOf === undefined) await formatReplica(await readReplicaConfig(files.config));
      else await cp(filesOf(copyOf).data, files.data, { recursive: true });
    },
    start(name) {
      const { config, log } = filesOf(name);
      note(name, startReplica(config, log));
    },
    startMalicious(name, nature) {
      const { config, log } = filesOf(name);
      const process = startMalicious(config, log, nature);
      note(name, process);
      return process;
    },
    async ready(names) {
      await Promise.all(
        names.map(async (name) => {
          const isReady = async (): Promise<boolean> =>
            !processOf(name).isAlive || (await ask(name, '/readyz').catch(() => undefined))?.ok === true;
          if ((await stage.until(isReady)) && processOf(name).isAlive) return;
          throw new Error(`replica ${name} did not become ready: ${await processOf(name).lastWords()}`);
        }),
      );
    },
    async stop(name, how = 'SIGTERM') {
      processOf(name).signal(how);
      await processOf(name).gone;
    },
    async status(name) {
      return (await (await ask(name, '/status')).json()) as NodeStatus;
    },
    async client(name, noQuorumMs = PATIENCE_MS) {
      const client = await connect({
        genesis,
        replicas: await switchboard.join(name),
        key: generateKey().seed,
        stateDirectory: join(paths.directory, `client-${name}`),
        deadlineMs: PATIENCE_MS,
        noQuorumMs,
      });
      const participant = makeParticipant(name, client, signal);
      participants.push(participant);
      return participant;
    },
    route(nameOf) {
      const route: Route = (place, replica) => {
        const name = nameOf(place, replica);
        return name === undefined ? undefined : ports.get(name)?.listen;
      };
      switchboard.route(route);
    },
    async until(holds, timeoutMs = PATIENCE_MS) {
      const held = await waitUntil(holds, timeoutMs, signal);
      signal.throwIfAborted();
      return held;
    },
    async close() {
      await Promise.all(participants.map(({ client }) => client.close()));
      for (const process of processes.values()) process.signal('SIGKILL');
      await Promise.all([...processes.values()].map(({ gone }) => gone));
      await switchboard.close();
    },
  };
  await prepareAll(stage, genesis, indices, ports);
  return stage;
}

/** One process for each replica, by its index; and the file by which the command line finds them. */
async function prepareAll(
  stage: Stage,
  genesis: Genesis,
  indices: readonly number[],
  ports: ReadonlyMap<string, { readonly listen: number; readonly status: number }>,
): Promise<void> {
  for (const index of indices) await stage.prepare(String(index), index);
  stage.route((_, replica) => String(replica));
  const { paths } = stage;
  await writeClientConfig(paths.client, {
    genesis: relative(paths.directory, paths.genesis),
    key: relative(paths.directory, paths.clientKey),
    state: relative(paths.directory, paths.clientState),
    replicas: genesis.replicas.map((_, index) => {
      const { listen, status } = ports.get(String(index))!;
      return { host: HOST, port: listen, status: { host: HOST, port: status } };
    }),
  });
}
