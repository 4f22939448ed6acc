/** The main of a replica's process: one file says what it is, one signal ends it, one number says how it ended. */

import { readGenesisFile } from './genesis-file.ts';
import { readKeyFile } from './key-file.ts';
import { createLogger } from './logging.ts';
import { asNodeError, EXIT_STATUS } from './node-error.ts';
import type { RunningNode } from './node-options.ts';
import { type Durability, type LogLevel, type ReplicaConfig, readReplicaConfig } from './replica-config.ts';
import { startNode } from './start-node.ts';

/** What a command line may say otherwise than the replica file. */
export interface Overrides {
  readonly durability?: Durability | undefined;
  readonly logLevel?: LogLevel | undefined;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Runs until SIGTERM or SIGINT, or until the replica must stop; resolves to the exit status (EXIT_STATUS). Complaints go to the standard
 * error, log lines to the standard output.
 */
export async function runReplica(configPath: string, overrides: Overrides = {}): Promise<number> {
  try {
    const config = await readReplicaConfig(configPath);
    return await run({ ...config, ...definedOnly(overrides) });
  } catch (error) {
    return complain(error);
  }
}

async function run(config: ReplicaConfig): Promise<number> {
  if (config.durability === 'memory') {
    process.stderr.write(
      'warning: durability is "memory": nothing is synced, and a loss of power makes this replica forget its promises. For experiments only.\n',
    );
  }
  const genesis = await readGenesisFile(config.genesis);
  const { seed } = await readKeyFile(config.key);
  let node: RunningNode | undefined;
  let isStopping = false;
  const onSignal = (): void => {
    isStopping = true;
    void node?.stop();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    node = await startNode({
      genesis,
      index: config.index,
      seed,
      dataDirectory: config.data,
      listen: config.listen,
      peers: config.peers,
      metrics: config.metrics,
      limits: config.limits,
      durability: config.durability,
      logger: createLogger(config.logLevel ?? 'info', config.index),
    });
    // The signal may have come during a long replay.
    if (isStopping) void node.stop();
    const failure = await node.stopped;
    return failure === undefined ? EXIT_STATUS.OK : complain(failure);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

function complain(error: unknown): number {
  const { code, message } = asNodeError(error);
  process.stderr.write(`${message}\n`);
  return EXIT_STATUS[code];
}

function definedOnly(overrides: Overrides): Overrides {
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
}
