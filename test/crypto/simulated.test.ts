import { expect, it } from 'vitest';
import { sha256 } from '../../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../../src/crypto/simulated.ts';
import { utf8 } from '../../src/types/bytes.ts';

const { crypto, signerFromSeed } = makeSimulatedCrypto(sha256);
const alice = signerFromSeed(new Uint8Array(32).fill(1));
const bob = signerFromSeed(new Uint8Array(32).fill(2));
const message = utf8('a vote');

it('has keys and signatures of the real sizes, deterministically', () => {
  expect(alice.publicKey).toHaveLength(32);
  expect(alice.sign(message)).toHaveLength(64);
  expect(alice.sign(message)).toEqual(signerFromSeed(new Uint8Array(32).fill(1)).sign(message));
});

it('accepts what the key signed and refuses everything else', () => {
  const signature = alice.sign(message);
  expect(crypto.verify(alice.publicKey, message, signature)).toBe(true);
  expect(crypto.verify(bob.publicKey, message, signature)).toBe(false);
  expect(crypto.verify(alice.publicKey, utf8('a vofe'), signature)).toBe(false);
  for (let i = 0; i < signature.length; i++) {
    const changed = Uint8Array.from(signature);
    changed[i]! ^= 1;
    expect(crypto.verify(alice.publicKey, message, changed)).toBe(false);
  }
  for (const length of [0, 32, 63, 65]) {
    expect(crypto.verify(alice.publicKey, message, new Uint8Array(length))).toBe(false);
    expect(crypto.verify(new Uint8Array(length === 32 ? 31 : length), message, signature)).toBe(false);
  }
});
