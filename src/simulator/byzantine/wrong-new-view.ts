/** A new primary whose O is not what its VIEW-CHANGEs give. It is mute besides, so that its views and those of its friends end. */

import { batchDigest, NULL_BATCH } from '../../protocol/messages/batch.ts';
import type { MessageOf } from '../../protocol/messages/index.ts';
import { headerStatement } from '../../protocol/messages/ordering.ts';
import type { Attack, Traitor } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

export const wrongNewView: Attack = {
  description:
    'NEW-VIEWs of the faulty drop, replace or add batches of O, or leave VIEW-CHANGEs out; as primaries they are mute.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (message.type === 'pre-prepare') return [];
        const isOwn =
          message.type === 'new-view' &&
          message.view % traitor.context.cluster.thresholds.replicaCount === traitor.index;
        return isOwn ? [{ to, message: signed(lie(message, traitor), traitor) }] : [said];
      },
    }),
};

function lie(message: MessageOf<'new-view'>, { random, context, signer }: Traitor): MessageOf<'new-view'> {
  const { cluster, crypto } = context;
  const { headers, viewChanges, view } = message;
  const header = (sequenceNumber: number, digest: Uint8Array) => {
    const unsigned = { view, sequenceNumber, batchDigest: digest };
    return { ...unsigned, signature: signer.sign(headerStatement(cluster, unsigned)) };
  };
  const nothing = batchDigest(cluster, crypto, NULL_BATCH);
  switch (random.below(4)) {
    case 0:
      return headers.length > 0
        ? { ...message, headers: headers.slice(0, -1) }
        : { ...message, headers: [header(random.between(1, 50), crypto.hash(nothing))] };
    case 1:
      return { ...message, headers: headers.map(({ sequenceNumber }) => header(sequenceNumber, nothing)) };
    case 2: {
      const last = Math.max(0, ...headers.map(({ sequenceNumber }) => sequenceNumber));
      return { ...message, headers: [...headers, header(last + 1, nothing)] };
    }
    default:
      return { ...message, viewChanges: viewChanges.slice(1) };
  }
}
