/**
 * R: the RFC 6962 tree over the replies of one batch, with the inclusion paths of all its leaves at once. Built level by level it
 * costs n hashes, where asking for the paths one by one would cost n each.
 */

import { nodeHash } from '../crypto/merkle-tree.ts';
import type { Crypto } from '../crypto/port.ts';
import type { Digest } from '../types/identities.ts';

export interface TreeWithPaths {
  /** H() for a batch without replies. */
  readonly root: Digest;
  /** paths[i]: the siblings of leaf i, from the leaf to the root. */
  readonly paths: readonly (readonly Digest[])[];
}

/** A last node without a sibling moves up unchanged, which yields the tree of RFC 6962 §2.1. */
export function treeWithPaths(hash: Crypto['hash'], leaves: readonly Digest[]): TreeWithPaths {
  if (leaves.length === 0) return { root: hash(), paths: [] };
  const paths: Digest[][] = leaves.map(() => []);
  let level = leaves;
  for (let height = 0; level.length > 1; height++) {
    for (let leaf = 0; leaf < leaves.length; leaf++) {
      // Not `>>`: a tree may be higher than 31 levels only in theory, but shifts are cheap to get wrong.
      const sibling = level[Math.floor(leaf / 2 ** height) ^ 1];
      if (sibling !== undefined) paths[leaf]!.push(sibling);
    }
    const above: Digest[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      above.push(right === undefined ? level[i]! : nodeHash(hash, level[i]!, right));
    }
    level = above;
  }
  return { root: level[0]!, paths };
}
