/** Small clusters under every order of messages, up to a depth; and proof that an exploration can find something, and leaves nothing out. */

import { describe, expect, it } from 'vitest';
import type { BugName } from '../../src/simulator/bugs.ts';
import { explore } from '../../src/simulator/explore/explore.ts';
import { SCENARIOS, type ScenarioName } from '../../src/simulator/explore/scenarios.ts';
import { search } from '../../src/simulator/explore/search.ts';
import { makeWorld } from '../../src/simulator/explore/world.ts';

const NAMES = Object.keys(SCENARIOS) as ScenarioName[];

describe('every order of messages', () => {
  it.each(NAMES)('%s: nothing is violated up to depth 3, nor in whole runs with a deviation', (scenario) => {
    const options = { scenario, depth: 3, deviations: 1, statesMax: 10_000 };
    const { search: found, runs, violation } = explore(options);
    expect(violation).toBeUndefined();
    expect(found.depth).toBe(3);
    expect(runs.map((each) => each.deviations)).toEqual([1, 1]);
    for (const { states, ends } of runs) {
      expect(states).toBeGreaterThan(300);
      expect(ends).toBeGreaterThan(0);
    }
  });

  it('the same twice', () => {
    const options = { scenario: 'restart', depth: 2, deviations: 0, statesMax: 10_000 } as const;
    expect(explore(options).report).toEqual(explore(options).report);
  });

  /** Sleep sets save steps, never states: as many are new at each depth as without them. */
  it.each(NAMES)('%s: taking commuting steps in one order only loses no state', (scenario) => {
    const all = search(makeWorld(SCENARIOS[scenario]), { depth: 5, statesMax: 300, reduce: false });
    const reduced = search(makeWorld(SCENARIOS[scenario]), { depth: 5, statesMax: 300 });
    expect(reduced.layers).toEqual(all.layers);
    expect(reduced.ends).toBe(all.ends);
    expect(reduced.steps).toBeLessThan(0.7 * all.steps);
  });
});

/** The bug, where it shows, within how many steps, and as what. */
const FOUND: readonly (readonly [BugName, ScenarioName, number, RegExp])[] = [
  ['certificates of 2f', 'equivocation', 4, /^agreement/],
  ['headers forgotten', 'restart', 3, /^no equivocation/],
  ['forgotten P', 'committed by one', 3, /^no framing/],
];

describe('bugs put in on purpose', () => {
  it.each(FOUND)('%s: found in "%s" within %i steps, by a shortest way', (bug, scenario, depth, sign) => {
    const options = { scenario, depth, deviations: 0, statesMax: 10_000 };
    const { search: found, violation, report } = explore({ ...options, bug });
    expect(violation).toMatch(sign);
    expect(found.violation?.path.length).toBe(depth);
    expect(report.join('\n')).toContain('VIOLATION');
    expect(explore(options).violation).toBeUndefined();
  });

  it('VIEW-CHANGE forgotten: too deep for the search, found in whole runs of "restart" with a deviation', () => {
    const options = { scenario: 'restart', depth: 1, deviations: 1, statesMax: 10_000 } as const;
    const { search: found, violation } = explore({ ...options, bug: 'VIEW-CHANGE forgotten' });
    expect(found.violation).toBeUndefined();
    expect(violation).toMatch(/^no equivocation: .* VIEW-CHANGE v1/);
  });
});
