/** The primary tells half of the backups of another batch, and its friends vote at each backup for what that one was told. */

import { extendHashChain } from '../../protocol/hash-chain.ts';
import type { Batch } from '../../protocol/messages/batch.ts';
import { hashChainDigestAt } from '../../protocol/replica/slots.ts';
import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { proposal, signed } from './signing.ts';

/** Places remembered; older ones are decided. */
const LIES_MAX = 256;

export const equivocatingPrimary: Attack = {
  description:
    'A faulty primary proposes two batches for one place, and the faulty vote for each where it was proposed.',
  replica(correct, traitor) {
    const { context, coalition } = traitor;
    return misbehaving(correct, traitor, {
      say(said, inside) {
        const { to, message } = said;
        // The upper half is lied to.
        if (to.kind !== 'replica' || 2 * to.index < context.cluster.thresholds.replicaCount) return [said];
        switch (message.type) {
          case 'pre-prepare': {
            const { view, sequenceNumber } = message.header;
            if (message.batch === undefined) return [said];
            const lie = proposal(message, otherBatch(message.batch), traitor);
            coalition.lies.set(`${view}/${sequenceNumber}`, lie.header.batchDigest);
            if (coalition.lies.size > LIES_MAX) coalition.lies.delete(coalition.lies.keys().next().value!);
            return [{ to, message: lie }];
          }
          case 'prepare': {
            const lie = coalition.lies.get(`${message.view}/${message.sequenceNumber}`);
            return lie === undefined
              ? [said]
              : [{ to, message: signed({ ...message, batchDigest: lie }, traitor) }];
          }
          case 'commit': {
            const lie = coalition.lies.get(`${message.view}/${message.sequenceNumber}`);
            const before = hashChainDigestAt(inside, message.sequenceNumber - 1);
            if (lie === undefined || before === undefined) return [said];
            const hashChainDigest = extendHashChain(context.crypto, before, lie);
            return [{ to, message: signed({ ...message, hashChainDigest }, traitor) }];
          }
          default:
            return [said];
        }
      },
    });
  },
};

/** As valid as the first. */
function otherBatch({ timeMs, requests }: Batch): Batch {
  return requests.length > 1 ? { timeMs, requests: requests.slice(1) } : { timeMs: timeMs + 1, requests };
}
