/**
 * Linearizability extended to forks: every branch must be linearizable by itself (linearizability.ts: Wing and Gong's search with Lowe's memory). What a
 * client accepted in another branch may have been applied in this one too, with an outcome that nobody was told.
 *
 * Reads that were not ordered may be answered from an older state of their branch: with more than f faulty replicas, of the Q that answer only one need be
 * correct, and that one may lie behind. They still see what their own client had ordered before, which
 * self-consistency (fork-star.ts) says of them exactly.
 */

import type { Operation } from './history.ts';
import { checkLinearizable, type Linearizability, type Model } from './linearizability.ts';

/** Of one branch and part. Operations of unknown outcome are many here, and each doubles the search; a branch that needs more is left undecided. */
const CONFIGURATIONS_MAX = 50_000;

export interface ForkBranch<Input, Output> {
  holds(history: string): boolean;
  /** Whether an operation whose answer, if any, came from elsewhere was applied here. */
  mayHold(operation: Operation<Input, Output>): boolean;
}

/** The first branch that nothing explains, if there is one. `operations` in order of invocation. */
export function checkForkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  branches: readonly ForkBranch<Input, Output>[],
): Linearizability<Input, Output> {
  for (const branch of branches) {
    const verdict = checkLinearizable(model, historyOf(operations, branch), CONFIGURATIONS_MAX);
    if (verdict.type === 'violation') return verdict;
  }
  return { type: 'linearizable' };
}

function historyOf<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  branch: ForkBranch<Input, Output>,
): readonly Operation<Input, Output>[] {
  const history: Operation<Input, Output>[] = [];
  /** Of each client, when the operation that it had ordered last began. */
  const began = new Map<string, number>();
  for (const operation of operations) {
    const { place, client, invokedAt } = operation;
    if (place === undefined || !branch.holds(place.history)) {
      if (branch.mayHold(operation)) {
        history.push({ ...operation, output: undefined, completedAt: Number.POSITIVE_INFINITY });
      }
    } else if (place.ordered) {
      history.push(operation);
      began.set(client, invokedAt);
    } else history.push({ ...operation, invokedAt: (began.get(client) ?? -1) + 0.5 });
  }
  return history;
}
