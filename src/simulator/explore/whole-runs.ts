/**
 * Whole runs, from the beginning to where every request is executed, that deviate from the usual course a few times: up to a number of deviations, at all
 * places and in all ways. A deviation is any step other than the usual one. It reaches what breadth alone does not, such as the end of a view change.
 *
 * From every state that is reached the usual course must lead to that end: no state may be a trap.
 */

import type { LocalState } from './local-states.ts';
import { keyOfState, pathTo, type Reached, replaced, type Step, type World } from './world.ts';

export interface WholeRunsOptions {
  readonly deviations: number;
  /** The usual course: the network as a queue, or as a stack, in which what is old waits long. */
  readonly first: 'oldest' | 'newest';
  /** No further deviation is begun with more states than these, and nothing is with twice as many. */
  readonly statesMax: number;
}

export interface WholeRuns {
  /** States first reached with so many deviations. */
  readonly byDeviations: readonly number[];
  readonly states: number;
  /** All runs with so many are complete; -1 if not even the usual one is. */
  readonly deviations: number;
  /** States in which every request is executed and nothing more happens by itself. */
  readonly ends: number;
  /** Steps of the longest way to a state, as it was first reached. */
  readonly longest: number;
  readonly violation: { readonly text: string; readonly path: readonly Step[] } | undefined;
}

/** The usual course of a few view changes takes no more steps than these. */
const COURSE_MAX = 500;

interface Arrived extends Reached {
  readonly parent: Arrived | undefined;
  readonly steps: number;
}

export function wholeRuns(world: World, options: WholeRunsOptions): WholeRuns {
  const known = new Set<number>();
  const byDeviations: number[] = [];
  let ends = 0;
  let longest = 0;
  let violation: WholeRuns['violation'];
  /** Reached with as many deviations as are being looked at, in order. */
  let level: Arrived[] = [];
  let starts: Arrived[] = [{ state: world.root, parent: undefined, via: undefined, steps: 0 }];

  function arrive(from: Arrived, via: Step, local: LocalState): Arrived {
    return { state: replaced(from.state, via.place, local), parent: from, via, steps: from.steps + 1 };
  }

  function violated(at: Arrived, text: string): void {
    violation ??= { text, path: pathTo(at) };
  }

  /** Follows the usual course until it comes to its end or to a known state, whose course was followed before. */
  function follow(start: Arrived): void {
    let at = start;
    for (let step = 0; ; step++) {
      const key = keyOfState(at.state);
      if (known.has(key)) return;
      known.add(key);
      level.push(at);
      longest = Math.max(longest, at.steps);
      const text = world.violationOf(at.state);
      if (text !== undefined) return violated(at, text);
      const usual = world.usualStep(at.state, options.first);
      if (usual === undefined) {
        ends++;
        if (at.state.some((local) => local.isWaiting))
          violated(at, 'progress: a request waits, and no timer runs');
        return;
      }
      if (step > COURSE_MAX) return violated(at, `progress: a request waits after ${COURSE_MAX} usual steps`);
      at = arrive(at, usual, usual.next);
    }
  }

  const result = (deviations: number): WholeRuns => ({
    byDeviations,
    states: known.size,
    deviations,
    ends,
    longest,
    violation,
  });

  for (let deviations = 0; ; deviations++) {
    level = [];
    for (const start of starts) {
      follow(start);
      if (violation !== undefined || known.size >= 2 * options.statesMax) return result(deviations - 1);
    }
    byDeviations.push(level.length);
    if (deviations === options.deviations || known.size >= options.statesMax) return result(deviations);
    starts = [];
    for (const at of level) {
      world.forEachStep(at.state, (place, choice, next) => {
        const start = arrive(at, { place, choice }, next);
        if (!known.has(keyOfState(start.state))) starts.push(start);
      });
    }
  }
}
