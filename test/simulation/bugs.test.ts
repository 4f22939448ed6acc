/**
 * The checkers are tested too: each bug of bugs.ts turns red, by a scenario and, where random faults find it soon, by a search from seed 0; without it, the same
 * scenarios (test/simulator/script.test.ts) and seeds are green.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BUGS, type BugName } from '../../src/simulator/bugs.ts';
import { runSimulation, type SimulationOptions } from '../../src/simulator/run.ts';
import { parseScript, runScript } from '../../src/simulator/script.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What a scenario's output says when the bug shows: a property that is violated, or an answer that never comes. */
const SCENARIOS: readonly (readonly [BugName, string, RegExp])[] = [
  ['certificates of 2f', 'divided-in-halves', /VIOLATION of agreement/],
  ['forgotten P', 'committed-by-one', /VIOLATION of agreement/],
  ['null over prepared', 'committed-by-one', /VIOLATION of agreement/],
  ['prepared deleted early', 'committed-by-one', /VIOLATION of agreement/],
  ['vote out of order', 'prepared-out-of-order', /VIOLATION of agreement/],
  ['vote over an earlier view', 'votes-of-earlier-views', /VIOLATION of agreement/],
  ['C not verified', 'inflated-base', /VIOLATION of agreement/],
  ['SUSPECT counted twice', 'primary-crash', /not within/],
  ['replies lost in transfer', 'reply-after-transfer', /not within/],
  ['entry before the snapshot', 'reply-after-transfer', /VIOLATION of persist before speak/],
  ['replies of 2f', 'normal-case', /VIOLATION of receipts hold/],
  ['reads by result', 'reads-from-two-states', /VIOLATION of receipts hold/],
];

const LYING = {
  faulty: 1,
  attack: 'random lies',
  faults: ['crash', 'client-restart', 'pause', 'cut', 'weather'],
} as const;
const WEATHER = { faults: ['pause', 'cut', 'weather'] } as const;

interface Search {
  readonly bug: BugName;
  readonly options: Omit<SimulationOptions, 'seed' | 'bug'>;
  /** It must be found within so many, from seed 0. */
  readonly seeds: number;
  readonly kind: string;
}

const SEARCHES: readonly Search[] = [
  { bug: 'replies of 2f', options: {}, seeds: 10, kind: 'safety' },
  { bug: 'reads by result', options: {}, seeds: 20, kind: 'safety' },
  { bug: 'SUSPECT counted twice', options: WEATHER, seeds: 10, kind: 'liveness' },
  { bug: 'certificates of 2f', options: WEATHER, seeds: 150, kind: 'safety' },
  { bug: 'certificates of 2f', options: LYING, seeds: 200, kind: 'safety' },
  { bug: 'forgotten P', options: WEATHER, seeds: 200, kind: 'safety' },
];

const table: string[] = [];

function scenario(name: string, bug?: BugName): string {
  const text = readFileSync(join(ROOT, 'test/traces', `${name}.trace`), 'utf8');
  return runScript(parseScript(text), bug).join('\n');
}

describe('bugs put in on purpose', () => {
  it.each(SCENARIOS)('%s: shown by the scenario %s', (bug, name, sign) => {
    expect(scenario(name)).not.toMatch(sign);
    expect(scenario(name, bug)).toMatch(sign);
    table.push(`${bug}: scenario ${name}`);
  });

  it.each(SEARCHES)('$bug: found within $seeds seeds', ({ bug, options, seeds, kind }) => {
    for (let seed = 0; seed < seeds; seed++) {
      expect(runSimulation({ ...options, seed }).violations).toEqual([]);
      const [violation] = runSimulation({ ...options, seed, bug }).violations;
      if (violation === undefined) continue;
      expect(violation.kind).toBe(kind);
      table.push(`${bug}: ${seed + 1} seeds: ${violation.property}`);
      return;
    }
    expect.unreachable(`${bug}: not found within ${seeds} seeds`);
  });

  it('each has its scenario', () => {
    expect(new Set(SCENARIOS.map(([bug]) => bug))).toEqual(new Set(Object.keys(BUGS)));
  });

  afterAll(() => {
    console.log(table.join('\n'));
  });
});

describe('what is shipped', () => {
  /** The protocol has no switch for bugs, and the rooms of a node import nothing from the simulator (test/import-rules.test.ts). */
  it.each(['protocol', 'node', 'network', 'storage', 'client', 'cli'])('src/%s knows of no bugs', (room) => {
    const folder = join(ROOT, 'src', room);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    expect(files.length).toBeGreaterThan(0);
    const names = Object.keys(BUGS);
    for (const file of files) {
      const text = readFileSync(join(folder, file), 'utf8');
      expect({ file, imports: /\/bugs\.ts'|\/simulator\//.test(text) }).toEqual({ file, imports: false });
      expect(names.filter((name) => text.includes(`'${name}'`))).toEqual([]);
    }
  });
});
