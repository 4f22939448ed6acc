/**
 * The cryptography of browsers, and of a process that cannot load native code: libsodium compiled to WebAssembly,
 * the same C code as sodium-native and so the same verdict on every crafted signature, about half as fast.
 */

import sodium from 'libsodium-wrappers';
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from '../types/identities.ts';
import type { CryptoBackend } from './port.ts';
import { assertSeed } from './seed.ts';
import { sha256 } from './sha256.ts';

/** Loads the WebAssembly module once; what it resolves to is synchronous. */
export async function loadWasmCrypto(): Promise<CryptoBackend> {
  await sodium.ready;
  return {
    crypto: {
      hash: sha256,
      verify(publicKey, message, signature) {
        if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
        return sodium.crypto_sign_verify_detached(signature, message, publicKey);
      },
    },
    signerFromSeed(seed) {
      assertSeed(seed);
      const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(seed);
      return { publicKey, sign: (message) => sodium.crypto_sign_detached(message, privateKey) };
    },
  };
}
