/** What a run is judged by: how much is promised with so many faulty replicas (docs/protocol.md §1), and whether its clients' histories keep it. */

import type { KvResult } from '../services/kv/index.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Promised, SimulatedCluster } from './cluster.ts';
import type { PlannedFault } from './faults.ts';
import { checkForkLinearizable } from './fork-linearizability.ts';
import type { HistoryRecorder, Operation } from './history.ts';
import { checkLinearizable, type Linearizability } from './linearizability.ts';
import type { KvInput, Workload } from './workload.ts';

/** By those that are faulty from the beginning, and those that lose their disk on the way. */
export function promisedWith(
  replicas: number,
  traitors: readonly ReplicaIndex[],
  plan: readonly PlannedFault[],
): Promised {
  const faulty = new Set(traitors);
  for (const { fault } of plan) if (fault.type === 'lose-disk') faulty.add(fault.replica);
  const maxFaulty = Math.floor((replicas - 1) / 3);
  if (faulty.size <= maxFaulty) return 'linearizable';
  return faulty.size <= 2 * maxFaulty ? 'fork*' : 'nothing';
}

/** Whether one order explains what clients were told or, where they may be forked apart, one order for each fork. */
export function judgeHistory(
  { promise, forks, clientKeys }: SimulatedCluster,
  workload: Workload,
  history: HistoryRecorder<KvInput, KvResult>,
): Linearizability<KvInput, KvResult> {
  if (promise === 'nothing') return { type: 'linearizable' };
  if (forks === undefined) return checkLinearizable(workload.model, history.operations());
  const branches = forks.branches().map((branch) => ({
    holds: branch.holds,
    mayHold: ({ client, input }: Operation<KvInput, KvResult>) =>
      branch.applied(clientKeys[Number(client.slice(1))]!, workload.encode(input)),
  }));
  return checkForkLinearizable(workload.model, history.everything(), branches);
}
