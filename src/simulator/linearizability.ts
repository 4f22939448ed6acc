/**
 * Whether a history is linearizable: whether each operation can be given an instant between its invocation and its completion at
 * which it took effect, so that, in the order of those instants, a sequential model gives the recorded outputs.
 *
 * The search is Wing and Gong's with Lowe's memory of configurations ("Testing for linearizability", 2017): a
 * configuration, the set of operations that have taken effect and the model's state, is explored once. Histories
 * over independent objects are split by the model first (linearizability is local: Herlihy and Wing, 1990).
 */

import type { Operation } from './history.ts';

/** A sequential specification. States are immutable. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The next state, or undefined if the output is not the one that `input` has in `state`. An undefined output stands for any. */
  apply(state: State, input: Input, output: Output | undefined): State | undefined;
  /** Equal states have equal keys. */
  keyOf(state: State): string;
  /** Operations of different parts never influence each other. */
  partOf(input: Input): string;
}

export type Linearizability<Input, Output> =
  | { readonly type: 'linearizable' }
  | {
      readonly type: 'violation';
      readonly part: string;
      /** The longest prefix of an order that explains the history as far as it goes. */
      readonly explained: readonly Operation<Input, Output>[];
      /** Operations, already over or under way when the explanation ends, none of which can come next. */
      readonly stuck: readonly Operation<Input, Output>[];
    }
  /** More configurations than allowed: nothing is known. */
  | { readonly type: 'undecided'; readonly part: string };

export const CONFIGURATIONS_MAX = 2_000_000;

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  configurationsMax: number = CONFIGURATIONS_MAX,
): Linearizability<Input, Output> {
  const parts = new Map<string, Operation<Input, Output>[]>();
  for (const operation of history) {
    const part = model.partOf(operation.input);
    const operations = parts.get(part);
    if (operations === undefined) parts.set(part, [operation]);
    else operations.push(operation);
  }
  for (const [part, operations] of parts) {
    const result = checkPart(model, part, operations, configurationsMax);
    if (result.type !== 'linearizable') return result;
  }
  return { type: 'linearizable' };
}

/** A step of the search: which operation took effect, and the state before it. */
interface Frame<State> {
  readonly index: number;
  readonly before: State;
}

function checkPart<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: string,
  unsorted: readonly Operation<Input, Output>[],
  configurationsMax: number,
): Linearizability<Input, Output> {
  const operations = [...unsorted].sort((a, b) => a.invokedAt - b.invokedAt);
  const taken = new Uint32Array(Math.ceil(operations.length / 32));
  const isTaken = (index: number) => (taken[index >> 5]! & (1 << (index & 31))) !== 0;
  const flip = (index: number) => {
    taken[index >> 5]! ^= 1 << (index & 31);
  };
  // Operations with a known output must all take effect; those without may be left out.
  let mustRemain = operations.filter((operation) => operation.output !== undefined).length;

  const explored = new Set<string>();
  const path: Frame<State>[] = [];
  let best: readonly number[] = [];
  let state = model.initial;
  let from = 0;

  for (;;) {
    if (mustRemain === 0) return { type: 'linearizable' };
    const next = nextCandidate(from);
    if (next !== undefined) {
      const operation = operations[next]!;
      const after = model.apply(state, operation.input, operation.output);
      if (after !== undefined) {
        flip(next);
        const configuration = `${taken.join()}:${model.keyOf(after)}`;
        if (!explored.has(configuration)) {
          if (explored.size >= configurationsMax) return { type: 'undecided', part };
          explored.add(configuration);
          path.push({ index: next, before: state });
          if (operation.output !== undefined) mustRemain--;
          if (path.length > best.length) best = path.map((frame) => frame.index);
          state = after;
          from = 0;
          continue;
        }
        flip(next);
      }
      from = next + 1;
      continue;
    }
    const last = path.pop();
    if (last === undefined) return violation();
    flip(last.index);
    if (operations[last.index]!.output !== undefined) mustRemain++;
    state = last.before;
    from = last.index + 1;
  }

  /**
   * The first operation from index `start` that may take effect next: one that began before every other remaining
   * one was over. Taken ones at the front are skipped over, which keeps long histories cheap.
   */
  function nextCandidate(start: number): number | undefined {
    let earliestEnd = Number.POSITIVE_INFINITY;
    let firstOpen = 0;
    while (firstOpen < taken.length && taken[firstOpen] === 0xffffffff) firstOpen++;
    for (let index = firstOpen * 32; index < operations.length; index++) {
      const operation = operations[index]!;
      if (operation.invokedAt > earliestEnd) return undefined;
      if (isTaken(index)) continue;
      if (index >= start) return index;
      earliestEnd = Math.min(earliestEnd, operation.completedAt);
    }
    return undefined;
  }

  function violation(): Linearizability<Input, Output> {
    const explained = new Set(best);
    const remaining = operations.filter((_, index) => !explained.has(index));
    const earliestEnd = Math.min(...remaining.map((operation) => operation.completedAt));
    return {
      type: 'violation',
      part,
      explained: best.map((index) => operations[index]!),
      stuck: remaining.filter((operation) => operation.invokedAt <= earliestEnd),
    };
  }
}
