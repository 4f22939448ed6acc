/**
 * Virtual time. Everything that happens in a simulation is an action at an instant; the kernel runs them in order of time, those of
 * one instant in the order in which they were scheduled. Nothing else decides an order, so the same seed is the same run.
 *
 * Instants are integer microseconds: sums are exact, and delays below a millisecond still order events.
 */

export interface Kernel {
  /** Microseconds since the simulation began. */
  readonly nowUs: number;
  /** Actions that have run. */
  readonly steps: number;
  /** Runs `action` after `delayUs`, an integer ≥ 0. */
  schedule(delayUs: number, action: () => void): Timer;
  /** Runs the earliest action. False if there is none. */
  runNext(): boolean;
  /** Runs all actions up to the instant, which becomes now; stops early once `until` is true. Answers whether it was. */
  runUntil(instantUs: number, until?: () => boolean): boolean;
}

export interface Timer {
  /** Without effect once the action has run. */
  cancel(): void;
}

interface Scheduled extends Timer {
  readonly atUs: number;
  readonly order: number;
  action: (() => void) | undefined;
}

export function makeKernel(): Kernel {
  const heap: Scheduled[] = [];
  let nowUs = 0;
  let order = 0;
  let steps = 0;

  function schedule(delayUs: number, action: () => void): Timer {
    if (!Number.isSafeInteger(delayUs) || delayUs < 0) {
      throw new Error(`a delay must be an integer number of microseconds ≥ 0, got ${delayUs}`);
    }
    const entry: Scheduled = {
      atUs: nowUs + delayUs,
      order: order++,
      action,
      cancel() {
        // It stays in the heap until its time: removal from the middle would cost more than an empty step.
        entry.action = undefined;
      },
    };
    push(heap, entry);
    return entry;
  }

  function runNext(): boolean {
    for (;;) {
      const next = pop(heap);
      if (next === undefined) return false;
      if (next.action === undefined) continue;
      nowUs = next.atUs;
      steps++;
      next.action();
      return true;
    }
  }

  return {
    get nowUs() {
      return nowUs;
    },
    get steps() {
      return steps;
    },
    schedule,
    runNext,
    runUntil(instantUs, until) {
      for (;;) {
        if (until?.() === true) return true;
        while (heap[0] !== undefined && heap[0].action === undefined) pop(heap);
        if (heap[0] === undefined || heap[0].atUs > instantUs) break;
        runNext();
      }
      nowUs = Math.max(nowUs, instantUs);
      return false;
    },
  };
}

/** Earlier first; at one instant, in order of scheduling. */
function before(a: Scheduled, b: Scheduled): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}

function push(heap: Scheduled[], entry: Scheduled): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!before(entry, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Scheduled[]): Scheduled | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || top === last) return top;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
  return top;
}
