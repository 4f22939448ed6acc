/**
 * What an attack is: a few lines round the correct replica or the correct client, and what its authors agree on. Faulty replicas share everything but
 * what they cannot have: the keys of others.
 */

import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../../protocol/context.ts';
import type { Party } from '../../protocol/replica/io.ts';
import type { LocalLimits } from '../../protocol/replica/limits.ts';
import { keyOf } from '../../types/bytes.ts';
import type { Digest, PublicKey, ReplicaIndex } from '../../types/identities.ts';
import type { ClientOwner, ClientSend, SimulatedCluster } from '../cluster.ts';
import type { Endpoint } from '../observer.ts';
import type { Random } from '../random.ts';
import type { ReplicaProgram } from '../replica-program.ts';

/** All faulty replicas of a run: they know of each other and sign for each other. */
export interface Coalition {
  /** Ascending. */
  readonly members: readonly ReplicaIndex[];
  /** Their keys. */
  readonly signers: Map<ReplicaIndex, Signer>;
  readonly random: Random;
  /**
   * Which side each correct party is on, by `nameOf`, where the coalition shows different faces to different sides; who is on none is shown all.
   */
  sides: ReadonlyMap<string, number>;
  /** What members said to each other and for which sides, as a set of bits; the bytes are the key. */
  readonly whispers: Map<string, number>;
  /** By (v, s): the digest of the batch that some were told of instead of the true one. */
  readonly lies: Map<string, Digest>;
  /** The client that is censored. */
  victim: PublicKey | undefined;
  /** What it has cut and not mended. */
  cuts: (readonly [from: readonly Endpoint[], to: readonly Endpoint[]])[];
  /** How often one of them did what no correct one does. An attack that never acted has tested nothing. */
  acts: number;
  /** After so many acts all of them behave correctly: for runs that are made smaller. */
  readonly actsMax: number;
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
  /** What a faulty client does with each message that the correct one would send. Such an attack has one client more. */
  readonly client?: (owner: ClientOwner, coalition: Coalition) => ClientSend;
  /** What is done to the cluster beside, within the first `forMs`. */
  readonly stage?: (cluster: SimulatedCluster, coalition: Coalition, forMs: number) => void;
}

export function makeCoalition(
  members: readonly ReplicaIndex[],
  random: Random,
  actsMax = Number.POSITIVE_INFINITY,
): Coalition {
  return {
    members: [...members].sort((a, b) => a - b),
    signers: new Map(),
    random,
    sides: new Map(),
    whispers: new Map(),
    lies: new Map(),
    victim: undefined,
    cuts: [],
    acts: 0,
    actsMax,
  };
}

/** A party's name among the coalition. */
export function nameOf(party: Party): string {
  return party.kind === 'replica' ? `replica ${party.index}` : `client ${keyOf(party.key)}`;
}
