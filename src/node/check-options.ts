/**
 * What is wrong with the options of `startNode`, for callers whom no compiler has told: each complaint names the option, the expected form
 * and what stands there instead. An unknown option is refused as well, since a misspelt one must not be ignored.
 */

import { z } from 'zod';
import { SEED_BYTES } from '../crypto/seed.ts';
import { DEFAULT_NETWORK_LIMITS } from '../network/limits.ts';
import { DEFAULT_GENESIS_LIMITS, type Genesis } from '../protocol/genesis.ts';
import { REPLICAS_MAX } from '../protocol/quorum.ts';
import { DEFAULT_LOCAL_LIMITS } from '../protocol/replica/limits.ts';
import {
  addressField,
  choiceField,
  complaintsAbout,
  expected,
  flagField,
  integerField,
  listField,
  objectField,
  textField,
} from './config-fields.ts';
import { rejectGenesis } from './genesis-file.ts';
import { NodeError } from './node-error.ts';
import type { NodeOptions } from './node-options.ts';
import { DURABILITIES } from './replica-config.ts';

/** Every timer of Node must be below this. */
const TIME_MS_MAX = 2 ** 31 - 1;

/** Some of the limits; none may be `undefined`, which would take the place of its default. */
function limitsField(defaults: object, most: number, what: string) {
  const fields = Object.keys(defaults).map((name) => {
    const field = integerField(1, name.endsWith('Ms') ? TIME_MS_MAX : most, 'a limit');
    return [name, z.exactOptional(field)] as const;
  });
  return objectField(Object.fromEntries(fields), what).optional();
}

function functionField(what: string) {
  return z.custom((value) => typeof value === 'function', expected(what)).optional();
}

const LOGGER_METHODS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'isLevelEnabled'];

function isLogger(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return LOGGER_METHODS.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}

function isBytes(value: unknown, length: number): boolean {
  return value instanceof Uint8Array && value.length === length;
}

/** Whether all fields have their types; `rejectGenesis` judges what they say. */
function isGenesis(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { name, service, replicas, quorumSize, listedOnly, listed, limits } = value as Partial<Genesis>;
  return (
    typeof name === 'string' &&
    typeof service === 'string' &&
    Number.isSafeInteger(quorumSize) &&
    typeof listedOnly === 'boolean' &&
    [replicas, listed].every((keys) => Array.isArray(keys) && keys.every((key) => isBytes(key, 32))) &&
    Object.keys(DEFAULT_GENESIS_LIMITS).every((limit) =>
      Number.isSafeInteger((limits as Readonly<Record<string, unknown>> | undefined)?.[limit]),
    )
  );
}

const ADDRESS = '{"host": …, "port": …}';

const optionsSchema = objectField(
  {
    genesis: z.custom(isGenesis, expected('what readGenesisFile(path) or createGenesis(choices) answers')),
    index: integerField(0, REPLICAS_MAX - 1, "this replica's index in the genesis"),
    seed: z.custom(
      (value) => isBytes(value, SEED_BYTES),
      expected(`a Uint8Array of ${SEED_BYTES} bytes, the seed that readKeyFile(path) answers`, 'nothing'),
    ),
    dataDirectory: textField('the path of a directory that formatReplicaDirectory made'),
    listen: addressField(0, 'where to listen'),
    peers: listField(
      addressField(0, 'where a replica listens'),
      `the addresses of all replicas in the order of the genesis, each ${ADDRESS}`,
    ),
    metrics: addressField(0, 'where to serve metrics').optional(),
    checkpointSeed: z
      .custom(
        (value) => isBytes(value, SEED_BYTES),
        expected(
          `a Uint8Array of ${SEED_BYTES} bytes, the seed of a key that is not the replica's`,
          'nothing',
        ),
      )
      .optional(),
    limits: limitsField(DEFAULT_LOCAL_LIMITS, Number.MAX_SAFE_INTEGER, 'an object with local limits'),
    networkLimits: limitsField(DEFAULT_NETWORK_LIMITS, TIME_MS_MAX, 'an object with limits of the transport'),
    smallLogBytes: integerField(0, Number.MAX_SAFE_INTEGER, 'a size').optional(),
    durability: choiceField(DURABILITIES).optional(),
    archive: flagField().optional(),
    service: functionField('a function that makes the service, such as simpleService(…) answers'),
    logger: z
      .custom(isLogger, expected(`what createLogger answers: ${LOGGER_METHODS.join(', ')}`))
      .optional(),
    onEvent: functionField('a function of an event'),
  },
  'an object with genesis, index, seed, dataDirectory, listen and peers',
);

/** @throws NodeError CONFIG with every complaint */
export function checkOptions(options: NodeOptions): void {
  let complaints = complaintsAbout(optionsSchema, options, 'the argument');
  if (complaints.length === 0) {
    complaints = rejectGenesis(options.genesis).map((complaint) => `genesis: ${complaint}`);
  }
  if (complaints.length === 0) return;
  const lines = complaints.map((complaint) => `\n  ${complaint}`).join('');
  throw new NodeError('CONFIG', `startNode cannot use its options; correct them:${lines}`);
}
