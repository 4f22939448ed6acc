/**
 * Starting a replica on what its data directory holds, in the order of docs/protocol.md §7: lock, FORMAT and key, log, snapshot, replay,
 * and only then the port.
 */

import { decode } from '../codec/index.ts';
import { signerFromSeed, sodiumCrypto } from '../crypto/sodium-native.ts';
import { networkLimits } from '../network/limits.ts';
import { createReplicaTransport } from '../network/replica-transport.ts';
import type { Evidence } from '../protocol/accountability/index.ts';
import { makeCluster } from '../protocol/genesis.ts';
import {
  DEFAULT_LOCAL_LIMITS,
  type Recovered,
  type Replica,
  type ReplicaOptions,
  startReplica,
  step,
} from '../protocol/replica/index.ts';
import type { Clock, Input, Output } from '../protocol/replica/io.ts';
import { openDataDirectory } from '../storage/data-directory.ts';
import { nodeFiles } from '../storage/node-files.ts';
import { equalBytes, toHex } from '../types/bytes.ts';
import { checkOptions } from './check-options.ts';
import { checkpointKey, cosignedCheckpoint } from './cosigned-checkpoint.ts';
import { countSyncs } from './counted-syncs.ts';
import { createDriver } from './driver.ts';
import { logEvent } from './event-log.ts';
import { writeEvidenceFile } from './evidence-files.ts';
import { formatRecord, formatSchema } from './format-replica.ts';
import { serveHealth } from './health.ts';
import { silentLogger } from './logging.ts';
import { createMetrics } from './metrics.ts';
import { asNodeError, NodeError } from './node-error.ts';
import type { NodeOptions, RunningNode } from './node-options.ts';
import { type NodeView, statusOf } from './node-view.ts';
import { recoverFromDisk } from './recover.ts';
import { serviceNamed } from './services.ts';
import { withoutSync } from './unsynced-files.ts';
import { createVerifyCache } from './verify-cache.ts';

/** What a client's frame has besides operations, at the most. */
const REQUEST_OVERHEAD_BYTES = 64 * 1024;

/** What answers the inputs of a running replica. */
export interface NodeCore {
  /** What its operator is shown. */
  readonly replica: Replica;
  /** What it does first. */
  readonly output: Output;
  readonly step: (input: Input, clock: Clock) => Output;
}

export type StartCore = (options: ReplicaOptions, recovered: Recovered, clock: Clock) => NodeCore;

/** @throws NodeError CONFIG, STORAGE, NETWORK or INVARIANT; nothing is left open then */
export function startNode(options: NodeOptions): Promise<RunningNode> {
  return startNodeAround(correctCore, options);
}

const correctCore: StartCore = (options, recovered, clock) => {
  const { replica, output } = startReplica(options, recovered, clock);
  return { replica, output, step: (input, now) => step(replica, input, now) };
};

/**
 * The same disk, links and clocks round another core. The package does not export it, and no file or flag reaches it: replicas that lie on
 * purpose are made outside, for demonstrations and tests.
 */
export async function startNodeAround(startCore: StartCore, options: NodeOptions): Promise<RunningNode> {
  // Undone in reverse, by a failed start and by a stop alike.
  const closers: (() => Promise<void>)[] = [];
  try {
    checkOptions(options);
    return await open(startCore, options, closers);
  } catch (error) {
    await closeAll(closers).catch(() => undefined);
    throw asNodeError(error);
  }
}

async function open(
  startCore: StartCore,
  options: NodeOptions,
  closers: (() => Promise<void>)[],
): Promise<RunningNode> {
  const { genesis, index, logger = silentLogger, durability = 'disk' } = options;
  const startedAtMs = performance.now();
  checkIdentity(options);
  const cache = createVerifyCache(sodiumCrypto);
  const context = { cluster: makeCluster(genesis, cache.crypto), crypto: cache.crypto };
  const service = options.service ?? serviceNamed(genesis.service, sodiumCrypto.hash);
  const counted = countSyncs(nodeFiles);
  const files = durability === 'memory' ? withoutSync(counted.files) : counted.files;

  const directory = await openDataDirectory(files, options.dataDirectory);
  closers.push(() => directory.release());
  checkFormat(options, directory.format);
  const disk = await recoverFromDisk({
    files,
    directory,
    context,
    durability,
    archive: options.archive ?? false,
    logger,
    onOpened: (close) => closers.push(close),
  });
  const core = startCore(
    {
      context,
      index,
      signer: cache.remembering(signerFromSeed(options.seed)),
      service,
      leaves: disk.leaves,
      limits: { ...DEFAULT_LOCAL_LIMITS, ...options.limits },
    },
    disk.recovered,
    readClock(),
  );
  const { replica } = core;

  // What was found before a crash may not have become a file.
  for (const evidence of replica.evidence.values()) keepEvidence(evidence);
  function keepEvidence(evidence: Evidence): void {
    const folder = `${options.dataDirectory}/evidence`;
    writeEvidenceFile(files, folder, context.cluster, evidence).catch((error) =>
      logger.error({ event: 'evidenceNotWritten' }, `evidence is in the log, but not in ${folder}: ${error}`),
    );
  }

  let stopping: Promise<void> | undefined;
  let reportStopped: (error: NodeError | undefined) => void = () => undefined;
  const stopped = new Promise<NodeError | undefined>((resolve) => {
    reportStopped = resolve;
  });
  function stop(reason?: NodeError): Promise<void> {
    stopping ??= closeAll(closers)
      .catch((error) => {
        // A stop that could not make everything durable is a failure too; after another failure it is a consequence.
        const failure = asNodeError(error);
        if (reason === undefined) reportStopped(failure);
        logger.error({ event: 'closeFailed', code: failure.code }, failure.message);
      })
      .then(() => reportStopped(reason));
    return stopping;
  }

  const transport = createReplicaTransport({
    seed: options.seed,
    index,
    clusterId: context.cluster.id,
    epoch: context.cluster.epoch,
    replicas: genesis.replicas.map((publicKey, i) => ({ publicKey, ...options.peers[i]! })),
    host: options.listen.host,
    port: options.listen.port,
    limits: {
      clientFrameBytesMax: Math.max(
        networkLimits().clientFrameBytesMax,
        genesis.limits.requestBytesMax + REQUEST_OVERHEAD_BYTES,
      ),
      ...options.networkLimits,
    },
    onFrame: (from, frame) => driver.receive(from, frame),
    onConnected(from) {
      if (from.role === 'replica') {
        logger.info({ event: 'connected', peer: from.index }, 'connected');
        driver.connected(from.index);
      }
    },
    onDisconnected(from, reason) {
      if (from.role === 'replica') {
        logger.info({ event: 'disconnected', peer: from.index, code: reason.code }, reason.message);
      }
    },
    onRefused: (where, reason) =>
      logger.debug({ event: 'connectionRefused', where, code: reason.code }, reason.message),
  });
  const driver = createDriver({
    index,
    replicaCount: context.cluster.thresholds.replicaCount,
    step: core.step,
    clock: readClock,
    disk,
    links: transport,
    smallLogBytes: options.smallLogBytes,
    heldSnapshots: () => new Set(replica.snapshots.keys()),
    onEvent(event) {
      metrics.noteEvent(event);
      logEvent(logger, event);
      if (event.type === 'evidence') keepEvidence(event.evidence);
      options.onEvent?.(event);
    },
    onMalformed(from, reason) {
      metrics.noteMalformed(from.kind);
      logger.debug({ event: 'malformed', from: from.kind, reason }, 'malformed frame');
    },
    onFailure(error) {
      logger.fatal({ event: 'failed', code: error.code, stack: stackOf(error) }, error.message);
      void stop(error);
    },
    onSynced: (durationMs) => metrics.noteSync(durationMs),
  });
  const view = (): NodeView => ({
    replica,
    transport: transport.stats(),
    logBytes: disk.log.bytes,
    durability,
    nowMs: readClock().monotonicMs,
    uptimeMs: performance.now() - startedAtMs,
    pid: process.pid,
  });
  const metrics = createMetrics({
    view,
    inbox: driver.inbox,
    signatures: cache,
    log: disk.log.stats,
    fileSyncs: counted.syncs,
  });
  const status = () => statusOf(view());
  const cosigner = options.checkpointSeed && signerFromSeed(options.checkpointSeed);
  if (cosigner !== undefined) {
    logger.info(
      { event: 'cosigner', key: checkpointKey({ replica, signer: cosigner }) },
      'cosigns checkpoints',
    );
  }
  const checkpoint = async (): Promise<string | undefined> =>
    cosigner &&
    cosignedCheckpoint({
      replica,
      signer: cosigner,
      sync: () => disk.log.sync(),
      clock: () => Math.floor(readClock().wallMs / 1000),
    });

  closers.push(() => driver.stop());
  closers.push(() => transport.close());
  const { port } = await transport.listen();
  const health =
    options.metrics === undefined
      ? undefined
      : await serveHealth(options.metrics, { metrics, status, checkpoint });
  if (health !== undefined) closers.push(() => health.close());
  driver.start(core.output);
  const { sequenceNumber } = replica.ledger.executed;
  logger.info({ event: 'listening', port, metricsPort: health?.port, executed: sequenceNumber }, 'listening');
  return { port, metricsPort: health?.port, status, stop: () => stop(), stopped };
}

/** Whole milliseconds, as the protocol counts. */
function readClock(): Clock {
  return { monotonicMs: Math.floor(performance.now()), wallMs: Date.now() };
}

/** Does all of it, whatever fails, and then fails with the first error. */
async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers.splice(0).reverse()) await close().catch((error) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

function checkIdentity({ genesis, index, seed, peers, checkpointSeed }: NodeOptions): void {
  const n = genesis.replicas.length;
  if (peers.length !== n) {
    throw new NodeError(
      'CONFIG',
      `peers has ${peers.length} addresses, but the genesis has ${n} replicas; give one for each, in its order`,
    );
  }
  if (checkpointSeed !== undefined && equalBytes(checkpointSeed, seed)) {
    throw new NodeError(
      'CONFIG',
      'the key that cosigns checkpoints is the replica’s own; make another one with "bft2f keygen"',
    );
  }
  const expected = genesis.replicas[index];
  const { publicKey } = signerFromSeed(seed);
  if (expected !== undefined && equalBytes(publicKey, expected)) return;
  const place = genesis.replicas.findIndex((key) => equalBytes(key, publicKey));
  const where = place < 0 ? 'is not in the genesis' : `is that of replica ${place}`;
  throw new NodeError(
    'CONFIG',
    `index is ${index}, but the public key ${toHex(publicKey)} ${where}; correct the index or the path of the key`,
  );
}

/** A data directory of another replica or cluster holds promises that are not ours. */
function checkFormat({ genesis, index, dataDirectory }: NodeOptions, format: Uint8Array): void {
  if (equalBytes(format, formatRecord(genesis, index))) return;
  const decoded = decode(formatSchema, format);
  const whose = decoded.ok
    ? `replica ${decoded.value.index} of the cluster ${toHex(decoded.value.clusterId)} with the key ${toHex(decoded.value.publicKey)}`
    : 'something else';
  throw new NodeError(
    'STORAGE',
    `${dataDirectory} belongs to ${whose}, not to replica ${index} of "${genesis.name}"; correct the path of the data directory`,
  );
}

function stackOf(error: NodeError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}
