import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import { concatBytes, keyOf, u32Bytes } from '../../src/types/bytes.ts';

it('hashes the concatenation of its parts, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 13 }), { maxLength: 8 }), (parts) => {
      expect(mixingHash(...parts)).toEqual(mixingHash(concatBytes(...parts)));
    }),
  );
});

it('tells apart inputs that differ in a bit, in their length, or in the order of words', () => {
  const seen = new Set<string>();
  const see = (bytes: Uint8Array) => seen.add(keyOf(mixingHash(bytes).subarray(0, 8)));
  let inputs = 0;
  for (let length = 0; length < 80; length++, inputs++) see(new Uint8Array(length));
  for (let bit = 0; bit < 8 * 79; bit++, inputs++) {
    const bytes = new Uint8Array(79);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    see(bytes);
  }
  for (let i = 1; i < 100; i++) {
    for (let j = 1; j < 100; j++, inputs++)
      see(concatBytes(u32Bytes(i), u32Bytes(j), u32Bytes(0x80_00_00_00)));
  }
  expect(seen.size).toBe(inputs);
});

it('changes about half of the digest with each bit of the input', () => {
  const input = Uint8Array.from({ length: 105 }, (_, i) => (i * 37) & 0xff);
  const before = mixingHash(input);
  const flips = new Array<number>(256).fill(0);
  for (let bit = 0; bit < 8 * input.length; bit++) {
    input[bit >> 3]! ^= 1 << (bit & 7);
    const after = mixingHash(input);
    input[bit >> 3]! ^= 1 << (bit & 7);
    for (let i = 0; i < 256; i++) flips[i]! += ((before[i >> 3]! ^ after[i >> 3]!) >> (i & 7)) & 1;
  }
  for (const count of flips) expect(Math.abs(count / (8 * input.length) - 0.5)).toBeLessThan(0.1);
});
