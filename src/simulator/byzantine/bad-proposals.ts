/** A primary that proposes what it should not: requests executed long ago, doubled, signed by nobody or for another cluster, and times that cannot be. */

import type { Batch } from '../../protocol/messages/batch.ts';
import { type ClientRequest, requestStatement } from '../../protocol/messages/request.ts';
import type { Attack, Traitor } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { proposal } from './signing.ts';

const OLD_MAX = 32;

export const badProposals: Attack = {
  description:
    'A faulty primary proposes stale, doubled, foreign, unsigned or empty batches, or impossible times, the same to all.',
  replica(correct, traitor) {
    const old: ClientRequest[] = [];
    /** One content for each place: this primary does not equivocate. */
    const told = new Map<string, Batch>();
    return misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (message.type !== 'pre-prepare' || message.batch === undefined) return [said];
        const place = `${message.header.view}/${message.header.sequenceNumber}`;
        let batch = told.get(place);
        if (batch === undefined) {
          batch = worse(message.batch, old, traitor);
          told.set(place, batch);
          if (told.size > OLD_MAX) told.delete(told.keys().next().value!);
          old.push(...message.batch.requests);
          old.splice(0, old.length - OLD_MAX);
        }
        return batch === message.batch ? [said] : [{ to, message: proposal(message, batch, traitor) }];
      },
    });
  },
};

function worse(batch: Batch, old: readonly ClientRequest[], { random, context, signer }: Traitor): Batch {
  const { timeMs, requests } = batch;
  const [first] = requests;
  if (first === undefined) return batch;
  const { cluster, crypto } = context;
  switch (random.below(8)) {
    case 0:
      return old.length === 0 ? batch : { timeMs, requests: [...requests, random.pick(old)] };
    case 1:
      return { timeMs, requests: [...requests, first] };
    case 2: {
      const foreign = { ...cluster, id: crypto.hash(cluster.id) };
      const stranger = { ...first, client: signer.publicKey };
      return {
        timeMs,
        requests: [
          ...requests,
          { ...stranger, signature: signer.sign(requestStatement(foreign, crypto, stranger)) },
        ],
      };
    }
    case 3:
      return { timeMs, requests: [{ ...first, signature: random.bytes(64) }, ...requests.slice(1)] };
    case 4:
      return { timeMs, requests: [] };
    case 5:
      return { timeMs: timeMs + 10 * cluster.limits.clockSkewMs, requests };
    case 6:
      return { timeMs: Math.max(0, timeMs - 120_000), requests };
    default:
      return batch;
  }
}
