/**
 * How a malicious replica behaves: the correct one, of which some messages are lost, late, broken or replaced. It signs with its own key and
 * no other. Each behaviour is a few lines, so that what is wrong about it can be seen.
 */

import { entryStatement } from '../src/protocol/messages/entry.ts';
import type { Message, MessageOf } from '../src/protocol/messages/index.ts';
import { replyLeaf, resultsRootOf } from '../src/protocol/messages/reply.ts';
import type { Traitor } from '../src/simulator/byzantine/attack.ts';
import type { Misbehaviour } from '../src/simulator/byzantine/misbehaving.ts';
import { equivocate, lie } from './lies.ts';

export interface Behaviour {
  /** What it does, for "replica 2 …". */
  readonly description: string;
  readonly misbehave: (traitor: Traitor) => Misbehaviour;
}

/** Longer than a batch takes, and shorter than clients wait. */
const DELAY_MS_MAX = 1_500;

export const BEHAVIOURS = {
  silent: {
    description: 'says nothing at all',
    misbehave: () => ({ say: () => [] }),
  },
  crashing: {
    description: 'is killed in the middle of the load',
    misbehave: () => ({}),
  },
  skipping: {
    description: 'leaves out half of its messages',
    misbehave: ({ random }) => ({ say: (said) => (random.chance(1, 2) ? [] : [said]) }),
  },
  delaying: {
    description: 'sends half of its messages late, in another order',
    misbehave: ({ random }) => ({
      say: (said, _, now) =>
        random.chance(1, 2) ? [{ ...said, atMs: now.monotonicMs + random.between(1, DELAY_MS_MAX) }] : [said],
    }),
  },
  invalid: {
    description: 'breaks the signatures of half of its messages',
    misbehave: ({ random }) => ({
      say: (said) =>
        random.chance(1, 2) ? [{ ...said, message: withBrokenSignature(said.message) }] : [said],
    }),
  },
  lying: {
    description: 'replaces half of its messages by others that are validly signed',
    misbehave: (traitor) => ({
      say: (said) =>
        traitor.random.chance(1, 2) ? [{ ...said, message: lie(said.message, traitor) }] : [said],
    }),
  },
  'wrong-replies': {
    description: 'tells clients wrong results, with proofs and signatures that fit them',
    misbehave: (traitor) => ({
      say: (said) =>
        said.message.type === 'reply' ? [{ ...said, message: wrongReply(said.message, traitor) }] : [said],
    }),
  },
  equivocating: {
    description: 'proposes and votes for one batch to half of the replicas, and for another to the rest',
    misbehave: (traitor) => ({
      say: (said) =>
        said.to.kind === 'replica' && said.to.index % 2 === 1
          ? [{ ...said, message: equivocate(said.message, traitor) }]
          : [said],
    }),
  },
} as const satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS;
export const BEHAVIOUR_NAMES = Object.keys(BEHAVIOURS) as readonly BehaviourName[];

/** Another result under the root, the path and the signature that belong to it: by itself nothing is wrong with it. */
function wrongReply(reply: MessageOf<'reply'>, { context, signer }: Traitor): Message {
  const { cluster, crypto } = context;
  const results = reply.results?.map((result) => result.map((byte) => byte ^ 1)) ?? [];
  const resultsRoot = resultsRootOf(crypto, results);
  const repliesRoot = replyLeaf(crypto, reply.requestDigest, reply.status, resultsRoot);
  const entry = { ...reply.entry, repliesRoot };
  const signature = signer.sign(entryStatement(cluster, entry));
  return { ...reply, results, resultsRoot, index: 0, size: 1, path: [], entry: { ...entry, signature } };
}

function withBrokenSignature(message: Message): Message {
  switch (message.type) {
    case 'pre-prepare':
      return { ...message, header: broken(message.header) };
    case 'prepare':
    case 'commit':
    case 'checkpoint':
    case 'suspect':
      return broken(message);
    case 'view-change':
      return { ...message, viewChange: broken(message.viewChange) };
    case 'reply':
    case 'read-reply':
      return { ...message, entry: broken(message.entry) };
    default:
      return message;
  }
}

function broken<T extends { readonly signature: Uint8Array }>(signed: T): T {
  return { ...signed, signature: signed.signature.map((byte) => byte ^ 1) };
}
