/** The genesis configuration as a JSON file: made of public keys alone, the same at every replica and client. */

import { writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import { rejectPublicKey } from '../crypto/small-order.ts';
import {
  DEFAULT_GENESIS_LIMITS,
  type Genesis,
  type GenesisLimits,
  LISTED_KEYS_MAX,
} from '../protocol/genesis.ts';
import { CAPS } from '../protocol/messages/caps.ts';
import { REPLICAS_MAX } from '../protocol/quorum.ts';
import { toHex } from '../types/bytes.ts';
import { PUBLIC_KEY_BYTES, type PublicKey } from '../types/identities.ts';
import {
  choiceField,
  configError,
  type FileKind,
  hexField,
  integerField,
  listField,
  objectField,
  readConfigFile,
  textField,
} from './config-fields.ts';
import { NodeError, reasonOf } from './node-error.ts';

const KIND: FileKind = {
  name: 'genesis file',
  wayOut:
    'Correct the path, or get a copy from whoever runs another replica; "bft2f genesis" makes one for a new cluster.',
};
const U32_MAX = 2 ** 32 - 1;
/** Frames between replicas have 4 MiB. */
const BATCH_BYTES_MAX = 3 * 1024 * 1024;

const limitFields = Object.fromEntries(
  Object.keys(DEFAULT_GENESIS_LIMITS).map((name) => [
    name,
    integerField(
      name === 'sessionsReservedPerListedKey' ? 0 : 1,
      name.endsWith('Ms') || name === 'sessionResultBytesMax' ? Number.MAX_SAFE_INTEGER : U32_MAX,
      'a limit',
    ),
  ]),
) as Record<keyof GenesisLimits, ReturnType<typeof integerField>>;

const publicKeyField = hexField(PUBLIC_KEY_BYTES, 'an Ed25519 public key');

const genesisFileSchema = objectField(
  {
    name: textField('a name for people', 256),
    service: textField('the name of the replicated service and its version, such as "kv/1"', 256),
    replicas: listField(
      objectField({ publicKey: publicKeyField }, 'an object {"publicKey": …}'),
      'the replicas in the order of their indices, each {"publicKey": …}',
    ),
    quorum: integerField(1, REPLICAS_MAX, 'the quorum'),
    admission: choiceField(['open', 'listed']),
    listed: listField(publicKeyField, 'client keys, 64 hexadecimal digits each'),
    limits: objectField(limitFields, `an object with ${Object.keys(limitFields).join(', ')}`),
  },
  'an object with name, service, replicas, quorum, admission, listed and limits',
);

export interface GenesisChoices {
  readonly name: string;
  /** Default `kv/1`. */
  readonly service?: string;
  /** 32 bytes each, in the order of the replicas' indices; 3f+1 of them. */
  readonly replicas: readonly PublicKey[];
  /** Default 2f+1. */
  readonly quorumSize?: number;
  /** Default `open`: any client key may open sessions. */
  readonly admission?: 'open' | 'listed';
  readonly listed?: readonly PublicKey[];
  readonly limits?: Partial<GenesisLimits>;
}

/** @throws NodeError CONFIG naming what does not fit */
export function createGenesis(choices: GenesisChoices): Genesis {
  const { name, replicas, service = 'kv/1', listed = [], admission = 'open' } = choices;
  const genesis: Genesis = {
    name,
    service,
    replicas,
    quorumSize: choices.quorumSize ?? 2 * Math.floor((replicas.length - 1) / 3) + 1,
    listedOnly: admission === 'listed',
    listed,
    limits: { ...DEFAULT_GENESIS_LIMITS, ...choices.limits },
  };
  const complaints = rejectGenesis(genesis);
  if (complaints.length === 0) return genesis;
  throw new NodeError('CONFIG', `no cluster can be made of this: ${complaints.join('; ')}`);
}

/** @throws NodeError CONFIG with every complaint */
export async function readGenesisFile(path: string): Promise<Genesis> {
  const file: z.output<typeof genesisFileSchema> = await readConfigFile(path, KIND, genesisFileSchema);
  const genesis: Genesis = {
    name: file.name,
    service: file.service,
    replicas: file.replicas.map(({ publicKey }) => publicKey),
    quorumSize: file.quorum,
    listedOnly: file.admission === 'listed',
    listed: file.listed,
    limits: file.limits,
  };
  const complaints = rejectGenesis(genesis);
  if (complaints.length > 0) throw configError(path, KIND, complaints);
  return genesis;
}

/** @throws NodeError CONFIG if the file cannot be written, or exists: another genesis is another cluster */
export async function writeGenesisFile(path: string, genesis: Genesis): Promise<void> {
  const file = {
    name: genesis.name,
    service: genesis.service,
    replicas: genesis.replicas.map((publicKey) => ({ publicKey: toHex(publicKey) })),
    quorum: genesis.quorumSize,
    admission: genesis.listedOnly ? 'listed' : 'open',
    listed: genesis.listed.map(toHex),
    limits: genesis.limits,
  };
  try {
    await writeFile(path, `${JSON.stringify(file, undefined, 2)}\n`, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    throw new NodeError('CONFIG', `cannot write the genesis file ${path}: ${reasonOf(error)}`, error);
  }
}

/** What is wrong with a genesis of the right shape; empty if nothing is. */
export function rejectGenesis(genesis: Genesis): string[] {
  const complaints: string[] = [];
  const n = genesis.replicas.length;
  const f = (n - 1) / 3;
  if (!Number.isInteger(f) || f < 0 || n > REPLICAS_MAX) {
    complaints.push(
      `replicas has ${n} entries; expected 3f+1 of them, at most ${REPLICAS_MAX}: 1, 4, 7, … 31`,
    );
  } else if (genesis.quorumSize < 2 * f + 1 || genesis.quorumSize > n) {
    complaints.push(`quorum is ${genesis.quorumSize}; expected 2f+1 = ${2 * f + 1} up to n = ${n}`);
  }
  complaints.push(...rejectKeys('replicas', '.publicKey', genesis.replicas));
  complaints.push(...rejectKeys('listed', '', genesis.listed));
  if (genesis.listed.length > LISTED_KEYS_MAX) {
    complaints.push(`listed has ${genesis.listed.length} keys; expected at most ${LISTED_KEYS_MAX}`);
  }
  if (genesis.listedOnly && genesis.listed.length === 0) {
    complaints.push('listed is empty while admission is "listed": no client could ever write; add a key');
  }
  return [...complaints, ...rejectLimits(genesis.limits)];
}

function rejectKeys(list: string, field: string, keys: readonly PublicKey[]): string[] {
  const complaints: string[] = [];
  const first = new Map<string, number>();
  for (const [i, key] of keys.entries()) {
    const name = `${list}[${i}]${field}`;
    const reason = rejectPublicKey(key);
    if (reason !== undefined) complaints.push(`${name}: ${reason}; make a key with "bft2f keygen"`);
    const earlier = first.get(toHex(key));
    if (earlier !== undefined)
      complaints.push(`${name} is the same key as ${list}[${earlier}]${field}; each must be its own`);
    else first.set(toHex(key), i);
  }
  return complaints;
}

/** Limits that together cannot work: a window that no message holds, a watermark that ordering would never get past. */
function rejectLimits(limits: GenesisLimits): string[] {
  const complaints: string[] = [];
  const most = (name: keyof GenesisLimits, bound: number, why: string) => {
    if (limits[name] > bound)
      complaints.push(`limits.${name} is ${limits[name]}; expected at most ${bound}, ${why}`);
  };
  if (limits.watermarkWindow < 2 * limits.checkpointInterval) {
    complaints.push(
      `limits.watermarkWindow is ${limits.watermarkWindow}; expected at least twice checkpointInterval, ${2 * limits.checkpointInterval}: ordering goes on while a checkpoint is being written`,
    );
  }
  most('pipelineWindow', CAPS.window / 2, 'as many as STATUS can tell of');
  most('operationsPerRequestMax', CAPS.operationsPerRequest, 'as many as a request can hold');
  most('requestsPerBatchMax', CAPS.requestsPerBatch, 'as many as a batch can hold');
  most('requestBytesMax', Math.min(CAPS.operationBytes, limits.batchBytesMax / 2), 'so that it fits a batch');
  most('resultBytesMax', CAPS.resultBytes, 'as much as a reply can hold');
  most('batchBytesMax', BATCH_BYTES_MAX, 'so that it fits a frame');
  return complaints;
}
