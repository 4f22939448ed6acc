/** Attacks by replicas and clients. Each must have acted, and none may have broken what is promised with so many faulty replicas. */

import { describe, expect, it } from 'vitest';
import { ATTACK_NAMES } from '../../src/simulator/byzantine/attacks.ts';
import { runSimulation, type SimulationOptions, type SimulationResult } from '../../src/simulator/run.ts';

function runs(count: number, options: Omit<SimulationOptions, 'seed'>): readonly SimulationResult[] {
  return Array.from({ length: count }, (_, seed) => {
    const result = runSimulation({ ...options, seed });
    expect({ seed, violations: result.violations }).toEqual({ seed, violations: [] });
    return result;
  });
}

const actsOf = (results: readonly SimulationResult[]) =>
  results.reduce((sum, { stats }) => sum + stats.acts, 0);

describe.each(ATTACK_NAMES)('%s', (attack) => {
  it('by f replicas: linearizable and live', () => {
    expect(actsOf(runs(4, { faulty: 1, attack }))).toBeGreaterThan(0);
  });

  it('by f+1 replicas: fork*', () => {
    runs(1, { faulty: 2, attack });
  });
});

describe('forks', () => {
  it('twins of more than f replicas lead clients apart, and fork* holds', () => {
    const results = runs(12, { faulty: 2, attack: 'twins' });
    expect(Math.max(...results.map(({ stats }) => stats.forks))).toBe(2);
    // Each whose heads met was proved, or the run would be red; and there were some.
    expect(results.filter(({ stats }) => stats.forksMet > 0).length).toBeGreaterThan(2);
  });
});

describe('the same seed', () => {
  it.each([1, 2, 4])('is the same run with %d faulty replicas', (faulty) => {
    const digestOf = () => runSimulation({ seed: 3, faulty }).digest;
    expect(digestOf()).toBe(digestOf());
  });
});
