/**
 * Remembers signatures that were verified: a vote comes again inside certificates, a client's request inside a batch, and our own votes by
 * loopback. Only successes are remembered, and a hit compares key and message in full, so a cached answer is the answer.
 *
 * Two generations instead of a list by age: when the young one is full it becomes the old one, and what is still in use moves over.
 */

import type { Crypto, Signer } from '../crypto/port.ts';
import { equalBytes, keyOf } from '../types/bytes.ts';
import type { PublicKey } from '../types/identities.ts';

interface Verified {
  readonly publicKey: PublicKey;
  readonly message: Uint8Array;
}

export interface CacheLimits {
  /** Signatures in each of the two generations. */
  readonly generationMax: number;
  /** A signature over a longer message is not remembered; statements of the protocol are far shorter. */
  readonly messageBytesMax: number;
}

/** Some 10 MB when full: the votes and requests of a few seconds under full load. */
const DEFAULT_LIMITS: CacheLimits = { generationMax: 16_384, messageBytesMax: 1024 };

export interface VerifyCache {
  readonly crypto: Crypto;
  /** `signer`, whose signatures are remembered as they are made. */
  remembering(signer: Signer): Signer;
  /** Ever increasing. */
  readonly stats: { readonly hits: number; readonly misses: number };
  /** Signatures made; ever increasing. */
  readonly made: number;
}

export function createVerifyCache(crypto: Crypto, limits: CacheLimits = DEFAULT_LIMITS): VerifyCache {
  let young = new Map<string, Verified>();
  let old = new Map<string, Verified>();
  const stats = { hits: 0, misses: 0 };
  let made = 0;

  function remember(name: string, verified: Verified): void {
    if (verified.message.length > limits.messageBytesMax) return;
    if (young.size >= limits.generationMax) {
      old = young;
      young = new Map();
    }
    young.set(name, verified);
  }

  function recall(name: string): Verified | undefined {
    const found = young.get(name);
    if (found !== undefined) return found;
    const older = old.get(name);
    if (older !== undefined) remember(name, older);
    return older;
  }

  return {
    stats,
    get made() {
      return made;
    },
    crypto: {
      hash: crypto.hash,
      verify(publicKey, message, signature) {
        const name = keyOf(signature);
        const known = recall(name);
        if (
          known !== undefined &&
          equalBytes(known.publicKey, publicKey) &&
          equalBytes(known.message, message)
        ) {
          stats.hits++;
          return true;
        }
        stats.misses++;
        if (!crypto.verify(publicKey, message, signature)) return false;
        // Copies: both may be views of frames, which would be kept with them, and whose owner may change them.
        remember(name, { publicKey: publicKey.slice(), message: message.slice() });
        return true;
      },
    },
    remembering: (signer) => ({
      publicKey: signer.publicKey,
      sign(message) {
        const signature = signer.sign(message);
        made++;
        remember(keyOf(signature), { publicKey: signer.publicKey, message: message.slice() });
        return signature;
      },
    }),
  };
}
