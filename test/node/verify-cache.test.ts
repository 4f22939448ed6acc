/** Remembered signatures: the answers are those of the crypto beneath, and the memory is bounded. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Crypto } from '../../src/crypto/port.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { createVerifyCache } from '../../src/node/verify-cache.ts';

const LIMITS = { generationMax: 4, messageBytesMax: 64 };

function counting() {
  let calls = 0;
  const crypto: Crypto = {
    ...sodiumCrypto,
    verify(...args) {
      calls++;
      return sodiumCrypto.verify(...args);
    },
  };
  return {
    crypto,
    get calls() {
      return calls;
    },
  };
}

const signers = [1, 2].map((n) => signerFromSeed(new Uint8Array(32).fill(n)));
const message = (n: number) => new Uint8Array(8).fill(n);

test('answers what the crypto beneath answers, whatever is asked', () => {
  const triple = fc.record({
    key: fc.nat(1),
    signer: fc.nat(1),
    signed: fc.nat(7),
    asked: fc.nat(7),
    flip: fc.nat(70),
  });
  fc.assert(
    fc.property(fc.array(triple, { maxLength: 60 }), (asks) => {
      const cache = createVerifyCache(sodiumCrypto, LIMITS);
      for (const { key, signer, signed, asked, flip } of asks) {
        const signature = signers[signer]!.sign(message(signed));
        if (flip < 64) signature[flip]! ^= flip % 3 === 0 ? 1 : 0;
        const args = [signers[key]!.publicKey, message(asked), signature] as const;
        expect(cache.crypto.verify(...args)).toBe(sodiumCrypto.verify(...args));
      }
    }),
  );
});

test('a signature is verified once, also when the bytes it came in are used again', () => {
  const beneath = counting();
  const cache = createVerifyCache(beneath.crypto, LIMITS);
  const bytes = message(1);
  const signature = signers[0]!.sign(bytes);
  expect(cache.crypto.verify(signers[0]!.publicKey, bytes, signature)).toBe(true);
  expect(cache.crypto.verify(signers[0]!.publicKey, bytes.slice(), signature.slice())).toBe(true);
  expect(beneath.calls).toBe(1);
  bytes.fill(9);
  expect(cache.crypto.verify(signers[0]!.publicKey, bytes, signature)).toBe(false);
  expect(cache.stats).toEqual({ hits: 1, misses: 2 });
});

test('own signatures are known from the beginning; refusals and long messages never', () => {
  const beneath = counting();
  const cache = createVerifyCache(beneath.crypto, LIMITS);
  const signer = cache.remembering(signers[0]!);
  expect(cache.crypto.verify(signer.publicKey, message(1), signer.sign(message(1)))).toBe(true);
  expect(beneath.calls).toBe(0);
  const long = new Uint8Array(65);
  for (let i = 0; i < 2; i++)
    expect(cache.crypto.verify(signer.publicKey, long, signer.sign(long))).toBe(true);
  for (let i = 0; i < 2; i++)
    expect(cache.crypto.verify(signer.publicKey, long, new Uint8Array(64))).toBe(false);
  expect(beneath.calls).toBe(4);
});

test('what is asked for again stays, what is not goes', () => {
  const beneath = counting();
  const cache = createVerifyCache(beneath.crypto, LIMITS);
  const ask = (n: number) =>
    cache.crypto.verify(signers[0]!.publicKey, message(n), signers[0]!.sign(message(n)));
  for (let n = 0; n < 40; n++) {
    ask(100);
    ask(n);
  }
  // 100 is found every time; the others are new every time.
  expect(beneath.calls).toBe(41);
  ask(0);
  expect(beneath.calls).toBe(42);
});
