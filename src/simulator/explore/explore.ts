/** One exploration from beginning to end: all states up to a depth, then whether the cluster gets out of them, told in a few lines. */

import type { BugName } from '../bugs.ts';
import { describeMessage } from '../describe.ts';
import { FIRST_MAIL } from './local-states.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import { type Search, search } from './search.ts';
import { failsToSettle } from './settle.ts';
import { makeWorld, nameOfChoice, type Step, type World } from './world.ts';

export interface ExplorationOptions {
  readonly scenario: ScenarioName;
  /** Steps at most: messages that arrive at a correct replica and change it, timeouts and restarts. */
  readonly depth: number;
  /** No layer is begun once there are so many states. */
  readonly statesMax: number;
  /** States of the last complete layer from which the cluster must settle, evenly chosen; besides all ends. */
  readonly settled: number;
  readonly bug?: BugName | undefined;
}

export interface Exploration {
  readonly search: Search;
  /** States from which it was tried whether the cluster settles. */
  readonly settled: number;
  /** What was violated, and how it comes about; undefined if nothing was. */
  readonly violation: string | undefined;
  /** Lines for people; the same for the same options. */
  readonly report: readonly string[];
}

export function explore(options: ExplorationOptions): Exploration {
  const world = makeWorld(SCENARIOS[options.scenario], options.bug);
  const found = search(world, options);
  world.stopCounting();
  const trials = found.violation === undefined ? [...found.ends, ...someOf(found.last, options.settled)] : [];
  let violation = found.violation?.text;
  let settled = 0;
  for (const state of trials) {
    if (violation !== undefined) break;
    violation = failsToSettle(world, state);
    settled++;
  }
  return { search: found, settled, violation, report: reportOf(options, world, found, settled, violation) };
}

function someOf<T>(all: readonly T[], count: number): readonly T[] {
  const stride = Math.max(1, Math.ceil(all.length / count));
  return all.filter((_, i) => i % stride === 0);
}

function reportOf(
  { scenario, bug }: ExplorationOptions,
  world: World,
  found: Search,
  settled: number,
  violation: string | undefined,
): readonly string[] {
  const { layers, states, steps, met, slept, depth, exhausted, ends } = found;
  const locals = world.locals.map((table, place) => `${table.count} of replica ${world.correct[place]}`);
  return [
    `${scenario}: ${SCENARIOS[scenario].about}${bug === undefined ? '' : `; with the bug "${bug}"`}`,
    exhausted ? `  all states, up to depth ${depth}` : `  all states up to depth ${depth}`,
    `  states      ${states} (new at each depth: ${layers.join(' ')})`,
    `  steps       ${steps} taken, ${met} of them to known states; ${slept} not taken, being another order of the same`,
    `  of these    ${locals.join(', ')}; ${world.mails.size} messages`,
    `  ends        ${ends.length} without a next step; the cluster settles from ${settled} states tried`,
    `  effective   ${told(world.coverage.delivered)}`,
    `  reached     ${told(world.coverage.reported)}`,
    ...(violation === undefined ? [] : [`  VIOLATION of ${violation}`]),
    ...(found.violation?.path ?? []).map((step) => `    ${describeStep(world, step)}`),
  ];
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
