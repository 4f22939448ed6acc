/**
 * A hash for the simulator: 32 bytes that depend on every bit of the input, an order of magnitude cheaper than SHA-256. Different inputs
 * collide by chance alone, about once in 2⁶⁴ of them; whoever wants a collision can compute one. So it means something only where nobody does, as
 * with simulated signatures. Never use it on a network.
 */

const LANES = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;

/** Of the concatenation of the parts, as SHA-256 would be; 32 bytes, a new array. */
export function mixingHash(...parts: readonly Uint8Array[]): Uint8Array {
  let a = LANES[0] | 0;
  let b = LANES[1] | 0;
  let c = LANES[2] | 0;
  let d = LANES[3] | 0;
  let total = 0;
  /** Bytes that do not fill a word yet, in the highest bits. */
  let carry = 0;
  let carryBits = 0;

  for (const part of parts) {
    const { length } = part;
    total += length;
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      const read = (part[i]! << 24) | (part[i + 1]! << 16) | (part[i + 2]! << 8) | part[i + 3]!;
      const word = carryBits === 0 ? read : carry | (read >>> carryBits);
      if (carryBits !== 0) carry = read << (32 - carryBits);
      // Each word goes into one lane, reversibly, and each lane into the next: no two words can cancel out by their places.
      const x = Math.imul(a ^ word, 0x85ebca6b);
      a = b;
      b = c;
      c = (d + x) | 0;
      d = Math.imul(x ^ (x >>> 15), 0xc2b2ae35) ^ a;
    }
    for (; i < length; i++) {
      carry |= part[i]! << (24 - carryBits);
      carryBits += 8;
      if (carryBits === 32) {
        const x = Math.imul(a ^ carry, 0x85ebca6b);
        a = b;
        b = c;
        c = (d + x) | 0;
        d = Math.imul(x ^ (x >>> 15), 0xc2b2ae35) ^ a;
        carry = 0;
        carryBits = 0;
      }
    }
  }
  return finish(a ^ carry, b ^ total, c, d);
}

/** Spreads the four lanes over eight words, each of which depends on all of them. */
function finish(first: number, second: number, third: number, fourth: number): Uint8Array {
  let a = first;
  let b = second;
  let c = third;
  let d = fourth;
  const digest = new Uint8Array(32);
  for (let round = 0; round < 24; round++) {
    const x = Math.imul(a ^ (a >>> 16), 0x21f0aaad) + round;
    a = b ^ (x >>> 15);
    b = (c + x) | 0;
    c = d;
    d = Math.imul(x ^ (x >>> 15), 0x735a2d97) ^ a;
    // Eight rounds so that every bit has reached every lane, then a word from each second one.
    if (round >= 8 && round % 2 === 0) {
      const offset = 2 * (round - 8);
      digest[offset] = d >>> 24;
      digest[offset + 1] = d >>> 16;
      digest[offset + 2] = d >>> 8;
      digest[offset + 3] = d;
    }
  }
  return digest;
}
