/** Starting a witness on what its data directory holds: lock and memory first, then the evidence, the links, and only then the port. */

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { signerFromSeed, sodiumCrypto } from '../crypto/sodium-native.ts';
import type { NetworkLimits } from '../network/limits.ts';
import { type Address, NodeError, type NodeLogger, silentLogger } from '../node/index.ts';
import { asNodeError } from '../node/node-error.ts';
import { type Evidence, explainEvidence, type Verdict } from '../protocol/accountability/index.ts';
import { type Genesis, makeCluster } from '../protocol/genesis.ts';
import type { FileLayer } from '../storage/file-layer.ts';
import { nodeFiles } from '../storage/node-files.ts';
import { toHex } from '../types/bytes.ts';
import { type Answer, type Api, makeApi } from './api.ts';
import { makeAuditor } from './auditor.ts';
import { openEvidenceStore, type StoredEvidence } from './evidence-store.ts';
import { serveWitness } from './http.ts';
import { createWitnessMetrics } from './metrics.ts';
import { openReplicas } from './replicas.ts';
import { openVault } from './vault.ts';
import { makeWebhook } from './webhook.ts';

export interface WitnessOptions {
  readonly genesis: Genesis;
  /** 32 bytes: the seed of the key that cosigns. */
  readonly seed: Uint8Array;
  readonly name: string;
  /** Made by `formatWitness`. */
  readonly dataDirectory: string;
  readonly listen: Address;
  readonly replicas: readonly Address[];
  /** Default 1,000. */
  readonly pollMs?: number | undefined;
  readonly webhook?: string | undefined;
  readonly webhookDelaysMs?: readonly number[] | undefined;
  readonly networkLimits?: Partial<NetworkLimits> | undefined;
  readonly logger?: NodeLogger | undefined;
  /** Where the data directory is; default: the disk. */
  readonly files?: FileLayer | undefined;
}

export interface RunningWitness {
  readonly port: number;
  /** Resolves when it has stopped: undefined if it was asked to, or else why. */
  readonly stopped: Promise<NodeError | undefined>;
  stop(): Promise<void>;
}

const DEFAULT_POLL_MS = 1_000;

/** @throws NodeError CONFIG, STORAGE or NETWORK; nothing is left open then */
export async function startWitness(options: WitnessOptions): Promise<RunningWitness> {
  const closers: (() => Promise<void>)[] = [];
  try {
    return await open(options, closers);
  } catch (error) {
    await closeAll(closers);
    throw asNodeError(error);
  }
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

async function open(options: WitnessOptions, closers: (() => Promise<void>)[]): Promise<RunningWitness> {
  const { genesis, seed, name, dataDirectory, replicas: addresses, files = nodeFiles } = options;
  const { logger = silentLogger, pollMs = DEFAULT_POLL_MS } = options;
  if (addresses.length !== genesis.replicas.length) {
    throw new NodeError(
      'CONFIG',
      `replicas has ${addresses.length} addresses; the genesis has ${genesis.replicas.length} replicas: give the address of each, in its order`,
    );
  }
  const context = { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto };
  const clock = (): number => Math.floor(Date.now() / 1000);
  let end: (failure: NodeError | undefined) => void = () => undefined;
  const ended = new Promise<NodeError | undefined>((resolve) => {
    end = resolve;
  });

  const vault = await openVault({
    files,
    directory: dataDirectory,
    context,
    name,
    signer: signerFromSeed(seed),
    clock,
  });
  closers.push(() => vault.close());
  const stopping = new AbortController();
  let polling: Promise<void> | undefined;
  closers.push(async () => polling);
  const evidence = await openEvidenceStore(files, join(dataDirectory, 'evidence'), context);

  const webhook = makeWebhook({
    url: options.webhook,
    delaysMs: options.webhookDelaysMs,
    onAttempt(outcome, reason) {
      metrics.noteWebhook(outcome);
      if (outcome === 'delivered') logger.info({ event: 'webhook', outcome }, 'webhook called');
      else logger.warn({ event: 'webhook', outcome, reason }, 'webhook not reached');
    },
  });
  closers.push(() => webhook.close());

  const replicas = openReplicas({
    context,
    addresses,
    limits: options.networkLimits,
    onAsked: (replica, outcome) => metrics.noteAsked(replica, outcome),
    onEvidence: (piece, verdict) => void guarded(onEvidence(piece, verdict)),
  });
  closers.push(() => replicas.close());
  const metrics = createWitnessMetrics({
    size: () => vault.latest?.head.sequenceNumber ?? 0,
    isForked: () => vault.isSealed,
    evidence: () => evidence.count,
    connected: () => addresses.map((_, replica) => replicas.isConnected(replica)),
  });

  async function onEvidence(piece: Evidence, verdict: Verdict): Promise<void> {
    // At once: nothing may be cosigned while the proof is being written.
    if (verdict.forked) vault.seal();
    const stored = await evidence.keep(piece, verdict);
    if (stored !== undefined) announce(stored);
  }

  function announce({ path, evidence: piece, verdict }: StoredEvidence): void {
    const { guilty, forked } = verdict;
    const explanation = explainEvidence(context.cluster, { evidence: piece, verdict });
    logger.error({ event: 'evidence', path, guilty, forked, explanation }, 'evidence');
    const cluster = toHex(context.cluster.id);
    webhook.call({ cluster, witness: name, evidence: path, guilty, forked, explanation });
  }

  const auditor = makeAuditor({ context, vault, replicas, onEvidence });

  /** What fails here is the disk, or an invariant: the witness must not go on as if it remembered. */
  async function guarded(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      end(asNodeError(error));
    }
  }

  if (evidence.fork !== undefined) {
    vault.seal();
    announce(evidence.fork);
  }

  const server = await serveWitness(options.listen, watched(), metrics);
  closers.push(() => server.close());
  closers.push(async () => stopping.abort());
  logger.info(
    { event: 'listening', port: server.port, size: vault.latest?.head.sequenceNumber },
    'listening',
  );

  function watched(): Api {
    const api = makeApi({ context, vault, auditor, evidence });
    const watch = (answer: Promise<Answer>): Promise<Answer> => {
      void guarded(answer);
      return answer;
    };
    return {
      addCheckpoint: (body) => watch(api.addCheckpoint(body)),
      addHead: (body) => watch(api.addHead(body)),
      checkpoint: () => api.checkpoint(),
    };
  }

  async function pollUntilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      // Whom nobody vouches for any more, nobody needs to watch.
      if (!vault.isSealed) await guarded(auditor.poll());
      await setTimeout(pollMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  polling = pollUntilStopped();

  const stopped = ended.then(async (failure) => {
    await closeAll(closers);
    return failure;
  });

  return {
    port: server.port,
    stopped,
    async stop() {
      end(undefined);
      await stopped;
    },
  };
}
