import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/simulator/history.ts';
import { checkLinearizable, type Model } from '../../src/simulator/linearizability.ts';

type Input = { key: string; write?: number };
type Op = Operation<Input, number>;

/** A register per key; a write's output is 0. */
const register: Model<number, Input, number> = {
  initial: 0,
  apply(state, input, output) {
    if (input.write !== undefined) return input.write;
    return output === undefined || output === state ? state : undefined;
  },
  keyOf: String,
  partOf: (input) => input.key,
};

const write = (value: number, from: number, to: number, key = 'x'): Op => ({
  client: 'c',
  input: { key, write: value },
  invokedAt: from,
  completedAt: to,
  output: to === Infinity ? undefined : 0,
});
const read = (value: number, from: number, to: number, key = 'x'): Op => ({
  client: 'c',
  input: { key },
  invokedAt: from,
  completedAt: to,
  output: value,
});

/** All orders of all subsets that hold every completed operation: factorial, and obviously right. */
function bruteForce(history: readonly Op[]): boolean {
  const search = (remaining: readonly Op[], state: number): boolean => {
    if (remaining.every((operation) => operation.output === undefined)) return true;
    return remaining.some((operation) => {
      if (remaining.some((other) => other.completedAt < operation.invokedAt)) return false;
      const after = register.apply(state, operation.input, operation.output);
      return (
        after !== undefined &&
        search(
          remaining.filter((other) => other !== operation),
          after,
        )
      );
    });
  };
  return search(history, 0);
}

const isLinearizable = (history: readonly Op[]) =>
  checkLinearizable(register, history).type === 'linearizable';

describe('linearizability', () => {
  it('accepts what a register can do', () => {
    expect(isLinearizable([])).toBe(true);
    expect(isLinearizable([write(1, 0, 1), read(1, 2, 3)])).toBe(true);
    expect(isLinearizable([write(1, 0, 9), read(0, 1, 2), read(1, 3, 4)])).toBe(true);
    expect(isLinearizable([write(1, 0, 9), write(2, 0, 9), read(2, 1, 2), read(1, 3, 4)])).toBe(true);
  });

  it('refuses stale reads, lost writes and reads that go back', () => {
    expect(isLinearizable([write(1, 0, 1), read(0, 2, 3)])).toBe(false);
    expect(isLinearizable([write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)])).toBe(false);
    expect(isLinearizable([read(5, 0, 1)])).toBe(false);
  });

  it('lets an operation of unknown outcome happen late, or never', () => {
    const unknown = write(1, 0, Infinity);
    expect(isLinearizable([unknown])).toBe(true);
    expect(isLinearizable([unknown, read(0, 1, 2), read(0, 3, 4)])).toBe(true);
    expect(isLinearizable([unknown, read(0, 1, 2), read(1, 3, 4)])).toBe(true);
    expect(isLinearizable([unknown, read(1, 1, 2), read(0, 3, 4)])).toBe(false);
    // But not before it was invoked.
    expect(isLinearizable([read(1, 0, 1), write(1, 2, Infinity)])).toBe(false);
  });

  it('judges keys apart', () => {
    expect(isLinearizable([write(1, 0, 1, 'x'), read(0, 2, 3, 'y')])).toBe(true);
    const result = checkLinearizable(register, [
      write(1, 0, 1, 'x'),
      write(1, 0, 1, 'y'),
      read(0, 2, 3, 'y'),
    ]);
    expect(result).toMatchObject({ type: 'violation', part: 'y', explained: [{}], stuck: [{}] });
  });

  it('agrees with brute force on small random histories', () => {
    const operation = fc.tuple(fc.boolean(), fc.nat(2), fc.nat(12), fc.nat(6), fc.boolean());
    let good = 0;
    let bad = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (shapes) => {
        const history = shapes.map(([isWrite, value, start, duration, known]) => {
          // Odd invocations and even completions: no two instants are the same.
          const from = 2 * start + 1;
          const to = 2 * (start + duration + 1);
          return isWrite ? write(value, from, known ? to : Infinity) : read(value, from, to);
        });
        const expected = bruteForce(history);
        if (expected) good++;
        else bad++;
        expect(isLinearizable(history)).toBe(expected);
      }),
      { numRuns: 3_000, seed: 1 },
    );
    expect(Math.min(good, bad)).toBeGreaterThan(300);
  });

  it('judges long histories of a few clients quickly, and says when it gives up', () => {
    const long: Op[] = [];
    for (let i = 0; i < 3_000; i++) {
      long.push(write(i, 4 * i, 4 * i + 5), read(i, 4 * i + 2, 4 * i + 6.5));
    }
    expect(isLinearizable(long)).toBe(true);
    const wide = Array.from({ length: 40 }, (_, i) => write(i, 0, 100));
    const result = checkLinearizable(register, [...wide, read(99, 101, 102)], 10_000);
    expect(result.type).toBe('undecided');
  });
});
