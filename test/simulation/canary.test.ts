/** Bugs put in on purpose: a simulator that does not report these proves nothing by its silence. */

import { describe, expect, it } from 'vitest';
import type { ReplicaProgram } from '../../src/simulator/replica-program.ts';
import { runSimulation, type SimulationOptions } from '../../src/simulator/run.ts';

/** What is found within the first seeds. */
function found(options: Omit<SimulationOptions, 'seed'>, seeds = 10): readonly string[] {
  for (let seed = 0; seed < seeds; seed++) {
    const { violations } = runSimulation({ ...options, seed });
    if (violations.length > 0) return violations.map(({ property }) => property);
  }
  return [];
}

describe('canaries', () => {
  it('promises that do not wait for the disk', () => {
    expect(found({ sabotage: { skipSync: true } })).toContain('persist before speak');
  });

  it('bodies that are not persisted', () => {
    expect(found({ sabotage: { forgetBodies: true } })).toContain('persist before speak');
  });

  it('replicas that never answer', () => {
    const mute = (correct: ReplicaProgram): ReplicaProgram => ({
      start(recovered, leaves, clock) {
        const { output } = correct.start(recovered, leaves, clock);
        const nothing = { ...output, sends: [], promises: [], wakeAtMs: Number.POSITIVE_INFINITY };
        return { output: nothing, running: { state: undefined, step: () => ({ ...nothing, persist: [] }) } };
      },
    });
    const program: SimulationOptions['program'] = (index, correct) => (index < 2 ? mute(correct) : correct);
    expect(found({ program, faults: [] }, 1)).toContain('every request is answered');
  });
});
