/** The replica's process, its files and its makers: what the command line and programs with a service of their own use. */

export { formatReplica, formatReplicaDirectory } from './format-replica.ts';
export { createGenesis, type GenesisChoices, readGenesisFile, writeGenesisFile } from './genesis-file.ts';
export { generateKey, type KeyPair, keyOfSeed, readKeyFile, writeKeyFile } from './key-file.ts';
export { createLogger, type NodeLogger, silentLogger } from './logging.ts';
export { EXIT_STATUS, NodeError, type NodeErrorCode } from './node-error.ts';
export type { NodeOptions, RunningNode } from './node-options.ts';
export type { NodeStatus, PeerReport } from './node-status.ts';
export {
  type Address,
  DURABILITIES,
  type Durability,
  LOG_LEVELS,
  type LogLevel,
  type ReplicaConfig,
  readReplicaConfig,
  writeReplicaConfig,
} from './replica-config.ts';
export { type Overrides, runReplica } from './replica-process.ts';
export { startNode } from './start-node.ts';
