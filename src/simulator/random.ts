/**
 * The one source of randomness of a simulation: xoshiro128**, seeded by an integer. Everything is integers and
 * ratios, so a seed means the same run on every engine.
 *
 * A generator's forks depend on its seed and their names alone, never on what was drawn from it: a draw added
 * in one part of the simulator leaves every other part's decisions as they were, and old seeds keep their meaning longer.
 */

export interface Random {
  /** 0…2³²−1. */
  u32(): number;
  /** 0…bound−1; `bound` an integer in 1…2³². */
  below(bound: number): number;
  /** low…high, both included. */
  between(low: number, high: number): number;
  /** True `numerator` times in `denominator`. */
  chance(numerator: number, denominator: number): boolean;
  /** One of the items. @throws Error if there are none. */
  pick<T>(items: readonly T[]): T;
  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[];
  bytes(length: number): Uint8Array;
  /** An independent generator. The same name gives the same one again. */
  fork(name: string): Random;
}

/** @throws Error unless `seed` is an integer in 0…2⁵³−1. */
export function makeRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`a seed must be an integer in 0…2^53−1, got ${seed}`);
  }
  return fromWords(Math.floor(seed / 0x1_0000_0000), seed >>> 0);
}

function fromWords(high: number, low: number): Random {
  const expand = splitmix(high ^ Math.imul(low, 0x9e3779b1), low ^ 0x6a09e667);
  let a = expand();
  let b = expand();
  let c = expand();
  let d = expand() | 1;

  function u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotateLeft(d, 11);
    return result;
  }

  function below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 0x1_0000_0000) {
      throw new Error(`a random bound must be an integer in 1…2^32, got ${bound}`);
    }
    // The bias of the multiplication is below 2⁻¹¹ for bounds up to 2²¹, and nothing here is a measurement.
    return Math.floor((u32() * bound) / 0x1_0000_0000);
  }

  return {
    u32,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (numerator, denominator) => numerator > 0 && below(denominator) < numerator,
    pick(items) {
      if (items.length === 0) throw new Error('cannot pick one of no items');
      return items[below(items.length)]!;
    },
    shuffle(items) {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
      }
      return shuffled;
    },
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = u32() >>> 24;
      return bytes;
    },
    fork(name) {
      let x = high ^ 0x811c9dc5;
      let y = low ^ 0x01000193;
      for (let i = 0; i < name.length; i++) {
        x = Math.imul(x ^ name.charCodeAt(i), 0x01000193);
        y = Math.imul(y ^ name.charCodeAt(i), 0x85ebca6b) ^ (x >>> 13);
      }
      return fromWords(x >>> 0, y >>> 0);
    },
  };
}

/** Spreads two words over as many as are asked for; neighbouring seeds give unrelated states. */
function splitmix(high: number, low: number): () => number {
  let state = low | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ high;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
