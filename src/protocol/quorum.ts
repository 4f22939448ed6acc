/**
 * Every threshold of the protocol, as functions of (n, q), in one place. n = 3f+1 replicas; q, the quorum, is 2f+1
 * unless the genesis configuration raises it. Two quorums of q share at least 2q−n replicas.
 */

import { assert } from '../types/assert.ts';

/** The most replicas a cluster may have; bitmaps of replicas fit 32 bits. */
export const REPLICAS_MAX = 31;

export interface Thresholds {
  /** n: 3f+1. */
  readonly replicaCount: number;
  /** f: how many faulty replicas leave the service linearizable and live with the default quorum. */
  readonly maxFaulty: number;
  /** Q: matching votes that make a certificate, and matching replies that a client accepts. */
  readonly quorumSize: number;
  /** Enough replicas that at least one of them is correct while the service is linearizable: k_safe+1. */
  readonly beliefSize: number;
  /**
   * Enough SUSPECTs that a correct replica joins them: f+1, and n−q+1 in general, so that the replicas
   * that may fail while the service is live cannot start a view change alone.
   */
  readonly suspicionSize: number;
  /** k ≤ this: linearizable (2q−n−1; f by default). */
  readonly linearizableWhile: number;
  /** k ≤ this: fork* consistent (q−1; 2f by default). */
  readonly forkStarWhile: number;
  /** k ≤ this: live (n−q; f by default). */
  readonly liveWhile: number;
}

/** @throws InvariantError unless n = 3f+1 ≤ 31 and 2f+1 ≤ q ≤ n. */
export function thresholds(replicaCount: number, quorumSize?: number): Thresholds {
  const maxFaulty = (replicaCount - 1) / 3;
  assert(
    Number.isInteger(maxFaulty) && maxFaulty >= 0 && replicaCount <= REPLICAS_MAX,
    `the number of replicas must be 3f+1 and at most ${REPLICAS_MAX} (1, 4, 7, … 31), not ${replicaCount}`,
  );
  const q = quorumSize ?? 2 * maxFaulty + 1;
  assert(
    Number.isInteger(q) && q >= 2 * maxFaulty + 1 && q <= replicaCount,
    `the quorum must be between 2f+1 = ${2 * maxFaulty + 1} and n = ${replicaCount}, not ${q}`,
  );
  const linearizableWhile = 2 * q - replicaCount - 1;
  return {
    replicaCount,
    maxFaulty,
    quorumSize: q,
    beliefSize: linearizableWhile + 1,
    suspicionSize: replicaCount - q + 1,
    linearizableWhile,
    forkStarWhile: q - 1,
    liveWhile: replicaCount - q,
  };
}

/** The k-th highest of the values (1-based), or undefined if there are fewer. */
export function kthHighest(values: readonly number[], k: number): number | undefined {
  return [...values].sort((a, b) => b - a)[k - 1];
}
