/** Two histories of one fake cluster that part after a common beginning, for tests that compare them. */

import type { HistoryProof } from '../../src/protocol/accountability/index.ts';
import type { EntryContent, Head } from '../../src/protocol/messages/entry.ts';
import { headOf } from '../../src/protocol/version-vector.ts';
import { type FakeCluster, makeFakeCluster } from '../support/fake-cluster.ts';

export interface History {
  readonly cluster: FakeCluster;
  /** contents[s − 1]: what was executed at s. */
  readonly contents: readonly EntryContent[];
}

/** A history of `length` batches, the first `common` of which are those of every other. */
export function historyOf(name: string, common: number, length: number, replicas = 7): History {
  const cluster = makeFakeCluster(replicas, { history: (size) => (size < common ? 'common' : name) });
  const contents = Array.from({ length }, () => cluster.idle(1));
  return { cluster, contents };
}

export function headAt({ cluster, contents }: History, s: number, signers: readonly number[]): Head {
  const { quorumSize } = cluster.context.cluster.thresholds;
  return headOf(
    signers.map((replica) => cluster.entry(replica, contents[s - 1]!, replica)),
    quorumSize,
  );
}

export function proofOf({ cluster }: History, from: number, to: number): HistoryProof {
  return { root: cluster.rootAt(from), path: [...cluster.proof(from, to)] };
}
