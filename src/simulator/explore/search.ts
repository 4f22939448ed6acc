/**
 * Breadth first through all states that a world can come to, each visited once: up to a depth, nothing is left out.
 *
 * Steps of different replicas commute, since the network only grows: of the orders of two such steps one is enough. *Sleep sets* (Godefroid, LNCS 1032) see
 * to that: a step that was taken from a state sleeps below its siblings until a step of its own replica comes. They save steps and no states, so all states
 * are judged with them as without.
 */

import type { LocalState } from './local-states.ts';
import { keyOfState, pathTo, type Reached, replaced, type Step, type World } from './world.ts';

export interface SearchOptions {
  /** Steps from the root at most. */
  readonly depth: number;
  /** A layer is not begun with more states than these, and a search ends when one reaches twice as many. */
  readonly statesMax: number;
  /** Whether commuting steps are taken in one order only; true unless said otherwise. */
  readonly reduce?: boolean;
}

export interface Search {
  /** States first reached after so many steps: layers[0] is the root alone. */
  readonly layers: readonly number[];
  readonly states: number;
  /** Steps taken, and of these the ones that led to a state known already. */
  readonly steps: number;
  readonly met: number;
  /** Steps not taken because another order of the same steps was. */
  readonly slept: number;
  /** All layers up to this depth are complete. */
  readonly depth: number;
  /** There is nothing beyond: the whole space was seen. */
  readonly exhausted: boolean;
  /** States in which nothing can happen any more. */
  readonly ends: number;
  readonly violation: { readonly text: string; readonly path: readonly Step[] } | undefined;
}

/** Places have two bits in a step's code. */
const PLACES = 4;

/** Codes of sleeping steps, ascending. */
type SleepSet = readonly number[];

interface Node extends Reached {
  sleep: SleepSet;
  /** What is still to be taken from it: everything that does not sleep, or only what woke after it was expanded. */
  pending: 'all' | Set<number> | undefined;
}

export function search(world: World, options: SearchOptions): Search {
  const { depth: depthMax, statesMax, reduce = true } = options;
  const nodes = new Map<number, Node>();
  const layers = [1];
  let ends = 0;
  let steps = 0;
  let met = 0;
  let slept = 0;
  let fresh = 0;

  const root: Node = { state: world.root, parent: undefined, via: undefined, sleep: [], pending: 'all' };
  nodes.set(keyOfState(root.state), root);
  let frontier: Node[] = [root];
  let next: Node[] = [];

  function arrive(from: Node, via: Step, local: LocalState, sleep: SleepSet): Node | undefined {
    const state = replaced(from.state, via.place, local);
    const key = keyOfState(state);
    const known = nodes.get(key);
    if (known === undefined) {
      const node: Node = { state, parent: from, via, sleep, pending: 'all' };
      nodes.set(key, node);
      next.push(node);
      fresh++;
      return node;
    }
    met++;
    const woken = known.sleep.filter((code) => !sleep.includes(code));
    if (woken.length === 0) return undefined;
    known.sleep = known.sleep.filter((code) => sleep.includes(code));
    if (known.pending === 'all') return undefined;
    if (known.pending === undefined) {
      known.pending = new Set();
      next.push(known);
    }
    for (const code of woken) known.pending.add(code);
    return undefined;
  }

  /** Answers the first new node that violates something. */
  function expand(node: Node): Node | undefined {
    const { pending } = node;
    node.pending = undefined;
    const asleep = [...node.sleep];
    let any = false;
    let bad: Node | undefined;
    world.forEachStep(node.state, (place, choice, local) => {
      any = true;
      const code = choice * PLACES + place;
      if (pending !== 'all' && pending?.has(code) !== true) return;
      if (node.sleep.includes(code)) {
        slept++;
        return;
      }
      steps++;
      const sleep = reduce ? asleep.filter((other) => other % PLACES !== place) : [];
      const arrived = arrive(node, { place, choice }, local, sleep);
      if (arrived !== undefined && bad === undefined && world.violationOf(arrived.state) !== undefined)
        bad = arrived;
      asleep.push(code);
    });
    if (!any && pending === 'all') ends++;
    return bad;
  }

  const result = (depth: number, exhausted: boolean, bad?: Node): Search => ({
    layers,
    states: nodes.size,
    steps,
    met,
    slept,
    depth,
    exhausted,
    ends,
    violation: bad && { text: world.violationOf(bad.state)!, path: pathTo(bad) },
  });

  if (world.violationOf(root.state) !== undefined) return result(0, false, root);
  for (let depth = 0; depth < depthMax; depth++) {
    fresh = 0;
    for (const node of frontier) {
      const bad = expand(node);
      if (bad !== undefined) return result(depth, false, bad);
      if (nodes.size >= 2 * statesMax) return result(depth, false);
    }
    if (fresh > 0) layers.push(fresh);
    if (next.length === 0) return result(depth, true);
    frontier = next;
    next = [];
    if (nodes.size >= statesMax) return result(depth + 1, false);
  }
  return result(depthMax, false);
}
