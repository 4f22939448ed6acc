/**
 * What an attack is: a few lines round the correct replica or the correct client, and what its authors agree on. Faulty replicas share everything but
 * what they cannot have: the keys of others.
 */

import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../../protocol/context.ts';
import type { LocalLimits } from '../../protocol/replica/limits.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Random } from '../random.ts';
import type { ReplicaProgram } from '../replica-program.ts';

/** All faulty replicas of a run: they know of each other and sign for each other. */
export interface Coalition {
  /** Ascending. */
  readonly members: readonly ReplicaIndex[];
  /** Their keys. */
  readonly signers: Map<ReplicaIndex, Signer>;
  readonly random: Random;
  /** How often one of them did what no correct one does. An attack that never acted has tested nothing. */
  acts: number;
}

/** One faulty replica. */
export interface Traitor {
  readonly index: ReplicaIndex;
  readonly context: Context;
  readonly signer: Signer;
  readonly limits: LocalLimits;
  readonly random: Random;
  readonly coalition: Coalition;
}

export interface Attack {
  /** One sentence. */
  readonly description: string;
  /** What a faulty replica runs instead of the correct one. */
  readonly replica: (correct: ReplicaProgram, traitor: Traitor) => ReplicaProgram;
}

export function makeCoalition(members: readonly ReplicaIndex[], random: Random): Coalition {
  return { members: [...members].sort((a, b) => a - b), signers: new Map(), random, acts: 0 };
}
