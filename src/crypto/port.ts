/**
 * What the protocol needs of cryptography, as a port: the node gives it sodium-native, the browser
 * libsodium's WebAssembly (the same C code, so the same verdict on every crafted signature), and the simulator a
 * keyed hash that is forty times cheaper. Everything here is synchronous and deterministic.
 */

import type { Digest, PublicKey, Signature } from '../types/identities.ts';

export interface Crypto {
  /** SHA-256 of the concatenation of the parts; 32 bytes. */
  hash(...parts: readonly Uint8Array[]): Digest;

  /** Ed25519 verification by libsodium's criterion. Never throws: wrong lengths answer false. */
  verify(publicKey: PublicKey, message: Uint8Array, signature: Signature): boolean;
}

/** A private key that can do nothing but sign. Ed25519 is deterministic: the same message, the same 64 bytes. */
export interface Signer {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Signature;
}

/** One implementation of everything above, such as libsodium's WebAssembly or the simulator's stand-in. */
export interface CryptoBackend {
  readonly crypto: Crypto;
  /** The key pair of a 32-byte seed. @throws Error if `seed` has another length. */
  signerFromSeed(seed: Uint8Array): Signer;
}
