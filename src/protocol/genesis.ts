/**
 * The genesis configuration: what all replicas and clients of a cluster agree on before the first batch. Its hash is the
 * cluster's identity and HCD^0, and stands in every signed statement, so nothing signed here means anything elsewhere.
 */

import { bool, encode, fixed, list, struct, text, u16, u32, u53 } from '../codec/index.ts';
import type { Crypto } from '../crypto/port.ts';
import { concatBytes, u32Bytes, utf8 } from '../types/bytes.ts';
import type { Digest, PublicKey, ReplicaIndex, View } from '../types/identities.ts';
import { REPLICAS_MAX, type Thresholds, thresholds } from './quorum.ts';

/** Limits that decide what is executed, so all replicas must share them. */
export interface GenesisLimits {
  /** W: batches that may be in flight between proposal and execution. */
  readonly pipelineWindow: number;
  /** K: a checkpoint every so many batches. */
  readonly checkpointInterval: number;
  /** M: how far ordering may run ahead of the last stable checkpoint, in batches. */
  readonly watermarkWindow: number;
  /** Δ: how far a batch's time may run ahead of a replica's clock, in milliseconds. */
  readonly clockSkewMs: number;
  /** How far a batch's time may lie behind a replica's clock, in milliseconds. */
  readonly clockLagMs: number;
  /** Most bytes of all operations of one request together. */
  readonly requestBytesMax: number;
  readonly operationsPerRequestMax: number;
  /** Most bytes of the encoded requests of one batch. */
  readonly batchBytesMax: number;
  readonly requestsPerBatchMax: number;
  /** Most bytes of the results of one request together. */
  readonly resultBytesMax: number;
  /** Entries that a client's `seen` may lie behind before it is STALE. */
  readonly chainWindow: number;
  readonly sessionsMax: number;
  readonly sessionResultBytesMax: number;
  readonly sessionsPerKeyMax: number;
  /** Sessions kept free for each key of `listed`. */
  readonly sessionsReservedPerListedKey: number;
}

export const DEFAULT_GENESIS_LIMITS: GenesisLimits = {
  pipelineWindow: 16,
  checkpointInterval: 256,
  watermarkWindow: 1024,
  clockSkewMs: 2_000,
  clockLagMs: 60_000,
  requestBytesMax: 64 * 1024,
  operationsPerRequestMax: 256,
  batchBytesMax: 1024 * 1024,
  requestsPerBatchMax: 1024,
  resultBytesMax: 64 * 1024,
  chainWindow: 65_536,
  sessionsMax: 16_384,
  sessionResultBytesMax: 64 * 1024 * 1024,
  sessionsPerKeyMax: 64,
  sessionsReservedPerListedKey: 8,
};

export interface Genesis {
  /** A name for people; part of the identity. */
  readonly name: string;
  /** The replicated service and its version, so that a replica with another service refuses to join. */
  readonly service: string;
  /** Ed25519 public keys in the order of the replicas' indices; 3f+1 of them, all different. */
  readonly replicas: readonly PublicKey[];
  /** q: 2f+1 ≤ q ≤ n. */
  readonly quorumSize: number;
  /** True: only the keys of `listed` may open sessions. */
  readonly listedOnly: boolean;
  /** Client keys with rights to sessions of their own. */
  readonly listed: readonly PublicKey[];
  readonly limits: GenesisLimits;
}

export const LISTED_KEYS_MAX = 1024;

/** Field by field, in this order; the canonical bytes that are hashed to the cluster id. */
export const genesisSchema = struct({
  name: text(256),
  service: text(256),
  replicas: list(fixed(32), REPLICAS_MAX, 1),
  quorumSize: u16,
  listedOnly: bool,
  listed: list(fixed(32), LISTED_KEYS_MAX),
  limits: struct({
    pipelineWindow: u32,
    checkpointInterval: u32,
    watermarkWindow: u32,
    clockSkewMs: u53,
    clockLagMs: u53,
    requestBytesMax: u32,
    operationsPerRequestMax: u32,
    batchBytesMax: u32,
    requestsPerBatchMax: u32,
    resultBytesMax: u32,
    chainWindow: u32,
    sessionsMax: u32,
    sessionResultBytesMax: u53,
    sessionsPerKeyMax: u32,
    sessionsReservedPerListedKey: u32,
  }),
});

/** Domain tags of everything hashed or signed: `bft2f/1/<kind>`. */
export type StatementKind =
  | 'request'
  | 'open'
  | 'batch'
  | 'pre-prepare'
  | 'prepare'
  | 'commit'
  | 'entry'
  | 'suspect'
  | 'view-change'
  | 'new-view'
  | 'checkpoint'
  | 'state'
  | 'link'
  | 'receipt'
  | 'evidence';

/** A genesis configuration with everything derived from it once. */
export interface Cluster {
  readonly genesis: Genesis;
  /** SHA-256 of the canonical genesis; also HCD^0. */
  readonly id: Digest;
  /** 0 until membership can change at run time. */
  readonly epoch: number;
  readonly thresholds: Thresholds;
  readonly limits: GenesisLimits;
  /**
   * The bytes that begin every statement of a kind: u8 length of the tag, the tag, the cluster id (32), the epoch (u32).
   * The length byte makes the set of prefixes prefix-free.
   */
  readonly prefix: (kind: StatementKind) => Uint8Array;
}

export function makeCluster(genesis: Genesis, crypto: Pick<Crypto, 'hash'>): Cluster {
  const id = crypto.hash(utf8('bft2f/1/genesis'), encode(genesisSchema, genesis));
  const epoch = 0;
  const prefixes = new Map<StatementKind, Uint8Array>();
  const prefix = (kind: StatementKind): Uint8Array => {
    let bytes = prefixes.get(kind);
    if (bytes === undefined) {
      const tag = utf8(`bft2f/1/${kind}`);
      bytes = concatBytes(Uint8Array.of(tag.length), tag, id, u32Bytes(epoch));
      prefixes.set(kind, bytes);
    }
    return bytes;
  };
  return {
    genesis,
    id,
    epoch,
    thresholds: thresholds(genesis.replicas.length, genesis.quorumSize),
    limits: genesis.limits,
    prefix,
  };
}

/** PBFT §4: the primary of view v is replica v mod n. */
export function primaryOf(cluster: Cluster, view: View): ReplicaIndex {
  return view % cluster.thresholds.replicaCount;
}
