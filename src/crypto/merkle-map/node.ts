/**
 * The nodes of the tree, and their digests. A leaf is a page of the map's entries. An inner node is a page
 * with one entry per child: its key bounds the child's keys from below (the first is the node's own bound, empty on the
 * left edge), its value is the place for the child's digest, filled in when a digest is asked for and not before.
 */

import { utf8 } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import { DIGEST_BYTES } from '../../types/identities.ts';
import type { Crypto } from '../port.ts';
import { overwriteValue, pageBytes, trimmed } from './page.ts';

export interface Node {
  /** The generation of the map that may change this node in place; every other must copy it. */
  readonly generation: number;
  page: Uint8Array;
  /** As many as the page has entries; undefined in a leaf. */
  children: Node[] | undefined;
  /** Undefined until a version that has the node is asked for its digest; a changed node is another node. */
  digest: Digest | undefined;
  /** What `chunks()` learned of this node or of the one it was copied from: a hint, checked before use. */
  chunkMemo: ChunkMemo | undefined;
}

/** What is known of the chunks of a lowest inner node, without holding on to any leaf. */
export interface ChunkMemo {
  /** The very array that was the node's digest then: while it still is, nothing below the node changed. */
  readonly of: Digest;
  readonly opens: number;
  readonly summaries: readonly ChunkSummary[];
}

export interface ChunkSummary {
  readonly opens: number;
  /** The inner page as it was, where the leaves' bounds stand from entry `first` on. */
  readonly page: Uint8Array;
  readonly first: number;
  /** The leaves' digests, compared by identity: an array is made anew whenever a leaf changes. */
  readonly leaves: readonly Digest[];
  /** The chunk's digest, once it was asked for. */
  digest: Digest | undefined;
}

const LEAF_TAG = utf8('bft2f/1/map-leaf');
const INNER_TAG = utf8('bft2f/1/map-inner');

export function newNode(generation: number, page: Uint8Array, children: Node[] | undefined): Node {
  return { generation, page, children, digest: undefined, chunkMemo: undefined };
}

/** What stands in an inner page for a child whose digest is not yet known. */
export const UNKNOWN_DIGEST: Digest = new Uint8Array(DIGEST_BYTES);

/** The digest of a page, apart from where it came from. */
export function pageDigest(hash: Crypto['hash'], page: Uint8Array, isLeaf: boolean): Digest {
  return hash(isLeaf ? LEAF_TAG : INNER_TAG, page);
}

/** The work of `nodeDigest`, page by page: yields the bytes of each page that was hashed. */
export function* digesting(hash: Crypto['hash'], node: Node): Generator<number, undefined> {
  if (node.digest !== undefined) return;
  for (const child of node.children ?? []) yield* digesting(hash, child);
  nodeDigest(hash, node);
  yield pageBytes(node.page);
}

/** The node's digest; hashes only what changed since it was last asked for. */
export function nodeDigest(hash: Crypto['hash'], node: Node): Digest {
  if (node.digest !== undefined) return node.digest;
  for (const [i, child] of (node.children ?? []).entries()) {
    overwriteValue(node.page, i, nodeDigest(hash, child));
  }
  node.digest = pageDigest(hash, trimmed(node.page), node.children === undefined);
  return node.digest;
}
