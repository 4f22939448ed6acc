/** The operations that a service is checked with: the user's, and what a hostile client makes of them. */

import type { Random } from '../../codec/index.ts';
import { concatBytes } from '../../types/bytes.ts';
import type { ExecutionContext } from '../service.ts';

/** Integers 0…bound−1, the same for the same seed (xorshift32). */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** One operation in three is damaged or plain nonsense. */
export function someOperation(random: Random, operation: (random: Random) => Uint8Array): Uint8Array {
  if (random(3) > 0) return operation(random);
  switch (random(4)) {
    case 0:
      return randomBytes(random, random(40));
    case 1: {
      const valid = operation(random);
      return valid.slice(0, random(valid.length + 1));
    }
    case 2:
      return concatBytes(operation(random), randomBytes(random, 1 + random(3)));
    default: {
      const altered = operation(random).slice();
      if (altered.length > 0) altered[random(altered.length)] = random(256);
      return altered;
    }
  }
}

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random(256);
  return bytes;
}

/** Where the operation after `previous` stands: in the same batch or in a later one. */
export function nextContext(random: Random, previous: ExecutionContext): ExecutionContext {
  const isNewBatch = random(3) === 0;
  return {
    timeMs: previous.timeMs + (isNewBatch ? random(2000) : 0),
    client: new Uint8Array(32).fill(random(3)),
    sequenceNumber: previous.sequenceNumber + (isNewBatch ? 1 : 0),
    resultBytesMax: random(10) === 0 ? 100 : 65_536,
  };
}

export const GENESIS_CONTEXT: ExecutionContext = {
  timeMs: 1_700_000_000_000,
  client: new Uint8Array(32),
  sequenceNumber: 1,
  resultBytesMax: 65_536,
};
