/**
 * A replica's own word for what it executed, in a form that existing tools for transparency logs read (docs/protocol.md §9): a C2SP
 * tlog-checkpoint under its cosignature, by a key of its own, since those tools know no executed entries.
 */

import type { Signer } from '../crypto/port.ts';
import { sodiumCrypto } from '../crypto/sodium-native.ts';
import {
  cosign,
  formatNote,
  formatVerifierKey,
  headText,
  replicaKeyName,
} from '../protocol/accountability/index.ts';
import { maySignEntries } from '../protocol/replica/effects.ts';
import type { Replica } from '../protocol/replica/index.ts';

export interface CheckpointOptions {
  readonly replica: Replica;
  readonly signer: Signer;
  /** Makes all durable that was recorded until now. */
  readonly sync: () => Promise<void>;
  /** Whole seconds since 1970. */
  readonly clock: () => number;
}

/**
 * The newest executed (s, L) as a signed note; undefined while this replica may not sign what it executed. What it signs is what its entry of s
 * says or would say, and durable, as before any signature over it.
 */
export async function cosignedCheckpoint({
  replica,
  signer,
  sync,
  clock,
}: CheckpointOptions): Promise<string | undefined> {
  const { executed } = replica.ledger;
  if (executed.sequenceNumber === 0 || !maySignEntries(replica)) return undefined;
  // Of this moment: later ones may know a larger size.
  const timeS = clock();
  await sync();
  const { cluster } = replica.context;
  const text = headText(cluster, executed);
  const name = replicaKeyName(cluster, replica.index);
  return formatNote({ text, signatures: [cosign(sodiumCrypto, { name, signer }, text, timeS)] });
}

/** Given to those who verify the replica's checkpoints. */
export function checkpointKey({ replica, signer }: Pick<CheckpointOptions, 'replica' | 'signer'>): string {
  const name = replicaKeyName(replica.context.cluster, replica.index);
  return formatVerifierKey(sodiumCrypto, { name, publicKey: signer.publicKey });
}
