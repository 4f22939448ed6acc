/** Validly signed messages that say something else: those of the simulator's random liar, and the second face of an equivocating replica. */

import { batchDigest } from '../src/protocol/messages/batch.ts';
import type { Message } from '../src/protocol/messages/index.ts';
import { commitStatement, headerStatement, prepareStatement } from '../src/protocol/messages/ordering.ts';
import type { Traitor } from '../src/simulator/byzantine/attack.ts';

export { lie } from '../src/simulator/byzantine/random-lies.ts';

/** What the other half of the replicas is told: always the same for the same message, so that they could agree on it. */
export function equivocate(message: Message, { context, signer }: Traitor): Message {
  const { cluster, crypto } = context;
  switch (message.type) {
    case 'pre-prepare': {
      if (message.batch === undefined) return message;
      const batch = { ...message.batch, timeMs: message.batch.timeMs + 1 };
      const header = { ...message.header, batchDigest: batchDigest(cluster, crypto, batch) };
      const signature = signer.sign(headerStatement(cluster, header));
      return { ...message, header: { ...header, signature }, batch };
    }
    case 'prepare': {
      const other = { ...message, batchDigest: crypto.hash(message.batchDigest) };
      return { ...other, signature: signer.sign(prepareStatement(cluster, other)) };
    }
    case 'commit': {
      const other = { ...message, hashChainDigest: crypto.hash(message.hashChainDigest) };
      return { ...other, signature: signer.sign(commitStatement(cluster, other)) };
    }
    default:
      return message;
  }
}
