/** A failing run is made smaller, and what is left still fails in the same way. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minimise, reduce } from '../../src/simulator/minimise.ts';
import { runSimulation } from '../../src/simulator/run.ts';
import { formatScenario, parseScenario, type Scenario } from '../../src/simulator/scenario.ts';

describe('reduce', () => {
  it('leaves exactly what is needed, wherever it stands', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.uniqueArray(fc.nat(59)), (length, wanted) => {
        const items = Array.from({ length }, (_, i) => i);
        const needed = wanted.filter((item) => item < length);
        const rest = reduce(items, (some) => needed.every((item) => some.includes(item)));
        expect(rest).toEqual(needed.sort((a, b) => a - b));
      }),
    );
  });

  it('asks few times for one of many', () => {
    let asked = 0;
    reduce([...Array(1024).keys()], (some) => {
      asked++;
      return some.includes(700);
    });
    expect(asked).toBeLessThan(50);
  });

  it('never leaves what it did not see to hold', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 20 }), fc.func(fc.boolean()), (items, judge) => {
        const held = new Set([JSON.stringify(items)]);
        const rest = reduce(items, (some) => {
          const holds = judge(JSON.stringify(some));
          if (holds) held.add(JSON.stringify(some));
          return holds;
        });
        expect(held).toContain(JSON.stringify(rest));
      }),
    );
  });
});

describe('minimise', () => {
  it.each<Scenario>([
    { seed: 0, bug: 'replies of 2f' },
    { seed: 1, bug: 'reads by result' },
  ])('$bug, seed $seed', (first) => {
    // Any seed that finds the bug will do, and the one written above may rot.
    let scenario = first;
    let result = runSimulation(scenario);
    for (let seed = first.seed + 1; result.ok; seed++) {
      expect(seed).toBeLessThan(100);
      scenario = { ...first, seed };
      result = runSimulation(scenario);
    }
    const smaller = minimise({ scenario, result, run: runSimulation, runsMax: 60 });
    expect(smaller.runs).toBeLessThanOrEqual(60);
    expect(smaller.expected).toMatchObject({ property: result.violations[0]!.property });
    const before = result.chosen.flat().length;
    expect(smaller.scenario.operations!.flat().length).toBeLessThan(before / 4);
    expect(smaller.scenario.plan!.length).toBeLessThanOrEqual(result.plan.length);

    const text = JSON.stringify(formatScenario(smaller.scenario, smaller.expected));
    const file = parseScenario(text);
    expect(file.expected).toEqual(smaller.expected);
    const again = runSimulation(file.scenario);
    expect(again.violations).toEqual(smaller.result.violations);
    expect(again.digest).toBe(smaller.result.digest);
  });

  it('stops when its runs are used up', () => {
    const scenario: Scenario = { seed: 0, bug: 'replies of 2f', requests: 20 };
    let runs = 0;
    const result = runSimulation({ ...scenario, seed: 0 });
    minimise({
      scenario,
      result: { ...result, violations: [{ kind: 'safety', property: 'x', text: '', atMs: 0 }] },
      run() {
        runs++;
        return result;
      },
      runsMax: 7,
    });
    expect(runs).toBe(7);
  });

  it('refuses a run that violates nothing', () => {
    const scenario: Scenario = { seed: 0, requests: 1, clients: 1, faults: [] };
    const result = runSimulation(scenario);
    expect(() => minimise({ scenario, result, run: runSimulation, runsMax: 5 })).toThrow(/violates nothing/);
  });
});

describe('scenario files', () => {
  it.each([
    ['{}', /bft2f-scenario/],
    ['{"format":"bft2f-scenario","version":2,"seed":1}', /"version": 1/],
    ['{"format":"bft2f-scenario","version":1}', /needs "seed"/],
    ['{"format":"bft2f-scenario","version":1,"seed":1,"sead":2}', /no "sead"; expected some of seed/],
    ['{"format":"bft2f-scenario","version":1,"seed":1,"replicas":5}', /"replicas".*3f\+1.*got 5/],
    ['{"format":"bft2f-scenario","version":1,"seed":1,"bug":"none"}', /"bug".*one of/],
    ['{"format":"bft2f-scenario","version":1,"seed":1,"plan":[{"atMs":1,"fault":{"type":"x"}}]}', /"plan"/],
    ['{"format":"bft2f-scenario","version":1,"seed":1,"expected":{"kind":"safety"}}', /"expected"/],
  ])('%s is refused', (text, reason) => {
    expect(() => parseScenario(text)).toThrow(reason);
  });
});
