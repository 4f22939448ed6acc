/** One scenario explored: all states up to a depth, then whole runs with few deviations, told in a few lines. */

import type { BugName } from '../bugs.ts';
import { describeMessage } from '../describe.ts';
import { FIRST_MAIL } from './local-states.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import { type Search, search } from './search.ts';
import { type WholeRuns, wholeRuns } from './whole-runs.ts';
import { makeWorld, nameOfChoice, type Step, type World } from './world.ts';

export interface ExplorationOptions {
  readonly scenario: ScenarioName;
  /** Steps at most: messages that arrive at a correct replica and change it, timeouts and restarts. */
  readonly depth: number;
  /** Of whole runs. */
  readonly deviations: number;
  /** Neither goes on once there are so many states. */
  readonly statesMax: number;
  readonly bug?: BugName | undefined;
}

export interface Exploration {
  readonly search: Search;
  /** With either usual course; fewer if something was found before. */
  readonly runs: readonly WholeRuns[];
  /** What was violated; undefined if nothing was. */
  readonly violation: string | undefined;
  /** Lines for people; the same for the same options. */
  readonly report: readonly string[];
}

export function explore(options: ExplorationOptions): Exploration {
  const { scenario, bug } = options;
  const { about } = SCENARIOS[scenario];
  const world = makeWorld(SCENARIOS[scenario], bug);
  const searched = search(world, options);
  const report = [
    `${scenario}: ${about}${bug === undefined ? '' : `; with the bug "${bug}"`}`,
    ...ofSearch(searched),
    ...ofWorld(world),
  ];
  const runs: WholeRuns[] = [];
  let found = searched.violation;
  if (found !== undefined) report.push(...ofViolation(world, found));
  for (const first of ['oldest', 'newest'] as const) {
    if (found !== undefined) break;
    // A world of its own: which course is the usual one must not depend on what was searched before.
    const another = makeWorld(SCENARIOS[scenario], bug);
    const each = wholeRuns(another, { ...options, first });
    runs.push(each);
    found = each.violation;
    report.push(...ofRuns(each, first), ...ofWorld(another));
    if (found !== undefined) report.push(...ofViolation(another, found));
  }
  return { search: searched, runs, violation: found?.text, report };
}

function ofSearch({ layers, states, steps, met, slept, depth, exhausted, ends }: Search): readonly string[] {
  return [
    `  all states up to depth ${depth}${exhausted ? ', and there are no more' : ''}`,
    `    states      ${states}; first reached at each depth: ${layers.join(' ')}; ends: ${ends}`,
    `    steps       ${steps}, of which ${met} led to known states; not taken, being another order of the same: ${slept}`,
  ];
}

function ofRuns(
  { deviations, byDeviations, states, ends, longest }: WholeRuns,
  first: string,
): readonly string[] {
  return [
    `  all whole runs, ${first} message first, with up to ${deviations} deviations`,
    `    states      ${states}; first reached with each number of deviations: ${byDeviations.join(' ')}`,
    `    ends        ${ends} states with every request executed; up to ${longest} steps`,
  ];
}

function ofWorld({ correct, coverage, locals, mails }: World): readonly string[] {
  const each = locals.map((table, place) => `${table.count} states of replica ${correct[place]}`);
  return [
    `    replicas    ${each.join(', ')}; ${mails.size} messages; ${coverage.delivered.size} kinds of steps`,
    `    effective   ${told(coverage.delivered)}`,
    `    reached     ${told(coverage.reported)}`,
  ];
}

function ofViolation(
  world: World,
  { text, path }: { readonly text: string; readonly path: readonly Step[] },
): readonly string[] {
  return [`  VIOLATION of ${text}`, ...path.map((step) => `    ${describeStep(world, step)}`)];
}

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${what} ×${count}`).join(', ') || 'nothing';
}

function describeStep({ correct, mails }: World, { place, choice }: Step): string {
  const replica = correct[place]!;
  if (choice < FIRST_MAIL) return `${nameOfChoice(mails, choice)} at ${replica}`;
  const { from, message } = mails.at(choice - FIRST_MAIL);
  return `${from.kind === 'replica' ? from.index : 'client'} → ${replica}: ${describeMessage(message)}`;
}
