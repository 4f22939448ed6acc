/** Small clusters under every order of messages, up to a depth; and proof that an exploration can find something, and leaves nothing out. */

import { describe, expect, it } from 'vitest';
import type { BugName } from '../../src/simulator/bugs.ts';
import { explore } from '../../src/simulator/explore/explore.ts';
import { SCENARIOS, type ScenarioName } from '../../src/simulator/explore/scenarios.ts';
import { search } from '../../src/simulator/explore/search.ts';
import { makeWorld } from '../../src/simulator/explore/world.ts';

const NAMES = Object.keys(SCENARIOS) as ScenarioName[];

describe('every order of messages', () => {
  it.each(NAMES)('%s: nothing is violated up to depth 4, and the cluster settles', (scenario) => {
    const {
      search: found,
      settled,
      violation,
    } = explore({ scenario, depth: 4, statesMax: 10_000, settled: 5 });
    expect(violation).toBeUndefined();
    expect(found.depth).toBe(4);
    expect(found.states).toBeGreaterThan(1_000);
    expect(settled).toBeGreaterThan(2);
  });

  it('the same twice', () => {
    const options = { scenario: 'restart', depth: 3, statesMax: 10_000, settled: 5 } as const;
    expect(explore(options).report).toEqual(explore(options).report);
  });

  /** Sleep sets save steps, never states: as many are new at each depth as without them. */
  it.each(NAMES)('%s: taking commuting steps in one order only loses no state', (scenario) => {
    const all = search(makeWorld(SCENARIOS[scenario]), { depth: 5, statesMax: 800, reduce: false });
    const reduced = search(makeWorld(SCENARIOS[scenario]), { depth: 5, statesMax: 800 });
    expect(reduced.layers).toEqual(all.layers);
    expect(reduced.ends.length).toBe(all.ends.length);
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
    const options = { scenario, depth, statesMax: 10_000, settled: 1 };
    const { search: found, violation, report } = explore({ ...options, bug });
    expect(violation).toMatch(sign);
    expect(found.violation?.path.length).toBe(depth);
    expect(report.join('\n')).toContain('VIOLATION');
    expect(explore(options).violation).toBeUndefined();
  });
});
