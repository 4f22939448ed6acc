import { describe, expect, it } from 'vitest';
import { runSimulation, type SimulationOptions } from '../../src/simulator/run.ts';

function seeds(count: number, options: Omit<SimulationOptions, 'seed'>): void {
  for (let seed = 1_000; seed < 1_000 + count; seed++) {
    const { violations } = runSimulation({ ...options, seed });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
  }
}

describe('simulation, M2: crash and restart', () => {
  it('one replica', () => seeds(20, { replicas: 1, faults: ['crash', 'client-restart'] }));
  it('four, any and all of them', () => seeds(40, { faults: ['crash', 'client-restart'] }));
  it('seven', () => seeds(8, { replicas: 7, faults: ['crash'] }));
});

describe('simulation, M3: views change and faults end', () => {
  it('pauses, partitions and weather', () => seeds(40, { faults: ['pause', 'cut', 'weather'] }));
});

describe('simulation: everything at once', () => {
  it('four replicas', () => seeds(40, {}));
  it('seven replicas', () => seeds(8, { replicas: 7 }));
});
