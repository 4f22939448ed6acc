/** One client's requests are never taken, neither from itself nor by relay: as primary the faulty replica looks idle to all but that client. */

import type { Input } from '../../protocol/replica/io.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { PublicKey } from '../../types/identities.ts';
import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';

export const censorship: Attack = {
  description: 'The faulty ignore the requests of one client.',
  replica(correct, traitor) {
    const { coalition } = traitor;
    return misbehaving(correct, traitor, {
      hear(input) {
        const client = clientOf(input);
        if (client === undefined) return true;
        coalition.victim ??= client;
        return !equalBytes(client, coalition.victim);
      },
    });
  },
};

function clientOf(input: Input): PublicKey | undefined {
  if (input.type !== 'receive') return undefined;
  const { message } = input;
  return message.type === 'request' || message.type === 'relay' ? message.request.client : undefined;
}
