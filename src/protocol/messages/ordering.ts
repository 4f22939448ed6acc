/**
 * PRE-PREPARE, PREPARE and COMMIT (PBFT §4.2). A header names the digest of a batch, whose body travels beside it; a PREPARE repeats
 * the digest; a COMMIT vote names the hash chain digest, so that it speaks for the whole prefix.
 */

import { fixed, optional, struct, type TypeOf, u8, u53 } from '../../codec/index.ts';
import type { Cluster } from '../genesis.ts';
import { statement } from '../statement.ts';
import { batchSchema } from './batch.ts';

/** ⟨PRE-PREPARE, v, s, D(β)⟩ signed by primary(v). */
export const headerSchema = struct({
  view: u53,
  sequenceNumber: u53,
  batchDigest: fixed(32),
  signature: fixed(64),
});
export type Header = TypeOf<typeof headerSchema>;

export const prePrepareSchema = struct({ header: headerSchema, batch: optional(batchSchema) });
export type PrePrepareMessage = TypeOf<typeof prePrepareSchema>;

/** ⟨PREPARE, v, s, D⟩ signed by a backup. */
export const prepareSchema = struct({
  view: u53,
  sequenceNumber: u53,
  batchDigest: fixed(32),
  replica: u8,
  signature: fixed(64),
});
export type Prepare = TypeOf<typeof prepareSchema>;

/** ⟨COMMIT, v, s, HCD^s⟩: the commit vote. */
export const commitSchema = struct({
  view: u53,
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  replica: u8,
  signature: fixed(64),
});
export type Commit = TypeOf<typeof commitSchema>;

export function headerStatement(cluster: Cluster, header: Omit<Header, 'signature'>): Uint8Array {
  return statement(cluster, 'pre-prepare', header.view, header.sequenceNumber, header.batchDigest);
}

export function prepareStatement(
  cluster: Cluster,
  prepare: Pick<Prepare, 'view' | 'sequenceNumber' | 'batchDigest'>,
): Uint8Array {
  return statement(cluster, 'prepare', prepare.view, prepare.sequenceNumber, prepare.batchDigest);
}

export function commitStatement(
  cluster: Cluster,
  commit: Pick<Commit, 'view' | 'sequenceNumber' | 'hashChainDigest'>,
): Uint8Array {
  return statement(cluster, 'commit', commit.view, commit.sequenceNumber, commit.hashChainDigest);
}
