/**
 * The one file that says everything about one replica's process; nothing hidden overrides it. Paths in it are relative to the folder
 * that holds it.
 */

import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { REPLICAS_MAX } from '../protocol/quorum.ts';
import { DEFAULT_LOCAL_LIMITS, type LocalLimits } from '../protocol/replica/limits.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import {
  addressField,
  choiceField,
  type FileKind,
  flagField,
  integerField,
  listField,
  objectField,
  readConfigFile,
  textField,
} from './config-fields.ts';
import { NodeError, reasonOf } from './node-error.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const DURABILITIES = ['disk', 'memory'] as const;
/** `memory`: nothing is synced, so a loss of power makes the replica forget its promises. For experiments. */
export type Durability = (typeof DURABILITIES)[number];

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What the file says. Its paths are absolute once it has been read. */
export interface ReplicaConfig {
  /** Path of the genesis file. */
  readonly genesis: string;
  /** This replica's index in it. */
  readonly index: ReplicaIndex;
  /** Path of the key file, mode 0600. */
  readonly key: string;
  /** Path of the data directory, which `formatReplica` makes. */
  readonly data: string;
  /** Where other replicas and clients connect to. */
  readonly listen: Address;
  /** Of all replicas in the order of the genesis; this one's own entry is not used. */
  readonly peers: readonly Address[];
  /** Where metrics, health and status are served; nowhere if it is left out. */
  readonly metrics?: Address | undefined;
  /** Path of the file of another key, which cosigns checkpoints for tools; they are served beside the metrics. */
  readonly checkpointKey?: string | undefined;
  /** This replica's own limits where they differ from the defaults. */
  readonly limits?: Partial<LocalLimits> | undefined;
  /** Default `disk`. */
  readonly durability?: Durability | undefined;
  /** Whether what the log would forget is kept for ever, for auditors, in `archive/` of the data directory. Default false. */
  readonly archive?: boolean | undefined;
  /** Default `info`. */
  readonly logLevel?: LogLevel | undefined;
}

const KIND: FileKind = {
  name: 'replica file',
  wayOut:
    'Correct the path. "bft2f init" makes those of a cluster on one machine; for several, write them like these.',
};

/** Every timer of Node must be below this. */
const TIME_MS_MAX = 2 ** 31 - 1;

const limitFields = Object.fromEntries(
  Object.keys(DEFAULT_LOCAL_LIMITS).map((name) => [
    name,
    integerField(1, name.endsWith('Ms') ? TIME_MS_MAX : Number.MAX_SAFE_INTEGER, 'a limit').optional(),
  ]),
) as Record<keyof LocalLimits, z.ZodOptional<ReturnType<typeof integerField>>>;

const replicaFileSchema = objectField(
  {
    genesis: textField('the path of the genesis file'),
    index: integerField(0, REPLICAS_MAX - 1, "this replica's index in the genesis file"),
    key: textField('the path of the key file'),
    data: textField('the path of the data directory'),
    listen: addressField(0, 'where to listen'),
    peers: listField(
      addressField(0, 'where a replica listens'),
      'the addresses of all replicas in the order of the genesis file, each {"host": …, "port": …}',
    ),
    metrics: addressField(0, 'where to serve metrics').optional(),
    checkpointKey: textField('the path of the file of a second key').optional(),
    limits: objectField(limitFields, 'an object with local limits').optional(),
    durability: choiceField(DURABILITIES).optional(),
    archive: flagField().optional(),
    logLevel: choiceField(LOG_LEVELS).optional(),
  },
  'an object with genesis, index, key, data, listen and peers',
);

/** @throws NodeError CONFIG with every complaint */
export async function readReplicaConfig(path: string): Promise<ReplicaConfig> {
  const file: z.output<typeof replicaFileSchema> = await readConfigFile(path, KIND, replicaFileSchema);
  const folder = dirname(resolve(path));
  return {
    ...file,
    limits: definedOnly(file.limits),
    genesis: resolve(folder, file.genesis),
    key: resolve(folder, file.key),
    ...(file.checkpointKey === undefined ? {} : { checkpointKey: resolve(folder, file.checkpointKey) }),
    data: resolve(folder, file.data),
  };
}

/** Writes a new file; `config`'s paths as they are to stand in it. @throws NodeError CONFIG if it exists or cannot be written */
export async function writeReplicaConfig(path: string, config: ReplicaConfig): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    throw new NodeError('CONFIG', `cannot write the replica file ${path}: ${reasonOf(error)}`, error);
  }
}

function definedOnly(limits: Partial<Record<keyof LocalLimits, number | undefined>> | undefined) {
  if (limits === undefined) return undefined;
  const entries = Object.entries(limits).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<LocalLimits>;
}
