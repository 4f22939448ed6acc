/**
 * How a malicious replica behaves: the correct one, of which some messages are lost, late, broken or replaced. It signs with its own key and
 * no other. What the simulator has already is taken from there: here it meets real processes.
 */

import type { Message } from '../src/protocol/messages/index.ts';
import type { Attack, Traitor } from '../src/simulator/byzantine/attack.ts';
import { type Misbehaviour, misbehaving, type Said } from '../src/simulator/byzantine/misbehaving.ts';
import { lie } from '../src/simulator/byzantine/random-lies.ts';
import { proposal, signed } from '../src/simulator/byzantine/signing.ts';
import { wrongResults } from '../src/simulator/byzantine/wrong-results.ts';

export interface Behaviour {
  /** What a replica with it does. */
  readonly description: string;
  readonly disguise: Attack['replica'];
}

/** Longer than a batch takes, and shorter than clients wait. */
const DELAY_MS_MAX = 1_500;

export const BEHAVIOURS = {
  silent: {
    description: 'says nothing at all',
    disguise: saying(() => () => []),
  },
  crashing: {
    description: 'is killed in the middle of the load',
    disguise: (correct) => correct,
  },
  skipping: {
    description: 'leaves out half of its messages',
    disguise: saying(
      ({ random }) =>
        (said) =>
          random.chance(1, 2) ? [] : [said],
    ),
  },
  delaying: {
    description: 'sends half of its messages late and in another order',
    disguise: saying(
      ({ random }) =>
        (said, _, { monotonicMs }) =>
          random.chance(1, 2) ? [{ ...said, atMs: monotonicMs + random.between(1, DELAY_MS_MAX) }] : [said],
    ),
  },
  invalid: {
    description: 'breaks the signatures of half of its messages',
    disguise: replacing(
      ({ random }) =>
        (it) =>
          random.chance(1, 2) ? withBrokenSignature(it) : it,
    ),
  },
  lying: {
    description: 'replaces half of its messages by others under true signatures',
    disguise: replacing((traitor) => (it) => (traitor.random.chance(1, 2) ? lie(it, traitor) : it)),
  },
  'wrong-results': {
    description: 'tells clients wrong results, with proofs and signatures that fit them',
    disguise: wrongResults.replica,
  },
  equivocating: {
    description: 'proposes and votes for one batch to some replicas and for another to the rest',
    disguise: saying(
      (traitor) => (said) =>
        said.to.kind === 'replica' && said.to.index % 2 === 1
          ? [{ ...said, message: equivocate(said.message, traitor) }]
          : [said],
    ),
  },
} as const satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS;
export const BEHAVIOUR_NAMES = Object.keys(BEHAVIOURS) as readonly BehaviourName[];

function saying(make: (traitor: Traitor) => NonNullable<Misbehaviour['say']>): Attack['replica'] {
  return (correct, traitor) => misbehaving(correct, traitor, { say: make(traitor) });
}

function replacing(make: (traitor: Traitor) => (message: Message) => Message): Attack['replica'] {
  return saying((traitor) => {
    const replace = make(traitor);
    return (said): readonly Said[] => [{ ...said, message: replace(said.message) }];
  });
}

/** What the other half of the replicas is told: always the same for the same message, so that they could agree on it. */
function equivocate(message: Message, traitor: Traitor): Message {
  const { crypto } = traitor.context;
  switch (message.type) {
    case 'pre-prepare':
      return message.batch === undefined
        ? message
        : proposal(message, { ...message.batch, timeMs: message.batch.timeMs + 1 }, traitor);
    case 'prepare':
      return signed({ ...message, batchDigest: crypto.hash(message.batchDigest) }, traitor);
    case 'commit':
      return signed({ ...message, hashChainDigest: crypto.hash(message.hashChainDigest) }, traitor);
    default:
      return message;
  }
}

function withBrokenSignature(message: Message): Message {
  switch (message.type) {
    case 'pre-prepare':
      return { ...message, header: broken(message.header) };
    case 'prepare':
    case 'commit':
    case 'checkpoint':
    case 'suspect':
      return broken(message);
    case 'view-change':
      return { ...message, viewChange: broken(message.viewChange) };
    case 'reply':
    case 'read-reply':
      return { ...message, entry: broken(message.entry) };
    default:
      return message;
  }
}

function broken<T extends { readonly signature: Uint8Array }>(signed: T): T {
  return { ...signed, signature: signed.signature.map((byte) => byte ^ 1) };
}
