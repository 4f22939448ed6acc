/** SUSPECTs without end, of views near and far: only those that n−q+1 share may move anyone. */

import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

export const suspectFlood: Attack = {
  description: 'The faulty suspect the view, the next ones and absurd ones, again and again.',
  replica(correct, traitor) {
    const { random, index, context } = traitor;
    return misbehaving(correct, traitor, {
      add(inside) {
        if (!random.chance(1, 4)) return [];
        const view = inside.view + random.pick([0, 0, 1, 7, 1_000_000_000]);
        const unsigned = { type: 'suspect', view, replica: index, signature: new Uint8Array(64) } as const;
        const message = signed(unsigned, traitor);
        return Array.from({ length: context.cluster.thresholds.replicaCount }, (_, peer) => peer)
          .filter((peer) => peer !== index)
          .map((peer) => ({ to: { kind: 'replica', index: peer }, message }));
      },
    });
  },
};
