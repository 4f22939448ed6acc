/** Answers to FETCH that are false in one place, cut short, about something else, or that deny having anything. */

import type { Payload } from '../../protocol/messages/fetch.ts';
import type { Random } from '../random.ts';
import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';

export const forgedTransfer: Attack = {
  description:
    'Whatever is fetched from the faulty (bodies, links, checkpoints, manifests, chunks, proofs) is forged or truncated.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, {
      say: ({ to, message, ...rest }) =>
        message.type === 'fetched'
          ? [{ to, message: { ...message, payload: forged(message.payload, traitor.random) } }]
          : [{ to, message, ...rest }],
    }),
};

function forged(payload: Payload, random: Random): Payload {
  if (random.chance(1, 8)) return { type: 'not-here' };
  if (random.chance(1, 8)) return { type: 'too-old', stable: random.below(1_000) };
  const flip = (bytes: Uint8Array) => {
    const copy = bytes.slice();
    if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8);
    return copy;
  };
  /** One item altered, or the last ones left out; never nothing where something must be. */
  const bent = <T>(items: readonly T[], alter: (item: T) => T): T[] => {
    if (items.length > 1 && random.chance(1, 2)) return items.slice(0, random.between(1, items.length - 1));
    const at = random.below(Math.max(1, items.length));
    return items.map((item, index) => (index === at ? alter(item) : item));
  };
  switch (payload.type) {
    case 'header':
      return { ...payload, header: { ...payload.header, batchDigest: flip(payload.header.batchDigest) } };
    case 'bodies':
      return {
        ...payload,
        batches: bent(payload.batches, (batch) => ({ ...batch, timeMs: batch.timeMs + 1 })),
      };
    case 'links':
      return { ...payload, links: bent(payload.links, flip) };
    case 'new-view':
      return { ...payload, newView: { ...payload.newView, headers: payload.newView.headers.slice(1) } };
    case 'stable': {
      const { summary, checkpoint } = payload;
      return random.chance(1, 2)
        ? { ...payload, summary: { ...summary, serviceDigest: flip(summary.serviceDigest) } }
        : { ...payload, checkpoint: { ...checkpoint, stateDigest: flip(checkpoint.stateDigest) } };
    }
    case 'proof':
      return { ...payload, path: bent(payload.path, flip) };
    case 'leaves':
      return { ...payload, leaves: bent(payload.leaves, flip) };
    case 'window':
      return {
        ...payload,
        entries: bent(payload.entries, (entry) => ({ ...entry, repliesRoot: flip(entry.repliesRoot) })),
      };
    case 'manifest':
      return { ...payload, digests: bent(payload.digests, flip) };
    case 'chunk':
      return {
        ...payload,
        bytes: random.chance(1, 2) ? payload.bytes.slice(0, payload.bytes.length >> 1) : flip(payload.bytes),
      };
    case 'head':
      return { ...payload, head: { ...payload.head, logRoot: flip(payload.head.logRoot) } };
    default:
      return payload;
  }
}
