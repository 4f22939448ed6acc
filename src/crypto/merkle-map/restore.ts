/**
 * Builds a tree from the records of chunks.ts, and refuses bytes that no map can have written: the digest alone
 * would not tell a peer's nonsense from a state, since whoever signs a digest of a malformed tree signs it all the same.
 */

import { compareBytes } from '../../types/bytes.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.ts';
import { type Node, newNode, UNKNOWN_DIGEST } from './node.ts';
import {
  EMPTY_PAGE,
  type Entry,
  entryCount,
  isOverfull,
  isPage,
  keyAt,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
  pageBytes,
  splice,
} from './page.ts';

interface LeafRecord {
  readonly opens: number;
  readonly bound: Uint8Array;
  readonly page: Uint8Array;
}

/** An inner node while its children arrive. */
interface OpenNode {
  readonly entries: Entry[];
  readonly children: Node[];
}

/** @throws Error if the chunks are not those of a map. */
export function buildTree(chunks: readonly Uint8Array[]): { root: Node; size: number } {
  const records = chunks.flatMap(recordsOf);
  const height = records[0]?.opens ?? refuse('there is no leaf');
  const levels: OpenNode[] = [];
  let size = 0;

  for (const [i, record] of records.entries()) {
    checkLeaf(records, i);
    if (i > 0 && record.opens >= height) refuse(`leaf ${i} lies outside the root`);
    for (let level = 0; level < record.opens; level++) {
      closeLevel(levels, level, false);
      levels[level] = { entries: [], children: [] };
    }
    size += entryCount(record.page);
    const leaf = newNode(0, record.page, undefined);
    if (levels.length === 0) return { root: leaf, size };
    addChild(levels[0]!, record.bound, leaf);
  }
  for (let level = 0; level < height - 1; level++) closeLevel(levels, level, false);
  return { root: closeLevel(levels, height - 1, true)!, size };
}

function addChild(parent: OpenNode, bound: Uint8Array, child: Node): void {
  parent.entries.push([bound, UNKNOWN_DIGEST]);
  parent.children.push(child);
}

/** Finishes the open node of `level`, if there is one, and hands it to the level above. */
function closeLevel(levels: OpenNode[], level: number, isRoot: boolean): Node | undefined {
  const open = levels[level];
  if (open === undefined) return undefined;
  if (open.children.length < 2) refuse('an inner node has a single child');
  if (open.children.length > PAGE_BYTES_MAX / 6) refuse('an inner node is too long');
  const page = splice(EMPTY_PAGE, 0, 0, open.entries);
  const bytes = pageBytes(page);
  if (bytes > PAGE_BYTES_MAX) refuse('an inner node is too long');
  if (!isRoot && bytes < PAGE_BYTES_MIN) refuse('an inner node is too short');
  const node = newNode(0, page, open.children);
  if (!isRoot) addChild(levels[level + 1]!, open.entries[0]![0], node);
  return node;
}

function checkLeaf(records: readonly LeafRecord[], index: number): void {
  const { bound, page } = records[index]!;
  const next = records[index + 1]?.bound;
  if (!isPage(page, KEY_BYTES_MAX)) refuse(`leaf ${index} is not a page`);
  if (isOverfull(page) || pageBytes(page) > KEY_BYTES_MAX + VALUE_BYTES_MAX + 8)
    refuse(`leaf ${index} is too long`);
  if (index === 0 && bound.length > 0) refuse('the first leaf has a lower bound');
  const count = entryCount(page);
  if (count === 0) {
    if (records.length > 1) refuse(`leaf ${index} is empty`);
    return;
  }
  if (compareBytes(keyAt(page, 0), bound) < 0) refuse(`leaf ${index} has a key below its bound`);
  if (next !== undefined && compareBytes(keyAt(page, count - 1), next) >= 0) {
    refuse(`leaf ${index} has a key above the next one's bound`);
  }
}

function recordsOf(chunk: Uint8Array, number: number): LeafRecord[] {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const records: LeafRecord[] = [];
  let at = 0;
  const take = (bytes: number) => {
    if (bytes > chunk.length - at) refuse(`chunk ${number} ends within a record`);
    at += bytes;
    return at - bytes;
  };
  while (at < chunk.length) {
    const opens = chunk[take(1)]!;
    const boundBytes = view.getUint16(take(2));
    const boundAt = take(boundBytes);
    const pageLength = view.getUint32(take(4));
    const pageAt = take(pageLength);
    records.push({
      opens,
      bound: chunk.slice(boundAt, boundAt + boundBytes),
      page: chunk.slice(pageAt, pageAt + pageLength),
    });
  }
  return records;
}

function refuse(why: string): never {
  throw new Error(
    `merkle map: these are not the chunks of a map: ${why}; fetch them again from another source`,
  );
}
