/**
 * Lies of a faulty replica, each a few lines: what it sends in place of a correct message. They sign with the liar's own key and no other.
 */

import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../../protocol/context.ts';
import type { Batch } from '../../protocol/messages/batch.ts';
import { batchDigest } from '../../protocol/messages/batch.ts';
import type { Message, MessageOf } from '../../protocol/messages/index.ts';
import { commitStatement, headerStatement, prepareStatement } from '../../protocol/messages/ordering.ts';
import { type ViewChange, viewChangeStatement } from '../../protocol/messages/view-change.ts';
import type { SimulatedCluster } from '../cluster.ts';
import type { Mutator } from '../packet-rules.ts';

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
  /** VIEW-CHANGE: nothing was prepared. */
  'no P':
    ({ context, signers }) =>
    (message, from) =>
      message.type === 'view-change'
        ? signViewChange(context, signers[from]!, message, { ...message.viewChange, prepared: [] })
        : undefined,
  /** VIEW-CHANGE: C is far ahead, under votes that the liar signs in the names of others. */
  'inflated C':
    ({ context, signers }) =>
    (message, from) =>
      message.type === 'view-change' ? inflateC(context, signers[from]!, message) : undefined,
};

/** C far ahead, under votes that the liar signs in the names of others. */
export function inflateC(context: Context, signer: Signer, message: MessageOf<'view-change'>): Message {
  const { cluster, crypto } = context;
  const { viewChange, proofs } = message;
  const fields = {
    view: 0,
    sequenceNumber: viewChange.base.sequenceNumber + 5,
    hashChainDigest: crypto.hash(viewChange.base.hashChainDigest),
  };
  const signature = signer.sign(commitStatement(cluster, fields));
  const votes = Array.from({ length: cluster.thresholds.quorumSize }, (_, replica) => ({
    replica,
    signature,
  }));
  const lie = { ...viewChange, base: { kind: 'commit' as const, ...fields }, prepared: [] };
  const forged = { ...message, proofs: { ...proofs, commits: [{ ...fields, votes }] } };
  return signViewChange(context, signer, forged, lie);
}

function signViewChange(
  { cluster, crypto }: Context,
  signer: Signer,
  message: MessageOf<'view-change'>,
  viewChange: ViewChange,
): Message {
  const signature = signer.sign(viewChangeStatement(cluster, crypto, viewChange));
  return { ...message, viewChange: { ...viewChange, signature } };
}

/** @throws Error naming the mutators there are. */
export function mutatorOf(name: string, cluster: SimulatedCluster): Mutator {
  const make = Object.hasOwn(MUTATORS, name) ? MUTATORS[name] : undefined;
  if (make === undefined) {
    throw new Error(`no mutator "${name}"; there are ${Object.keys(MUTATORS).join(', ')}`);
  }
  return make(cluster);
}
