/**
 * What a simulated machine runs: the protocol core, or a wrapper of a few lines round it that misbehaves. The driver
 * knows no more of it than the step contract.
 */

import type { LeafStore } from '../crypto/leaf-store.ts';
import {
  type Recovered,
  type Replica,
  type ReplicaOptions,
  startReplica,
  step,
} from '../protocol/replica/index.ts';
import type { Clock, Input, Output } from '../protocol/replica/io.ts';

export interface RunningReplica {
  step(input: Input, clock: Clock): Output;
  /** The core's own state, for checkers of limits. */
  readonly state: Replica | undefined;
}

export interface ReplicaProgram {
  /** A process begins with what its disk kept. */
  start(recovered: Recovered, leaves: LeafStore, clock: Clock): { running: RunningReplica; output: Output };
}

/** The correct replica. */
export function correctReplica(options: Omit<ReplicaOptions, 'leaves'>): ReplicaProgram {
  return {
    start(recovered, leaves, clock) {
      const { replica, output } = startReplica({ ...options, leaves }, recovered, clock);
      return { running: { state: replica, step: (input, now) => step(replica, input, now) }, output };
    },
  };
}
