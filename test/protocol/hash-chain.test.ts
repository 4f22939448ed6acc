import { describe, expect, it } from 'vitest';
import { chainOf, extendHashChain, genesisHashChainDigest } from '../../src/protocol/hash-chain.ts';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import { concatBytes, toHex } from '../../src/types/bytes.ts';
import { batchOf, digestOf, genesisSeen, makeTestCluster, signOpen, signRequest } from './support.ts';

const test = makeTestCluster();
const { cluster, crypto } = test.context;

describe('BFT2F §4: the hash chain', () => {
  it('begins with the cluster id and takes in one batch digest after the other', () => {
    const links = [1, 2, 3, 4].map(digestOf);
    let expected = cluster.id;
    const naive = links.map((link) => {
      expected = crypto.hash(concatBytes(link, expected));
      return expected;
    });
    expect(chainOf(crypto, genesisHashChainDigest(cluster), links)).toEqual(naive);
    expect(chainOf(crypto, digestOf('anything'), [])).toEqual([]);
  });

  it('any change of order or content changes every later HCD', () => {
    const end = (...names: readonly number[]) =>
      toHex(chainOf(crypto, cluster.id, names.map(digestOf)).at(-1)!);
    const ends = [end(1, 2, 3), end(2, 1, 3), end(1, 3), end(1, 2, 2), end(1, 2, 3, 3)];
    expect(new Set(ends).size).toBe(ends.length);
  });

  it('a chain continues from any of its points', () => {
    const links = [1, 2, 3, 4, 5].map(digestOf);
    const whole = chainOf(crypto, cluster.id, links);
    expect(chainOf(crypto, whole[1]!, links.slice(2))).toEqual(whole.slice(2));
    expect(extendHashChain(crypto, whole[3]!, links[4]!)).toEqual(whole[4]);
  });
});

describe('docs/protocol.md §2: the digest of a batch', () => {
  const session = { sequenceNumber: 1, index: 0 };
  const a = signRequest(test, 'alice', session, 1, genesisSeen(test));
  const b = signOpen(test, 'bob', 1);

  it('fixes time, requests, their order and their signatures', () => {
    const resigned = {
      ...a,
      signature: Uint8Array.from(a.signature, (byte, i) => (i === 0 ? byte ^ 1 : byte)),
    };
    const batches = [
      NULL_BATCH,
      batchOf(1),
      batchOf(0, a),
      batchOf(1, a),
      batchOf(1, a, b),
      batchOf(1, b, a),
      batchOf(1, resigned),
    ];
    const digests = batches.map((batch) => toHex(batchDigest(cluster, crypto, batch)));
    expect(new Set(digests).size).toBe(batches.length);
  });

  it('of the null batch is one constant per cluster', () => {
    expect(batchDigest(cluster, crypto, { timeMs: 0, requests: [] })).toEqual(
      batchDigest(cluster, crypto, NULL_BATCH),
    );
  });
});
