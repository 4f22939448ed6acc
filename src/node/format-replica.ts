/**
 * The data directory's FORMAT record: whose promises it holds. It tells a new replica from one that lost its disk, and the disk of one
 * replica from that of another.
 */

import { encode, fixed, struct, u32 } from '../codec/index.ts';
import { randomBytes, sodiumCrypto } from '../crypto/sodium-native.ts';
import { type Genesis, makeCluster } from '../protocol/genesis.ts';
import { formatDataDirectory } from '../storage/data-directory.ts';
import { nodeFiles } from '../storage/node-files.ts';
import { DIGEST_BYTES, PUBLIC_KEY_BYTES, type ReplicaIndex } from '../types/identities.ts';
import { readGenesisFile } from './genesis-file.ts';
import { asNodeError, NodeError } from './node-error.ts';
import type { ReplicaConfig } from './replica-config.ts';

export const formatSchema = struct({
  clusterId: fixed(DIGEST_BYTES),
  index: u32,
  publicKey: fixed(PUBLIC_KEY_BYTES),
});

export function formatRecord(genesis: Genesis, index: ReplicaIndex): Uint8Array {
  const publicKey = genesis.replicas[index];
  if (publicKey === undefined) {
    throw new NodeError(
      'CONFIG',
      `index is ${index}, but the genesis has the replicas 0…${genesis.replicas.length - 1}; correct the replica file`,
    );
  }
  return encode(formatSchema, { clusterId: makeCluster(genesis, sodiumCrypto).id, index, publicKey });
}

/**
 * Creates the data directory of a new replica. Never for one that has run before: an empty directory under a used key makes a replica
 * that has forgotten its promises.
 * @throws NodeError CONFIG, or STORAGE if the directory is not empty
 */
export async function formatReplica(
  config: Pick<ReplicaConfig, 'genesis' | 'index' | 'data'>,
): Promise<void> {
  await formatReplicaDirectory(await readGenesisFile(config.genesis), config.index, config.data);
}

/** As `formatReplica`, without files of configuration. */
export async function formatReplicaDirectory(
  genesis: Genesis,
  index: ReplicaIndex,
  directory: string,
): Promise<void> {
  const salt = new DataView(randomBytes(4).buffer).getUint32(0);
  try {
    await formatDataDirectory(nodeFiles, directory, formatRecord(genesis, index), salt);
  } catch (error) {
    throw asNodeError(error);
  }
}
