/**
 * Signatures for the simulator: a hash under the public key, some forty times cheaper than Ed25519. Anyone can
 * forge one, so they mean something only where every forger is our own code that agrees not to: a simulated Byzantine
 * replica signs with its own keys alone. Never use them on a network.
 */

import { concatBytes, utf8 } from '../types/bytes.ts';
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from '../types/identities.ts';
import type { Crypto, CryptoBackend } from './port.ts';
import { assertSeed } from './seed.ts';

const KEY_TAG = utf8('bft2f/simulated-key');
const SIGNATURE_TAG = utf8('bft2f/simulated-signature');

/** Keys and signatures have the sizes of Ed25519's, so that messages have their real lengths. */
export function makeSimulatedCrypto(hash: Crypto['hash']): CryptoBackend {
  const half = (publicKey: Uint8Array, message: Uint8Array) => hash(SIGNATURE_TAG, publicKey, message);
  return {
    crypto: {
      hash,
      verify(publicKey, message, signature) {
        if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
        const expected = half(publicKey, message);
        for (let i = 0; i < SIGNATURE_BYTES; i++) if (signature[i] !== expected[i & 31]) return false;
        return true;
      },
    },
    signerFromSeed(seed) {
      assertSeed(seed);
      const publicKey = hash(KEY_TAG, seed);
      return {
        publicKey,
        sign(message) {
          const signed = half(publicKey, message);
          return concatBytes(signed, signed);
        },
      };
    },
  };
}
