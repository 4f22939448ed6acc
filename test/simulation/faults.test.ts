import { describe, expect, it } from 'vitest';
import { runSimulation, type SimulationOptions } from '../../src/simulator/run.ts';

function seeds(count: number, options: Omit<SimulationOptions, 'seed'>): void {
  for (let seed = 1_000; seed < 1_000 + count; seed++) {
    const { violations } = runSimulation({ ...options, seed });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
  }
}

describe('simulation, M2: crash and restart', () => {
  it('one replica', () => seeds(8, { replicas: 1, faults: ['crash', 'client-restart'] }));
  it('four, any and all of them', () => seeds(14, { faults: ['crash', 'client-restart'] }));
  it('seven', () => seeds(3, { replicas: 7, faults: ['crash'] }));
});

describe('simulation, M3: views change and faults end', () => {
  it('pauses, partitions and weather', () => seeds(14, { faults: ['pause', 'cut', 'weather'] }));
});

describe('simulation: everything at once', () => {
  it('four replicas', () => seeds(14, {}));
  it('seven replicas', () => seeds(3, { replicas: 7 }));
});

describe('simulation: replicas that lie, beside everything else but damage', () => {
  const faults = ['crash', 'client-restart', 'pause', 'cut', 'weather'] as const;
  it('one of four', () => seeds(8, { faulty: 1, attack: 'random lies', faults }));
  it('two of seven', () => seeds(4, { replicas: 7, faulty: 2, attack: 'random lies', faults }));
});
