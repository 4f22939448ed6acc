/**
 * `npm run sim:explore -- [--scenario NAME]… [--depth 40] [--states 100000] [--deviations 2] [--bug NAME]`: all message orders of a small cluster, up to a depth, and
 * whole runs with few deviations (docs/exploration.md). Exit code 2 if something was violated.
 */

import { parseArgs } from 'node:util';
import { BUGS, type BugName } from '../src/simulator/bugs.ts';
import { explore } from '../src/simulator/explore/explore.ts';
import { SCENARIOS, type ScenarioName } from '../src/simulator/explore/scenarios.ts';

function oneOf<T extends string>(what: string, name: string, known: object): T {
  if (Object.hasOwn(known, name)) return name as T;
  throw new Error(`${what} must be one of "${Object.keys(known).join('", "')}", got "${name}"`);
}

function numberFrom(what: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${what} must be a positive integer, got "${text}"`);
}

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true, default: Object.keys(SCENARIOS) },
    depth: { type: 'string', default: '40' },
    states: { type: 'string', default: '100000' },
    deviations: { type: 'string', default: '2' },
    bug: { type: 'string' },
  },
});
for (const name of values.scenario) {
  const begun = performance.now();
  const { report, violation } = explore({
    scenario: oneOf<ScenarioName>('--scenario', name, SCENARIOS),
    depth: numberFrom('depth', values.depth),
    statesMax: numberFrom('states', values.states),
    deviations: numberFrom('deviations', values.deviations),
    bug: values.bug === undefined ? undefined : oneOf<BugName>('--bug', values.bug, BUGS),
  });
  console.log(report.join('\n'));
  console.log(`  seconds     ${((performance.now() - begun) / 1000).toFixed(1)}\n`);
  if (violation !== undefined) process.exitCode = 2;
}
