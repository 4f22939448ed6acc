/** CHECKPOINTs of a state that nobody has, another one to each receiver. */

import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

export const wrongCheckpoints: Attack = {
  description: 'The faulty sign CHECKPOINTs of wrong states.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (message.type !== 'checkpoint') return [said];
        return [{ to, message: signed({ ...message, stateDigest: traitor.random.bytes(32) }, traitor) }];
      },
    }),
};
