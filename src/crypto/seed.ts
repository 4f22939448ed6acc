/** Key seeds: the only secret of a key pair, and the one value whose wrong length must never pass for a weak key. */

/** Bytes of the seed that an Ed25519 key pair is made from. */
export const SEED_BYTES = 32;

/** @throws Error if `seed` cannot be one. */
export function assertSeed(seed: Uint8Array): void {
  if (seed.length !== SEED_BYTES) {
    throw new Error(
      `a key seed must be ${SEED_BYTES} bytes, got ${seed.length}; make one with generateSeed()`,
    );
  }
}
