import { expect, it } from 'vitest';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import { toHex } from '../../src/types/bytes.ts';
import { makeTestCluster } from './support.ts';

it('the null batch has another digest in each cluster of a process', () => {
  const digests = ['one', 'other'].map((name) => {
    const { cluster, crypto } = makeTestCluster(4, { name }).context;
    return toHex(batchDigest(cluster, crypto, NULL_BATCH));
  });
  expect(digests[0]).not.toBe(digests[1]);
});
