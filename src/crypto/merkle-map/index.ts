/**
 * An ordered map from bytes to bytes that is authenticated and persistent: a version is a root, taken in O(1),
 * untouched by later changes; its digest commits to every entry and proves single keys present or absent.
 *
 * For an independent verifier (details: page.ts, node.ts, proof.ts, chunks.ts; integers big-endian, H the hash given):
 *
 *     leaf digest  = H("bft2f/1/map-leaf"  ‖ page)       page of the map's entries
 *     inner digest = H("bft2f/1/map-inner" ‖ page)       page of (lower bound of a child's keys, child's digest)
 *     map digest   = H("bft2f/1/map-root"  ‖ u64 number of entries ‖ digest of the root page)
 *
 * The digest covers the tree's shape, which depends on the history of changes and not on the entries alone: the
 * same operations in the same order give the same digest and chunks, and a map restored from chunks goes on exactly like
 * the one that made them. (Shapes that depend on the entries alone take their balance from hashes of keys, and who chooses
 * the keys can then spoil it; here the depth holds against any keys.)
 *
 * Changing hashes nothing. Nodes that no snapshot shares are changed in place.
 */

import type { Chunk } from '../../services/service.ts';
import { compareBytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import type { Crypto } from '../port.ts';
import { chunksOf, preparing } from './chunks.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.ts';
import { type Node, newNode, nodeDigest } from './node.ts';
import { EMPTY_PAGE, type Entry, entryCount, keyAt, route, search, valueAt } from './page.ts';
import { proveKey, rootDigest } from './proof.ts';
import { buildTree } from './restore.ts';
import { changeTree, type Tree } from './tree.ts';

export { CHUNK_BYTES_TARGET } from './chunks.ts';
export { KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.ts';
export { type ProofVerdict, verifyProof } from './proof.ts';

/** What a map and its versions answer alike. Keys and values handed out are copies. */
export interface MerkleMapReader {
  /** The number of entries. */
  readonly size: number;
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * The entries with `from` ≤ key < `to` in ascending order of keys (unsigned bytes); from the first, to the last, if
   * left out. @throws Error from the iteration if the map is changed meanwhile: scan a snapshot instead.
   */
  scan(from?: Uint8Array, to?: Uint8Array): Iterable<Entry>;
}

export interface MerkleMap extends MerkleMapReader {
  /** @throws Error if key or value are longer than KEY_BYTES_MAX, VALUE_BYTES_MAX. Both are copied. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Whether the key was present. */
  delete(key: Uint8Array): boolean;
  /** The map as it is now, for ever. O(1); the same object while nothing changes. */
  snapshot(): MerkleMapVersion;
  /** Takes the map back to one of its own versions, in O(1). @throws Error if it is another map's. */
  revert(version: MerkleMapVersion): void;
}

export interface MerkleMapVersion extends MerkleMapReader {
  /** 32 bytes. Costs what changed since a digest was last asked for, of this version or another. */
  digest(): Digest;
  /** The whole version; see chunks.ts. Only chunks whose content changed are hashed again. */
  chunks(): readonly Chunk[];
  /**
   * Does, of what `digest()` and `chunks()` with all their digests would cost, as much as hashing some `bytes` bytes takes; answers
   * whether nothing is left of it. So the work can be spread over time while the map changes.
   */
  prepare(bytes: number): boolean;
  /** A proof of what `get(key)` answers, for `verifyProof`: about 4 KiB per level, and the value. */
  prove(key: Uint8Array): Uint8Array;
}

/** An empty map. `hash` must be SHA-256 wherever digests are shown to others. */
export function createMerkleMap(hash: Crypto['hash']): MerkleMap {
  return mapOf(hash, { root: newNode(0, EMPTY_PAGE, undefined), size: 0, generation: 0 });
}

/**
 * The map whose chunks these are, of the same shape and digest.
 * @throws Error on bytes that no `chunks()` can have made; that they are the right ones only the digest tells.
 */
export function restoreMerkleMap(hash: Crypto['hash'], chunks: readonly Uint8Array[]): MerkleMap {
  const { root, size } = buildTree(chunks);
  const divided = chunksOf(hash, root);
  if (
    divided.length !== chunks.length ||
    divided.some((chunk, i) => chunk.bytes().length !== chunks[i]!.length)
  ) {
    throw new Error('merkle map: the chunks are not divided as chunks() divides them; fetch them again');
  }
  return mapOf(hash, { root, size, generation: 1 });
}

function mapOf(hash: Crypto['hash'], tree: Tree): MerkleMap {
  const origins = new WeakMap<MerkleMapVersion, Node>();
  let current: MerkleMapVersion | undefined;
  let changes = 0;

  const change = (key: Uint8Array, value: Uint8Array | undefined) => {
    const changed = changeTree(tree, key, value);
    if (changed) {
      current = undefined;
      changes += 1;
    }
    return changed;
  };

  return {
    get size() {
      return tree.size;
    },
    get: (key) => lookUp(tree.root, key),
    *scan(from, to) {
      const before = changes;
      for (const entry of entriesOf(tree.root, from, to)) {
        yield entry;
        if (changes !== before)
          throw new Error('merkle map: changed during a scan; scan a snapshot() instead');
      }
    },
    put(key, value) {
      checkLength('key', key, KEY_BYTES_MAX);
      checkLength('value', value, VALUE_BYTES_MAX);
      change(key, value);
    },
    delete: (key) => change(key, undefined),
    snapshot() {
      if (current === undefined) {
        current = versionOf(hash, tree.root, tree.size);
        origins.set(current, tree.root);
        tree.generation += 1;
      }
      return current;
    },
    revert(version) {
      const root = origins.get(version);
      if (root === undefined)
        throw new Error("merkle map: revert() takes a version that this map's snapshot() made");
      tree.root = root;
      tree.size = version.size;
      current = version;
      changes += 1;
    },
  };
}

function versionOf(hash: Crypto['hash'], root: Node, size: number): MerkleMapVersion {
  let work: Generator<number, undefined> | undefined;
  return {
    size,
    get: (key) => lookUp(root, key),
    scan: (from, to) => ({ [Symbol.iterator]: () => entriesOf(root, from, to) }),
    digest: () => rootDigest(hash, size, nodeDigest(hash, root)),
    chunks: () => chunksOf(hash, root),
    prepare(bytes) {
      work ??= preparing(hash, root);
      for (let left = bytes; left > 0; ) {
        const { done, value } = work.next();
        if (done === true) return true;
        left -= value;
      }
      return false;
    },
    prove: (key) => proveKey(hash, root, size, key),
  };
}

function checkLength(name: string, bytes: Uint8Array, max: number): void {
  if (bytes.length > max)
    throw new Error(`merkle map: a ${name} of ${bytes.length} bytes; at most ${max} are possible`);
}

function lookUp(root: Node, key: Uint8Array): Uint8Array | undefined {
  let node = root;
  while (node.children !== undefined) node = node.children[route(node.page, key)]!;
  const index = search(node.page, key);
  return index < 0 ? undefined : valueAt(node.page, index);
}

function* entriesOf(root: Node, from: Uint8Array | undefined, to: Uint8Array | undefined): Generator<Entry> {
  for (const [page, first] of leavesFrom(root, from)) {
    const count = entryCount(page);
    for (let i = first; i < count; i++) {
      const key = keyAt(page, i);
      if (to !== undefined && compareBytes(key, to) >= 0) return;
      yield [key, valueAt(page, i)];
    }
  }
}

/** The leaf pages in order, from the one where `from` belongs, and where in it to start. */
function* leavesFrom(
  node: Node,
  from: Uint8Array | undefined,
): Generator<readonly [page: Uint8Array, first: number]> {
  if (node.children === undefined) {
    const found = from === undefined ? 0 : search(node.page, from);
    yield [node.page, found >= 0 ? found : -1 - found];
    return;
  }
  const first = from === undefined ? 0 : route(node.page, from);
  for (let i = first; i < node.children.length; i++)
    yield* leavesFrom(node.children[i]!, i === first ? from : undefined);
}
