/** ⟨CHECKPOINT, s, HCD^s, L^s, Σ^s⟩ (PBFT §4.3): signed every K batches; Σ is the digest of the replicated state. */

import { fixed, struct, type TypeOf, u8, u53 } from '../../codec/index.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import { statement } from '../statement.ts';

export interface CheckpointContent {
  readonly sequenceNumber: SequenceNumber;
  readonly hashChainDigest: Digest;
  readonly logRoot: Digest;
  /** Σ^s. */
  readonly stateDigest: Digest;
}

export const checkpointSchema = struct({
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  logRoot: fixed(32),
  stateDigest: fixed(32),
  replica: u8,
  signature: fixed(64),
});
export type Checkpoint = TypeOf<typeof checkpointSchema>;

export function checkpointStatement(cluster: Cluster, checkpoint: CheckpointContent): Uint8Array {
  return statement(
    cluster,
    'checkpoint',
    checkpoint.sequenceNumber,
    checkpoint.hashChainDigest,
    checkpoint.logRoot,
    checkpoint.stateDigest,
  );
}

export function sameCheckpoint(a: CheckpointContent, b: CheckpointContent): boolean {
  return (
    a.sequenceNumber === b.sequenceNumber &&
    equalBytes(a.hashChainDigest, b.hashChainDigest) &&
    equalBytes(a.logRoot, b.logRoot) &&
    equalBytes(a.stateDigest, b.stateDigest)
  );
}
