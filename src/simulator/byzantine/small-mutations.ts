/**
 * ByzzFuzz (Winter et al., "Randomized Testing of Byzantine Fault Tolerant Algorithms", OOPSLA 2023): a few rules, each about one kind of message in a few
 * rounds to a few receivers, that change it in its own terms. Few and consistent lies reach states that noise does not.
 */

import type { MessageType } from '../../protocol/messages/index.ts';
import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { lie } from './random-lies.ts';

const KINDS: readonly MessageType[] = [
  'pre-prepare',
  'prepare',
  'commit',
  'view-change',
  'new-view',
  'checkpoint',
  'status',
  'reply',
  'fetched',
  'suspect',
];

export const smallMutations: Attack = {
  description:
    'A few rules change or drop one kind of message in a few views or batches, to some receivers, and all else is correct.',
  replica(correct, traitor) {
    const { random, context } = traitor;
    const peers = Array.from({ length: context.cluster.thresholds.replicaCount }, (_, index) => index);
    const rules = Array.from({ length: random.between(1, 5) }, () => {
      const first = random.below(20);
      return {
        kind: random.pick(KINDS),
        byView: random.chance(1, 3),
        first: random.chance(1, 3) ? 0 : first,
        last: first + random.pick([1, 5, 100]),
        receivers: random.shuffle(peers).slice(0, random.between(1, peers.length)),
        drops: random.chance(1, 3),
      };
    });
    return misbehaving(correct, traitor, {
      say(said, inside) {
        const { to, message } = said;
        const rule = rules.find(({ kind, byView, first, last, receivers }) => {
          const round = byView ? inside.view : inside.committed;
          const isReceiver = to.kind === 'client' || receivers.includes(to.index);
          return kind === message.type && first <= round && round <= last && isReceiver;
        });
        if (rule === undefined) return [said];
        return rule.drops ? [] : [{ to, message: lie(message, traitor) }];
      },
    });
  },
};
