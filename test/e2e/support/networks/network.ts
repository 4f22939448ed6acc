/** How the replicas of a test cluster, their clients and the test reach each other. */

import type { Address } from '../../../../src/node/index.ts';

export interface Network {
  /** Where replica `index` listens, and where it serves its status. */
  listen(index: number): Address;
  status(index: number): Address;
  /** The addresses of all replicas as replica `index` is to use them. */
  peersOf(index: number): readonly Address[];
  /** The same for clients in the test process. */
  readonly replicas: readonly Address[];
  /** What a program must be run by to be on the machine of replica `index`. */
  prefix(index: number): readonly string[];
}

/** A network that can be cut. Clients in the test process are on the side of the replicas that are not named. */
export interface Divisible extends Network {
  /** Cuts the replicas off from the others and from the test's clients. Among themselves they stay connected. */
  separate(indices: readonly number[]): void;
  heal(): void;
}
