/**
 * Whole rounds that are lost (after ByzzFuzz, Winter et al. 2023): of the messages of one kind, view and perhaps s, all those from some replicas to
 * some others, however often they are repeated. Loss that is drawn for each packet is made good by the next STATUS; what breaks protocols is that one
 * phase of a view reaches one replica and nobody else.
 */

import type { MessageType } from '../protocol/messages/index.ts';
import type { Addressed } from './network.ts';
import type { Endpoint } from './observer.ts';
import { placeOf } from './packet-rules.ts';
import { makeRandom, type Random } from './random.ts';

export interface Rounds {
  /** Decides everything that `perMille` leaves open. */
  readonly salt: number;
  /** Of 1,000 rounds so many are hit. */
  readonly perMille: number;
  /** Whether each s of a view has a round of its own. */
  readonly bySequence: boolean;
  readonly kinds: readonly MessageType[];
}

/** Kinds that come once a view or once a batch. */
export const ROUND_KINDS: readonly MessageType[] = [
  'pre-prepare',
  'prepare',
  'commit',
  'view-change',
  'new-view',
  'checkpoint',
];

/** Whether a round takes the packet away: the same each time for the same packet. */
export function loseRounds(rounds: Rounds, replicas: number): (packet: Addressed) => boolean {
  const { salt, perMille, bySequence, kinds } = rounds;
  const random = makeRandom(salt);
  /** By round, what it takes: undefined if it is not hit. */
  const hits = new Map<string, ((from: Endpoint, to: Endpoint) => boolean) | undefined>();
  return ({ from, to, message }) => {
    if (to >= replicas || !kinds.includes(message.type)) return false;
    const { view, sequenceNumber } = placeOf(message);
    const round = `${message.type} ${view ?? '-'} ${bySequence ? (sequenceNumber ?? '-') : '-'}`;
    if (!hits.has(round)) hits.set(round, drawHit(random.fork(round), perMille, replicas));
    return hits.get(round)?.(from, to) ?? false;
  };
}

function drawHit(random: Random, perMille: number, replicas: number) {
  if (!random.chance(perMille, 1000)) return undefined;
  const from = drawGroup(random, replicas);
  const to = drawGroup(random, replicas);
  return (sender: Endpoint, receiver: Endpoint) => from.has(sender) && to.has(receiver);
}

/** All, all but one, one, or any. */
function drawGroup(random: Random, replicas: number): ReadonlySet<Endpoint> {
  const all = Array.from({ length: replicas }, (_, index) => index);
  const one = random.below(replicas);
  switch (random.below(4)) {
    case 0:
      return new Set(all);
    case 1:
      return new Set(all.filter((index) => index !== one));
    case 2:
      return new Set([one]);
    default:
      return new Set(all.filter(() => random.chance(1, 2)));
  }
}
