import { describe, expect, it } from 'vitest';
import { runSimulation } from '../../src/simulator/run.ts';

describe('simulation, M1: the normal case', () => {
  for (const replicas of [1, 4, 7]) {
    it(`${replicas} replicas are linearizable and live under 30 % loss, duplicates and reordering`, () => {
      for (let seed = 0; seed < (replicas === 7 ? 4 : 12); seed++) {
        const { violations, stats } = runSimulation({ seed, replicas, lossPerMille: 300, faults: [] });
        expect({ seed, violations }).toEqual({ seed, violations: [] });
        expect(stats.batches).toBeGreaterThan(0);
      }
    });
  }

  it('the same seed is the same run, event for event; another is another', () => {
    const digestOf = (seed: number) => runSimulation({ seed }).digest;
    expect(digestOf(7)).toBe(digestOf(7));
    expect(digestOf(7)).not.toBe(digestOf(8));
  });
});
