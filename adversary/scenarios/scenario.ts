/** What a scenario is given, and what it gives back. */

import type { Random } from '../../src/simulator/random.ts';
import type { BehaviourName } from '../behaviours.ts';
import type { Report } from '../report.ts';

export interface Setting {
  readonly replicas: number;
  /** f: how many faulty replicas the cluster tolerates. */
  readonly maxFaulty: number;
  /** 2f+1. */
  readonly quorumSize: number;
  /** Ascending; undefined: the scenario chooses. */
  readonly faulty: readonly number[] | undefined;
  readonly behaviours: readonly BehaviourName[];
  /** How many of them each choice of faulty replicas gets. */
  readonly perChoice: number;
  readonly seed: number;
  readonly random: Random;
  readonly report: Report;
  /** Everything is kept below it. */
  readonly directory: string;
  /** Whether it outlives the demonstration. */
  readonly isKept: boolean;
  readonly signal: AbortSignal;
  /** Where to draw the fork, if anywhere. */
  readonly svg: string | undefined;
}

export interface Scenario {
  /** What it shows, after its name and a colon. */
  readonly description: string;
  /** How many replicas may be named as faulty. */
  readonly faultyCount: (maxFaulty: number) => { readonly least: number; readonly most: number };
  /** @returns what is to be learned from it */
  readonly run: (setting: Setting) => Promise<string>;
}

export const indicesOf = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** `count` of the replicas, ascending. */
export function drawFaulty({ replicas, random }: Setting, count: number): readonly number[] {
  return random
    .shuffle(indicesOf(replicas))
    .slice(0, count)
    .sort((a, b) => a - b);
}

export const list = (items: readonly (number | string)[]): string => items.join(', ');
