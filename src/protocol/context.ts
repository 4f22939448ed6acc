/** What pure rules need to be judged: whose statements these are, and how to hash and verify. */

import type { Crypto } from '../crypto/port.ts';
import type { PublicKey, ReplicaIndex } from '../types/identities.ts';
import type { Cluster } from './genesis.ts';

export interface Context {
  readonly cluster: Cluster;
  readonly crypto: Crypto;
}

/** The key of a replica, or undefined for an index that no replica has. */
export function replicaKey(context: Context, replica: ReplicaIndex): PublicKey | undefined {
  return context.cluster.genesis.replicas[replica];
}

/** Whether `signature` is replica's own over `statement`. */
export function signedBy(
  context: Context,
  replica: ReplicaIndex,
  statement: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = replicaKey(context, replica);
  return key !== undefined && context.crypto.verify(key, statement, signature);
}
