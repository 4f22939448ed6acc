/**
 * Lies of a faulty replica, each a few lines: what it sends in place of a correct message. They sign with the liar's own key and no other.
 */

import type { Batch } from '../protocol/messages/batch.ts';
import { batchDigest } from '../protocol/messages/batch.ts';
import { commitStatement, headerStatement, prepareStatement } from '../protocol/messages/ordering.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Mutator } from './packet-rules.ts';

/** The same requests at another time: another batch, as valid as the first. */
function otherBatch(batch: Batch): Batch {
  return { ...batch, timeMs: batch.timeMs + 1 };
}

type MakeMutator = (cluster: SimulatedCluster) => Mutator;

const MUTATORS: Record<string, MakeMutator> = {
  /** PRE-PREPARE: another batch under a header of its own: the primary equivocates. */
  'another batch':
    ({ context, signers }) =>
    (message, from) => {
      if (message.type !== 'pre-prepare' || message.batch === undefined) return undefined;
      const batch = otherBatch(message.batch);
      const unsigned = {
        ...message.header,
        batchDigest: batchDigest(context.cluster, context.crypto, batch),
      };
      const signature = signers[from]!.sign(headerStatement(context.cluster, unsigned));
      return { type: 'pre-prepare', header: { ...unsigned, signature }, batch };
    },
  /** PRE-PREPARE and FETCHED bodies: the true header with a body that is not its own. */
  'another body': () => (message) => {
    if (message.type === 'pre-prepare' && message.batch !== undefined) {
      return { ...message, batch: otherBatch(message.batch) };
    }
    if (message.type === 'fetched' && message.payload.type === 'bodies') {
      return { ...message, payload: { type: 'bodies', batches: message.payload.batches.map(otherBatch) } };
    }
    return undefined;
  },
  /** PREPARE and COMMIT: a vote for something that nobody proposed. */
  'another vote':
    ({ context, signers }) =>
    (message, from) => {
      const { cluster, crypto } = context;
      if (message.type === 'prepare') {
        const lie = { ...message, batchDigest: crypto.hash(message.batchDigest) };
        return { ...lie, signature: signers[from]!.sign(prepareStatement(cluster, lie)) };
      }
      if (message.type === 'commit') {
        const lie = { ...message, hashChainDigest: crypto.hash(message.hashChainDigest) };
        return { ...lie, signature: signers[from]!.sign(commitStatement(cluster, lie)) };
      }
      return undefined;
    },
};

/** @throws Error naming the mutators there are. */
export function mutatorOf(name: string, cluster: SimulatedCluster): Mutator {
  const make = Object.hasOwn(MUTATORS, name) ? MUTATORS[name] : undefined;
  if (make === undefined) {
    throw new Error(`no mutator "${name}"; there are ${Object.keys(MUTATORS).join(', ')}`);
  }
  return make(cluster);
}
