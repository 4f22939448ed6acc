/**
 * A version of the map as chunks, for transfer and for disk. The bytes of all chunks, one after another, are one
 * record per leaf in order of keys, and from them exactly this tree is built again:
 *
 *     u8 opens ‖ u16 boundLength ‖ bound ‖ u32 pageLength ‖ page
 *
 * `opens` counts the inner nodes whose first leaf this is (so the first leaf's gives the height), and `bound` is the
 * leaf's key in its parent (empty for the first), which is also the key of every inner node that opens here.
 *
 * A chunk ends where a leaf opens an inner node, and before a record that would make it longer than
 * CHUNK_BYTES_TARGET. So a change touches the chunks of one lowest inner node only (usually one, of 50 to 250 KiB), and
 * those of other nodes are neither serialised nor hashed again.
 */

import type { Chunk } from '../../services/service.ts';
import { concatBytes, equalBytes, u32Bytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import type { Crypto } from '../port.ts';
import { type ChunkSummary, digesting, type Node, newNode, nodeDigest } from './node.ts';
import { EMPTY_PAGE, keyAt, keyLength, pageBytes, splice, trimmed } from './page.ts';

export const CHUNK_BYTES_TARGET = 256 * 1024;

/** Bytes of a record beside bound and page. */
const RECORD_OVERHEAD = 7;

/** All chunks of the tree under `root`; at least one. */
export function chunksOf(hash: Crypto['hash'], root: Node): Chunk[] {
  nodeDigest(hash, root);
  const chunks: Chunk[] = [];
  for (const [node, opens] of lowestNodes(root)) {
    for (const { summary, bytes } of piecesOf(node, opens)) {
      chunks.push({
        get digest() {
          summary.digest ??= hash(bytes());
          return summary.digest;
        },
        bytes,
      });
    }
  }
  return chunks;
}

/**
 * The work that `chunksOf` and its chunks' digests would cost, piece by piece, so that it can be spread over time: yields about how many
 * bytes were hashed or looked at. What is done stays done, whoever asks for it.
 */
export function* preparing(hash: Crypto['hash'], root: Node): Generator<number, undefined> {
  yield* digesting(hash, root);
  for (const [node, opens] of lowestNodes(root)) {
    for (const { summary, bytes } of piecesOf(node, opens)) {
      if (summary.digest !== undefined) continue;
      const content = bytes();
      summary.digest = hash(content);
      yield content.length;
    }
    yield node.page.length;
  }
}

/** The lowest inner nodes, each with the number of inner nodes that open at its first leaf. */
function* lowestNodes(root: Node): Generator<readonly [node: Node, opens: number], undefined> {
  if (root.children === undefined) return yield [parentOfOne(root), 0];
  yield* lowestUnder(root, 1);
}

function* lowestUnder(node: Node, opens: number): Generator<readonly [node: Node, opens: number], undefined> {
  // All leaves are equally deep.
  if (node.children![0]!.children === undefined) return yield [node, opens];
  for (const [i, child] of node.children!.entries()) yield* lowestUnder(child, i === 0 ? opens + 1 : 1);
}

/** A map of one leaf has no inner node; this one stands in for it, and is never part of the tree. */
function parentOfOne(leaf: Node): Node {
  const page = splice(EMPTY_PAGE, 0, 0, [[new Uint8Array(0), leaf.digest!]]);
  return { ...newNode(leaf.generation, page, [leaf]), digest: leaf.digest };
}

interface Piece {
  readonly summary: ChunkSummary;
  readonly bytes: () => Uint8Array;
}

/** The chunks of a lowest inner node. Precondition: it has its digest. */
function piecesOf(node: Node, opens: number): Piece[] {
  const memo = node.chunkMemo;
  if (memo === undefined || memo.of !== node.digest || memo.opens !== opens) {
    const summaries = summarise(node, opens).map(
      (fresh) => memo?.summaries.find((old) => isSame(old, fresh)) ?? fresh,
    );
    node.chunkMemo = { of: node.digest!, opens, summaries };
  }
  let next = 0;
  return node.chunkMemo!.summaries.map((summary) => {
    const first = next;
    const count = summary.leaves.length;
    next += count;
    return { summary, bytes: () => serialise(node, first, count, summary.opens) };
  });
}

/** Where the node's leaves are divided into chunks. */
function summarise(node: Node, opens: number): ChunkSummary[] {
  const summaries: ChunkSummary[] = [];
  let leaves: Digest[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [i, leaf] of node.children!.entries()) {
    const recordBytes = RECORD_OVERHEAD + keyLength(node.page, i) + pageBytes(leaf.page);
    if (bytes + recordBytes > CHUNK_BYTES_TARGET) {
      leaves = [];
      summaries.push({ opens: i === 0 ? opens : 0, page: node.page, first: i, leaves, digest: undefined });
      bytes = 0;
    }
    bytes += recordBytes;
    leaves.push(leaf.digest!);
  }
  return summaries;
}

/** Whether two chunks have the same bytes: the same leaves under the same bounds. */
function isSame(a: ChunkSummary, b: ChunkSummary): boolean {
  const bound = (of: ChunkSummary, i: number) => keyAt(of.page, of.first + i);
  return (
    a.opens === b.opens &&
    a.leaves.length === b.leaves.length &&
    a.leaves.every((leaf, i) => leaf === b.leaves[i] && equalBytes(bound(a, i), bound(b, i)))
  );
}

function serialise(node: Node, first: number, count: number, opens: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const bound = keyAt(node.page, first + i);
    const page = trimmed(node.children![first + i]!.page);
    parts.push(Uint8Array.of(i === 0 ? opens : 0, bound.length >>> 8, bound.length), bound);
    parts.push(u32Bytes(page.length), page);
  }
  return concatBytes(...parts);
}
