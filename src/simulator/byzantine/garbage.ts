/** Messages out of nowhere: random fields, what was overheard from others, and true statements of another cluster. */

import type { Message } from '../../protocol/messages/index.ts';
import type { Attack, Traitor } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

const OVERHEARD_MAX = 64;
/** One in so many steps. */
const RARITY = 8;

export const garbage: Attack = {
  description:
    'The faulty send random fields, replay what they heard from others, and pass on statements of another cluster.',
  replica(correct, traitor) {
    const { random, context, index } = traitor;
    const overheard: Message[] = [];
    return misbehaving(correct, traitor, {
      add(_inside, _now, input) {
        if (input?.type === 'receive' && random.chance(1, 4)) {
          if (overheard.length < OVERHEARD_MAX) overheard.push(input.message);
          else overheard[random.below(OVERHEARD_MAX)] = input.message;
        }
        if (!random.chance(1, RARITY)) return [];
        const peer = random.below(context.cluster.thresholds.replicaCount);
        if (peer === index) return [];
        const isReplay = overheard.length > 0 && random.chance(1, 2);
        return [
          {
            to: { kind: 'replica', index: peer },
            message: isReplay ? random.pick(overheard) : nonsense(traitor),
          },
        ];
      },
    });
  },
};

function nonsense({ random, context, signer, index }: Traitor): Message {
  const number = () => random.pick([0, 1, random.below(50), random.below(10_000), Number.MAX_SAFE_INTEGER]);
  const place = { view: number(), sequenceNumber: number(), replica: index, signature: random.bytes(64) };
  const { cluster } = context;
  const foreign = {
    context: { ...context, cluster: { ...cluster, id: context.crypto.hash(cluster.id) } },
    signer,
  };
  const hand = random.pick([{ context, signer }, foreign]);
  switch (random.below(7)) {
    case 0:
      return signed({ type: 'prepare', ...place, batchDigest: random.bytes(32) }, hand);
    case 1:
      return signed({ type: 'commit', ...place, hashChainDigest: random.bytes(32) }, hand);
    case 2: {
      const digests = {
        hashChainDigest: random.bytes(32),
        logRoot: random.bytes(32),
        stateDigest: random.bytes(32),
      };
      return signed({ type: 'checkpoint', ...place, ...digests }, hand);
    }
    case 3:
      return { type: 'evidence', evidence: random.bytes(random.below(300)) };
    case 4:
      return {
        type: 'fetched',
        number: random.below(200),
        payload: { type: 'chunk', sequenceNumber: number(), index: random.below(9), bytes: random.bytes(40) },
      };
    case 5:
      return {
        type: 'fetch',
        number: number(),
        want: random.pick([
          { type: 'stable' },
          { type: 'head' },
          { type: 'chunk', sequenceNumber: number(), index: random.below(99) },
        ]),
      };
    default:
      return { type: 'busy', reference: random.bytes(32), retryAfterMs: 1 };
  }
}
