import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/crypto/sha256.ts';
import type { KvResult } from '../../src/services/kv/index.ts';
import type { Operation } from '../../src/simulator/history.ts';
import { checkLinearizable } from '../../src/simulator/linearizability.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { type KvInput, kvWorkload } from '../../src/simulator/workload.ts';
import { digest } from './support.ts';

/** A sequential run of the real service. */
function runOf(seed: number, length: number): Operation<KvInput, KvResult>[] {
  const workload = kvWorkload(sha256, 2);
  const service = workload.service();
  const random = makeRandom(seed);
  return Array.from({ length }, (_, i) => {
    const { input } = workload.next(random, `v${i}`);
    const result = service.apply(workload.encode(input), {
      timeMs: i,
      client: digest(1),
      sequenceNumber: i + 1,
      resultBytesMax: 64 * 1024,
    });
    return { client: 'c0', input, invokedAt: 2 * i, completedAt: 2 * i + 1, output: workload.decode(result) };
  });
}

describe('the workload and its model', () => {
  it('the model allows what the service does', () => {
    const { model } = kvWorkload(sha256, 2);
    for (let seed = 0; seed < 50; seed++) {
      expect(checkLinearizable(model, runOf(seed, 60))).toEqual({ type: 'linearizable' });
    }
  });

  it('the model refuses a history from which one effective write is left out', () => {
    const { model } = kvWorkload(sha256, 1);
    let refused = 0;
    for (let seed = 0; seed < 50; seed++) {
      const run = runOf(seed, 60);
      const lost = run.findIndex(({ input }) => input.type === 'increment');
      run.splice(lost, 1);
      if (checkLinearizable(model, run).type === 'violation') refused++;
    }
    // The key must be incremented again for the loss to show; with 60 operations it nearly always is.
    expect(refused).toBeGreaterThan(45);
  });
});
