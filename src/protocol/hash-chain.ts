/**
 * The hash chain of BFT2F §4: HCD^0 = H(genesis), HCD^s = H(D(β^s) ‖ HCD^{s−1}). Two replicas with the same HCD at s have
 * the same batches up to s. A run of batch digests (*links*) is worth something only if it hashes from a known HCD to
 * a certified one.
 */

import type { Crypto } from '../crypto/port.ts';
import type { Digest } from '../types/identities.ts';
import type { Cluster } from './genesis.ts';

/** HCD^0. */
export function genesisHashChainDigest(cluster: Cluster): Digest {
  return cluster.id;
}

/** HCD^s from D(β^s) and HCD^{s−1}. */
export function extendHashChain(crypto: Pick<Crypto, 'hash'>, previous: Digest, batchDigest: Digest): Digest {
  return crypto.hash(batchDigest, previous);
}

/** HCD after each of the links, in order. */
export function chainOf(
  crypto: Pick<Crypto, 'hash'>,
  start: Digest,
  links: readonly Digest[],
): readonly Digest[] {
  const chain: Digest[] = [];
  let current = start;
  for (const link of links) {
    current = extendHashChain(crypto, current, link);
    chain.push(current);
  }
  return chain;
}
