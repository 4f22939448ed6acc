import { describe, expect, it } from 'vitest';
import { inclusionPath, rootOfHashes, verifyInclusion } from '../../src/crypto/merkle-tree.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { treeWithPaths } from '../../src/protocol/reply-tree.ts';
import { digestOf } from './support.ts';

describe('RFC 6962 §2.1: the tree over the replies of a batch', () => {
  const sizes = [...Array.from({ length: 40 }, (_, i) => i), 63, 64, 65, 127, 128, 129, 1023, 1024];

  it.each(sizes)('of %i leaves: root and paths as asked for one by one', (size) => {
    const leaves = Array.from({ length: size }, (_, i) => digestOf(i));
    const { root, paths } = treeWithPaths(sha256, leaves);
    expect(root).toEqual(rootOfHashes(sha256, leaves));
    expect(paths).toHaveLength(size);
    const step = size > 130 ? 97 : 1;
    for (let index = 0; index < size; index += step) {
      expect(paths[index]).toEqual(inclusionPath(sha256, leaves, index));
      const proof = { leafHash: leaves[index]!, index, size, path: paths[index]!, root };
      expect(verifyInclusion(sha256, proof)).toBe(true);
      expect(verifyInclusion(sha256, { ...proof, leafHash: digestOf('other') })).toBe(false);
    }
  });
});
