/** Makes a local cluster: a key for each replica and one for the command line, the genesis, and one file per replica. */

import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { dirname, relative } from 'node:path';
import {
  createGenesis,
  formatReplica,
  generateKey,
  readReplicaConfig,
  writeGenesisFile,
  writeKeyFile,
  writeReplicaConfig,
} from '../node/index.ts';
import type { Genesis } from '../protocol/genesis.ts';
import { type ClusterPaths, clusterPaths, directoryOption, writeClientConfig } from './cluster-directory.ts';
import { CommandError, EXIT } from './exit-codes.ts';

export interface NewClusterOptions {
  readonly directory: string;
  readonly name: string;
  readonly replicas: number;
  /** Undefined: 2f+1. */
  readonly quorum: number | undefined;
  readonly host: string;
  /** Replica i listens on base + i and serves status on base + n + i; 0: any free ports. */
  readonly basePort: number;
  /** Whether the replicas keep their logs for ever. */
  readonly archive?: boolean | undefined;
}

export interface NewCluster {
  readonly paths: ClusterPaths;
  readonly genesis: Genesis;
}

/** @throws NodeError CONFIG; CommandError if the directory is in use or ports are missing. Nothing that exists is changed. */
export async function makeNewCluster(options: NewClusterOptions): Promise<NewCluster> {
  const { directory, name, host, replicas: count, basePort } = options;
  const paths = clusterPaths(directory);
  await refuseUsed(paths.directory);
  const keys = Array.from({ length: count }, () => generateKey());
  const genesis = createGenesis({
    name,
    replicas: keys.map(({ publicKey }) => publicKey),
    ...(options.quorum === undefined ? {} : { quorumSize: options.quorum }),
  });
  const ports = await choosePorts(host, basePort, 2 * count);
  const peers = keys.map((_, i) => ({ host, port: ports[i]! }));
  const statuses = keys.map((_, i) => ({ host, port: ports[count + i]! }));

  await makeDirectory(paths.clientDirectory);
  await writeGenesisFile(paths.genesis, genesis);
  for (const [index, key] of keys.entries()) {
    const own = paths.replica(index);
    await makeDirectory(own.directory);
    await writeKeyFile(own.key, key);
    await writeReplicaConfig(own.config, {
      genesis: relative(own.directory, paths.genesis),
      index,
      key: relative(own.directory, own.key),
      data: relative(own.directory, own.data),
      listen: peers[index]!,
      peers,
      metrics: statuses[index]!,
      ...(options.archive === true ? { archive: true } : {}),
    });
    await formatReplica(await readReplicaConfig(own.config));
  }
  await writeKeyFile(paths.clientKey, generateKey());
  // Last: a directory with it is complete.
  await writeClientConfig(paths.client, {
    genesis: relative(paths.directory, paths.genesis),
    key: relative(paths.directory, paths.clientKey),
    state: relative(paths.directory, paths.clientState),
    replicas: peers.map((address, i) => ({ ...address, status: statuses[i]! })),
  });
  return { paths, genesis };
}

/** With those above it. @throws CommandError with the path and the system's reason */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdirs(path);
  } catch (error) {
    throw new CommandError(EXIT.storage, `cannot make the directory ${path}: ${reasonOf(error)}`);
  }
}

/** mkdir's own `recursive` never ends where a directory cannot be made although its parent is there, as in /proc. */
async function mkdirs(path: string): Promise<void> {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) await mkdirs(parent);
  if (!existsSync(path)) await mkdir(path, { mode: 0o700 });
}

async function refuseUsed(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const names = await readdir(directory).catch((error) => {
    throw new CommandError(EXIT.usage, `cannot use ${directory} for a cluster: ${reasonOf(error)}`);
  });
  if (names.length === 0) return;
  const wayOut = existsSync(clusterPaths(directory).client)
    ? `holds a cluster: run it with "bft2f up${directoryOption(directory)}", or name another directory with --directory`
    : 'is not empty, and holds no complete cluster: name another directory with --directory, or remove this one if an init that failed left it';
  throw new CommandError(EXIT.usage, `${directory} ${wayOut}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What was answered before: nobody may listen there yet, so it still looks free. */
const chosen = new Set<number>();

export async function choosePorts(host: string, basePort: number, count: number): Promise<readonly number[]> {
  if (basePort !== 0) {
    if (basePort + count - 1 > 65_535) {
      throw new CommandError(
        EXIT.usage,
        `--base-port ${basePort} leaves no room for ${count} ports; choose one up to ${65_536 - count}`,
      );
    }
    return Array.from({ length: count }, (_, i) => basePort + i);
  }
  // All are held open until all are known, so that they differ.
  const servers: Server[] = [];
  try {
    for (let tries = 0; servers.length < count; tries++) {
      if (tries === TRIES_MAX) {
        throw new CommandError(EXIT.network, `cannot find ${count} free ports on ${host}; give --base-port`);
      }
      const port = randomInt(PORT_FIRST, PORT_LAST + 1);
      const server = chosen.has(port) ? undefined : await openServer(host, port);
      if (server !== undefined) servers.push(server);
    }
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    for (const port of ports) chosen.add(port);
    return ports;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/**
 * Below the ports from which systems take those of outgoing connections (32,768 or 49,152 on): while a replica is down, none of those may be
 * given its port, or it could not come back.
 */
const PORT_FIRST = 10_000;
const PORT_LAST = 32_767;
const TRIES_MAX = 10_000;

/** Undefined if the port is taken. */
function openServer(host: string, port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') return resolve(undefined);
      reject(
        new CommandError(EXIT.network, `cannot find free ports on ${host}: ${error.message}; correct --host`),
      );
    });
    server.listen(port, host, () => resolve(server));
  });
}
