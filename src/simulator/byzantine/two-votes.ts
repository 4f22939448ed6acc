/** Votes for two forks: each PREPARE and COMMIT is followed by another for the same place, to all or to half. */

import type { Attack } from './attack.ts';
import { misbehaving, type Said } from './misbehaving.ts';
import { signed } from './signing.ts';

export const twoVotes: Attack = {
  description:
    'The faulty prepare and vote twice at each place, for what was proposed and for something else.',
  replica(correct, traitor) {
    const { crypto } = traitor.context;
    const openly = traitor.random.chance(1, 2);
    return misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (to.kind !== 'replica') return [said];
        let lie: Said;
        if (message.type === 'prepare') {
          lie = {
            to,
            message: signed({ ...message, batchDigest: crypto.hash(message.batchDigest) }, traitor),
          };
        } else if (message.type === 'commit') {
          const hashChainDigest = crypto.hash(message.hashChainDigest);
          lie = { to, message: signed({ ...message, hashChainDigest }, traitor) };
        } else return [said];
        if (openly) return [said, lie];
        return to.index % 2 === 0 ? [said] : [lie];
      },
    });
  },
};
