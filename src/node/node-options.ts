/** What a replica is made of, and what its owner may do with it once it runs. */

import type { NetworkLimits } from '../network/limits.ts';
import type { Genesis } from '../protocol/genesis.ts';
import type { ReplicaEvent } from '../protocol/replica/io.ts';
import type { LocalLimits } from '../protocol/replica/limits.ts';
import type { ServiceFactory } from '../services/service.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { NodeLogger } from './logging.ts';
import type { NodeError } from './node-error.ts';
import type { NodeStatus } from './node-status.ts';
import type { Address, Durability } from './replica-config.ts';

export interface NodeOptions {
  readonly genesis: Genesis;
  readonly index: ReplicaIndex;
  /** 32 bytes: the secret behind the key at `index`. */
  readonly seed: Uint8Array;
  /** Made by `formatReplica`. */
  readonly dataDirectory: string;
  /** Port 0: any free one. */
  readonly listen: Address;
  /** Of all replicas in the order of the genesis; the own entry is not used. */
  readonly peers: readonly Address[];
  /** Nothing is served without it. Port 0: any free one. */
  readonly metrics?: Address | undefined;
  /** 32 bytes: the secret of another key, which cosigns checkpoints for tools; served beside the metrics. None by default. */
  readonly checkpointSeed?: Uint8Array | undefined;
  readonly limits?: Partial<LocalLimits> | undefined;
  readonly networkLimits?: Partial<NetworkLimits> | undefined;
  /** A log of fewer bytes is left in one piece when a checkpoint makes its beginning superfluous. Default 8 MiB. */
  readonly smallLogBytes?: number | undefined;
  /** Default `disk`. */
  readonly durability?: Durability | undefined;
  /** Whether what the log would forget is kept for ever, for auditors, in `archive/` of the data directory. Default false. */
  readonly archive?: boolean | undefined;
  /** Of a service of one's own; by default the genesis' `service` names one of ours (`kv/1`). */
  readonly service?: ServiceFactory | undefined;
  /** Default: silent. */
  readonly logger?: NodeLogger | undefined;
  /** Sees every event of the replica, after it was logged and counted. */
  readonly onEvent?: ((event: ReplicaEvent) => void) | undefined;
}

export interface RunningNode {
  /** Where replicas and clients connect to. */
  readonly port: number;
  /** Undefined if no metrics are served. */
  readonly metricsPort: number | undefined;
  status(): NodeStatus;
  /** Gracefully: stops listening, makes durable what was recorded, releases the data directory. More calls wait for the same. */
  stop(): Promise<void>;
  /** Resolves when the replica has stopped, with the reason unless it was `stop`. Never rejects. */
  readonly stopped: Promise<NodeError | undefined>;
}
