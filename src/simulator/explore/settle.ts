/**
 * Whether the cluster still comes to an end from a state of an exploration: the network delivers everything from now on, the earliest timer fires when
 * nothing is left to deliver, and every request must be executed at every correct replica. No state may be a trap.
 */

import { FIRST_MAIL, type LocalState, TIMEOUT } from './local-states.ts';
import { type GlobalState, NEVER_MS, replaced, type World } from './world.ts';

/** A view change takes some fifty steps; this is enough for several. */
const STEPS_MAX = 500;

/** Undefined if all requests are executed in the end, else what is wrong then. */
export function failsToSettle(world: World, from: GlobalState): string | undefined {
  let state = from;
  for (let step = 0; step < STEPS_MAX; step++) {
    const violation = world.violationOf(state);
    if (violation !== undefined) return violation;
    const delivered = deliverFirst(world, state);
    if (delivered !== undefined) {
      state = delivered;
      continue;
    }
    if (state.every((local) => !local.isWaiting)) return undefined;
    const place = earliest(state);
    if (state[place]!.wakeAtMs >= NEVER_MS) {
      return 'progress: a request waits, nothing is left to deliver, and no timer runs';
    }
    state = replaced(state, place, world.locals[place]!.after(state[place]!, TIMEOUT));
  }
  return `progress: a request still waits after ${STEPS_MAX} steps without a loss`;
}

/** The oldest message that has an effect, to whomever. */
function deliverFirst(world: World, state: GlobalState): GlobalState | undefined {
  let first: { place: number; choice: number; next: LocalState } | undefined;
  world.forEachStep(state, (place, choice, next) => {
    if (choice >= FIRST_MAIL && (first === undefined || choice < first.choice))
      first = { place, choice, next };
  });
  return first && replaced(state, first.place, first.next);
}

function earliest(state: GlobalState): number {
  let place = 0;
  state.forEach((local, i) => {
    if (local.wakeAtMs < state[place]!.wakeAtMs) place = i;
  });
  return place;
}
