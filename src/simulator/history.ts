/**
 * What clients saw: for each operation when it began, when it ended and what came back. Judging a history needs nothing else,
 * so histories recorded from real processes are judged by the same code.
 */

export interface Operation<Input, Output> {
  /** Who issued it; for reports. */
  readonly client: string;
  readonly input: Input;
  /** Any clock that all operations of a history share, such as a count of events. */
  readonly invokedAt: number;
  /** At or after `invokedAt`; Infinity while unanswered or when the outcome is unknown. */
  readonly completedAt: number;
  /** Undefined: the outcome is unknown, so it may have taken effect at any time after its invocation, or never. */
  readonly output: Output | undefined;
  /** Where it was answered from, if that is known: what forks are told apart by (fork-linearizability.ts). */
  readonly place?: Place;
}

export interface Place {
  /** The HCD of the history that the answer came from. */
  readonly history: string;
  /** False: it was read from that history and is no part of it. */
  readonly ordered: boolean;
}

/** Collects a history while the operations run. */
export interface HistoryRecorder<Input, Output> {
  /** The operation has been submitted; answers its number. */
  invoke(client: string, input: Input): number;
  /** It has been answered. */
  complete(operation: number, output: Output, place?: Place): void;
  /** It certainly had no effect: it is no part of the history. */
  reject(operation: number): void;
  /** In order of invocation; what is neither complete nor rejected has an unknown outcome. */
  operations(): readonly Operation<Input, Output>[];
  /** With what was rejected: in another fork it may have taken effect all the same. */
  everything(): readonly Operation<Input, Output>[];
}

export function recordHistory<Input, Output>(): HistoryRecorder<Input, Output> {
  const operations: { -readonly [K in keyof Operation<Input, Output>]: Operation<Input, Output>[K] }[] = [];
  const rejected = new Set<number>();
  let now = 0;
  return {
    invoke(client, input) {
      operations.push({
        client,
        input,
        invokedAt: now++,
        completedAt: Number.POSITIVE_INFINITY,
        output: undefined,
      });
      return operations.length - 1;
    },
    complete(operation, output, place) {
      if (place !== undefined) operations[operation]!.place = place;
      operations[operation]!.completedAt = now++;
      operations[operation]!.output = output;
    },
    reject(operation) {
      rejected.add(operation);
    },
    operations: () => operations.filter((_, index) => !rejected.has(index)),
    everything: () => operations,
  };
}
