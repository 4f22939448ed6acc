/** Up to f backups never hear of what the primary proposes, neither from it nor from its friends. */

import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';

export const withheldProposals: Attack = {
  description: 'The faulty give PRE-PREPAREs, headers and bodies to none of f chosen backups.',
  replica(correct, traitor) {
    const { replicaCount, quorumSize } = traitor.context.cluster.thresholds;
    // The same ones for the whole coalition: the first that are not members.
    const victims = Array.from({ length: replicaCount }, (_, index) => index)
      .filter((index) => !traitor.coalition.members.includes(index))
      .slice(-(replicaCount - quorumSize) || replicaCount);
    return misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (to.kind !== 'replica' || !victims.includes(to.index)) return [said];
        if (message.type === 'pre-prepare') return [];
        const isProposal =
          message.type === 'fetched' &&
          (message.payload.type === 'header' || message.payload.type === 'bodies');
        return isProposal ? [{ to, message: { ...message, payload: { type: 'not-here' } } }] : [said];
      },
    });
  },
};
