/** Replicas in this process, in temporary directories, and a client that is no more than its state machine on a transport. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from '../../src/codec/index.ts';
import { randomBytes, signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { createClientTransport } from '../../src/network/client-transport.ts';
import { formatReplicaDirectory } from '../../src/node/format-replica.ts';
import { createGenesis } from '../../src/node/genesis-file.ts';
import type { NodeOptions, RunningNode } from '../../src/node/node-options.ts';
import type { NodeStatus } from '../../src/node/node-status.ts';
import { startNode } from '../../src/node/start-node.ts';
import { clientStep, DEFAULT_CLIENT_LIMITS, startSession } from '../../src/protocol/client/index.ts';
import type { ClientInput, ClientOutput, Outcome } from '../../src/protocol/client/io.ts';
import { type Genesis, type GenesisLimits, makeCluster } from '../../src/protocol/genesis.ts';
import { messageSchema } from '../../src/protocol/messages/index.ts';
import type { ReplicaEvent } from '../../src/protocol/replica/io.ts';
import { decodeKvResult, encodeKvOperation, kv } from '../../src/services/kv/index.ts';

export const HOST = '127.0.0.1';

const cleanups: (() => Promise<unknown>)[] = [];

/** To be called after each test. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bft2f-node-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function seedOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

export function publicKeyOf(number: number): Uint8Array {
  return signerFromSeed(seedOf(number)).publicKey;
}

export interface TestCluster {
  readonly genesis: Genesis;
  readonly directory: string;
  readonly nodes: (RunningNode | undefined)[];
  readonly ports: number[];
  start(index: number, choices?: Partial<NodeOptions>): Promise<RunningNode>;
  stop(index: number): Promise<void>;
  /** Resolves once `holds` is true of replica `index`; looked at after each of its events and every so often. */
  until(index: number, holds: (status: NodeStatus) => boolean): Promise<NodeStatus>;
}

/** Directories are formatted; nothing runs yet. */
export async function createCluster(
  replicaCount: number,
  limits: Partial<GenesisLimits> = {},
  defaults: Partial<NodeOptions> = {},
): Promise<TestCluster> {
  const directory = await temporaryDirectory();
  const replicas = Array.from({ length: replicaCount }, (_, i) => publicKeyOf(1 + i));
  const genesis = createGenesis({ name: 'test', replicas, limits });
  for (let i = 0; i < replicaCount; i++) await formatReplicaDirectory(genesis, i, `${directory}/${i}`);
  const nodes: (RunningNode | undefined)[] = [];
  const ports: number[] = Array.from({ length: replicaCount }, () => 0);
  const watchers = new Set<() => void>();
  cleanups.push(() => Promise.all(nodes.map(async (node) => node?.stop())));
  return {
    genesis,
    directory,
    nodes,
    ports,
    async start(index, choices = {}) {
      const node = await startNode({
        genesis,
        index,
        seed: seedOf(1 + index),
        dataDirectory: `${directory}/${index}`,
        listen: { host: HOST, port: ports[index]! },
        // Port 1 is nobody's: replicas only dial those that were started before, whose ports are known.
        peers: ports.map((port) => ({ host: HOST, port: port || 1 })),
        durability: 'memory',
        ...defaults,
        ...choices,
        onEvent(event: ReplicaEvent) {
          choices.onEvent?.(event);
          // After the step.
          queueMicrotask(() => {
            for (const look of watchers) look();
          });
        },
      });
      nodes[index] = node;
      ports[index] = node.port;
      return node;
    },
    async stop(index) {
      await nodes[index]?.stop();
      nodes[index] = undefined;
    },
    until(index, holds) {
      return new Promise((resolve) => {
        const look = (): void => {
          const status = nodes[index]?.status();
          if (status === undefined || !holds(status)) return;
          watchers.delete(look);
          clearInterval(timer);
          resolve(status);
        };
        const timer = setInterval(look, 20);
        watchers.add(look);
        look();
      });
    },
  };
}

export async function startAll(cluster: TestCluster, choices: Partial<NodeOptions> = {}): Promise<void> {
  for (let i = 0; i < cluster.genesis.replicas.length; i++) await cluster.start(i, choices);
}

export interface TestClient {
  submit(operation: Uint8Array): Promise<Outcome>;
  put(key: string, value: string): Promise<void>;
  get(key: string): Promise<string | undefined>;
}

export function createClient(cluster: TestCluster, seedNumber = 100): TestClient {
  const { genesis } = cluster;
  const context = { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto };
  const clock = () => ({ monotonicMs: Math.floor(performance.now()), wallMs: Date.now() });
  const waiting = new Map<number, (outcome: Outcome) => void>();
  let nextToken = 0;
  let wake: NodeJS.Timeout | undefined;
  const signer = signerFromSeed(seedOf(seedNumber));
  const transport = createClientTransport({
    seed: seedOf(seedNumber),
    clusterId: context.cluster.id,
    epoch: 0,
    replicas: genesis.replicas.map((publicKey, i) => ({
      publicKey,
      host: HOST,
      port: cluster.ports[i]! || 1,
    })),
    onFrame(from, frame) {
      const decoded = decode(messageSchema, frame);
      if (decoded.ok) give({ type: 'receive', from, message: decoded.value });
    },
    onConnected: (replica) => give({ type: 'connected', replica }),
    onDisconnected: () => undefined,
  });
  const { session, output } = startSession(
    {
      context,
      signer,
      random: randomBytes,
      seen: undefined,
      durable: false,
      restored: undefined,
      limits: DEFAULT_CLIENT_LIMITS,
    },
    clock(),
  );
  function give(input: ClientInput): void {
    carryOut(clientStep(session, input, clock()));
  }
  function carryOut({ sends, completions, wakeAtMs }: ClientOutput): void {
    for (const { to, message } of sends) {
      const frame = encode(messageSchema, message);
      const targets = to === 'all' ? genesis.replicas.keys() : [to];
      for (const target of targets) transport.send(target, frame);
    }
    for (const { token, outcome } of completions) {
      waiting.get(token)?.(outcome);
      waiting.delete(token);
    }
    clearTimeout(wake);
    const delayMs = wakeAtMs - performance.now();
    if (delayMs !== Number.POSITIVE_INFINITY) wake = setTimeout(() => give({ type: 'tick' }), delayMs + 1);
  }
  carryOut(output);
  cleanups.push(async () => {
    clearTimeout(wake);
    await transport.close();
  });

  function submit(operation: Uint8Array): Promise<Outcome> {
    const token = nextToken++;
    return new Promise((resolve) => {
      waiting.set(token, resolve);
      give({ type: 'submit', token, operation });
    });
  }
  async function resultOf(operation: Uint8Array) {
    const outcome = await submit(operation);
    if (outcome.type !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(outcome)}`);
    const result = decodeKvResult(outcome.result);
    if (!result.ok) throw new Error(`no result of the service: ${result.error.reason}`);
    return result.value;
  }
  return {
    submit,
    async put(key, value) {
      const result = await resultOf(encodeKvOperation(kv.put(key, value)));
      if (result.type === 'refused') throw new Error(`refused: ${result.code}`);
    },
    async get(key) {
      const result = await resultOf(encodeKvOperation(kv.get(key)));
      if (result.type === 'value') return new TextDecoder().decode(result.value);
      return undefined;
    },
  };
}
