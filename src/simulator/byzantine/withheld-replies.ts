/** Clients are never answered: then all 2f+1 correct replicas must answer, and one that was left behind must catch up at once. */

import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';

export const withheldReplies: Attack = {
  description: 'The faulty never answer a client.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, { say: (said) => (said.to.kind === 'client' ? [] : [said]) }),
};
