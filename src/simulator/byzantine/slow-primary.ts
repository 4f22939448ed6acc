/** Each proposal leaves just before its request's clock would fire: as slow as a primary can be that is never deposed. */

import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';

export const slowPrimary: Attack = {
  description: 'A faulty primary delays every PRE-PREPARE to just under the timeout.',
  replica: (correct, traitor) =>
    misbehaving(correct, traitor, {
      say: (said, _inside, { monotonicMs }) =>
        said.message.type === 'pre-prepare'
          ? [{ ...said, atMs: monotonicMs + Math.floor(0.9 * traitor.limits.requestTimeoutMs) }]
          : [said],
    }),
};
