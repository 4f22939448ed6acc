/** The main of a witness's process: one file says what it is, one signal ends it, one number says how it ended. */

import { pino } from 'pino';
import { sodiumCrypto } from '../crypto/sodium-native.ts';
import { EXIT_STATUS, readGenesisFile, readKeyFile } from '../node/index.ts';
import { asNodeError } from '../node/node-error.ts';
import { stopSignals } from '../node/stop-signals.ts';
import { formatVerifierKey } from '../protocol/accountability/index.ts';
import { makeCluster } from '../protocol/genesis.ts';
import { nodeFiles } from '../storage/node-files.ts';
import { startWitness } from './start-witness.ts';
import { formatVault } from './vault.ts';
import { readWitnessConfig, type WitnessConfig } from './witness-config.ts';

/**
 * Makes the memory of a witness whose key has never cosigned, and answers its verifier key, which clients are given.
 * @throws NodeError CONFIG, or STORAGE if there is one already
 */
export async function formatWitness(configPath: string): Promise<string> {
  const config = await readWitnessConfig(configPath);
  const { publicKey } = await readKeyFile(config.key);
  const { id } = makeCluster(await readGenesisFile(config.genesis), sodiumCrypto);
  try {
    await formatVault(nodeFiles, config.data, id, publicKey);
  } catch (error) {
    throw asNodeError(error);
  }
  return formatVerifierKey(sodiumCrypto, { name: config.name, publicKey });
}

/**
 * Runs until SIGTERM or SIGINT, or until the witness must stop; resolves to the exit status (EXIT_STATUS). Complaints go to the standard error,
 * log lines to the standard output.
 */
export async function runWitness(configPath: string): Promise<number> {
  const asked = stopSignals();
  try {
    return await run(await readWitnessConfig(configPath), asked.signal);
  } catch (error) {
    return complain(error);
  } finally {
    asked.forget();
  }
}

async function run(config: WitnessConfig, asked: Promise<NodeJS.Signals>): Promise<number> {
  const { name, data, listen, replicas, pollMs, webhook, logLevel = 'info' } = config;
  const genesis = await readGenesisFile(config.genesis);
  const { seed } = await readKeyFile(config.key);
  const logger = pino({
    level: logLevel,
    base: { witness: name },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const witness = await startWitness({
    genesis,
    seed,
    name,
    dataDirectory: data,
    listen,
    replicas,
    pollMs,
    webhook,
    logger,
  });
  const signal = await Promise.race([asked, witness.stopped.then(() => undefined)]);
  await witness.stop();
  const failure = await witness.stopped;
  if (failure !== undefined) return complain(failure);
  logger.info({ event: 'stopped', signal }, 'stopped');
  return EXIT_STATUS.OK;
}

function complain(error: unknown): number {
  const { code, message } = asNodeError(error);
  process.stderr.write(`${message}\n`);
  return EXIT_STATUS[code];
}
