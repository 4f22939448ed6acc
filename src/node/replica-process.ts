/** The main of a replica's process: one file says what it is, one signal ends it, one number says how it ended. */

import { readGenesisFile } from './genesis-file.ts';
import { readKeyFile } from './key-file.ts';
import { createLogger } from './logging.ts';
import { asNodeError, EXIT_STATUS } from './node-error.ts';
import { type Durability, type LogLevel, type ReplicaConfig, readReplicaConfig } from './replica-config.ts';
import { startNode } from './start-node.ts';
import { type StopSignal, stopSignals } from './stop-signals.ts';

/** What a command line may say otherwise than the replica file. */
export interface Overrides {
  readonly durability?: Durability | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/**
 * Runs until SIGTERM or SIGINT, or until the replica must stop; resolves to the exit status (EXIT_STATUS). Complaints go to the standard
 * error, log lines to the standard output.
 */
export async function runReplica(configPath: string, overrides: Overrides = {}): Promise<number> {
  // Before anything else: a signal that comes while files are read or the log is replayed must not be lost.
  const asked = stopSignals();
  try {
    const config = await readReplicaConfig(configPath);
    return await run({ ...config, ...definedOnly(overrides) }, asked.signal);
  } catch (error) {
    return complain(error);
  } finally {
    asked.forget();
  }
}

async function run(config: ReplicaConfig, asked: Promise<StopSignal>): Promise<number> {
  if (config.durability === 'memory') {
    process.stderr.write(
      'warning: durability is "memory": nothing is synced, and a loss of power makes this replica forget its promises. For experiments only.\n',
    );
  }
  const genesis = await readGenesisFile(config.genesis);
  const { seed } = await readKeyFile(config.key);
  const checkpointSeed = config.checkpointKey && (await readKeyFile(config.checkpointKey)).seed;
  const logger = createLogger(config.logLevel ?? 'info', config.index);
  const node = await startNode({
    genesis,
    index: config.index,
    seed,
    dataDirectory: config.data,
    listen: config.listen,
    peers: config.peers,
    metrics: config.metrics,
    ...(checkpointSeed ? { checkpointSeed } : {}),
    limits: config.limits,
    durability: config.durability,
    archive: config.archive,
    logger,
  });
  const signal = await Promise.race([asked, node.stopped.then(() => undefined)]);
  const askedAtMs = performance.now();
  await node.stop();
  const failure = await node.stopped;
  if (failure !== undefined) return complain(failure);
  const stopMs = Math.round(performance.now() - askedAtMs);
  logger.info({ event: 'stopped', signal, executed: node.status().executed, stopMs }, 'stopped');
  return EXIT_STATUS.OK;
}

function complain(error: unknown): number {
  const { code, message } = asNodeError(error);
  process.stderr.write(`${message}\n`);
  return EXIT_STATUS[code];
}

function definedOnly(overrides: Overrides): Overrides {
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
}
