/** All attacks by name: what `runSimulation` draws from, and what the command line offers. */

import type { Attack } from './attack.ts';
import { randomLies } from './random-lies.ts';
import { twins } from './twins.ts';

export const ATTACKS = {
  'random lies': randomLies,
  twins,
} as const satisfies Record<string, Attack>;

export type AttackName = keyof typeof ATTACKS;

export const ATTACK_NAMES = Object.keys(ATTACKS) as readonly AttackName[];
