/**
 * Changes to the tree: a B+-tree whose pages are measured in bytes. Every rule here is part of what replicas must
 * agree on, since the digest covers the shape: the same operations in the same order give the same tree everywhere.
 *
 * Whatever keys an adversary picks, an inner node other than the root has two children or more and at least
 * PAGE_BYTES_MIN bytes, and no leaf but that of the empty map is empty; so n entries are never deeper than 1 + log₂ n,
 * and with keys of at most 64 bytes each level divides by ten or more. This rests on PAGE_BYTES_MAX being more than
 * three times the longest entry of an inner page, which KEY_BYTES_MAX guarantees: a cut then leaves two children a side.
 */

import { type Node, newNode, UNKNOWN_DIGEST } from './node.ts';
import {
  cutPage,
  EMPTY_PAGE,
  type Entry,
  entryCount,
  isOverfull,
  joinPages,
  keyAt,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
  pageBytes,
  route,
  search,
  splice,
  valueEquals,
} from './page.ts';

export interface Tree {
  root: Node;
  /** How many entries there are. */
  size: number;
  /** Grows by one with each snapshot: nodes of earlier generations are shared, and never change again. */
  generation: number;
}

/** Puts (`value` given) or deletes (undefined) one entry. Whether anything changed. */
export function changeTree(tree: Tree, key: Uint8Array, value: Uint8Array | undefined): boolean {
  const root = changeNode(tree, tree.root, key, value);
  if (root === undefined) return false;
  tree.root = root;
  if (isOverfull(root.page)) {
    const parent = newNode(tree.generation, EMPTY_PAGE, []);
    replaceChildren(tree, parent, 0, 0, root.page, root.children);
    tree.root = parent;
  }
  while (tree.root.children?.length === 1) tree.root = tree.root.children[0]!;
  return true;
}

/** The changed node, which its parent must settle; undefined if nothing changed, so that nothing is copied in vain. */
function changeNode(
  tree: Tree,
  node: Node,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Node | undefined {
  if (node.children === undefined) return changeLeaf(tree, node, key, value);
  const index = route(node.page, key);
  const child = changeNode(tree, node.children[index]!, key, value);
  if (child === undefined) return undefined;
  const parent = owned(tree, node);
  parent.children![index] = child;
  settle(tree, parent, index);
  return parent;
}

function changeLeaf(
  tree: Tree,
  leaf: Node,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Node | undefined {
  const found = search(leaf.page, key);
  const index = found >= 0 ? found : -1 - found;
  if (value === undefined ? found < 0 : found >= 0 && valueEquals(leaf.page, index, value)) return undefined;
  const target = owned(tree, leaf);
  const added: Entry[] = value === undefined ? [] : [[key, value]];
  const removed = found >= 0 ? 1 : 0;
  target.page = splice(target.page, index, removed, added);
  tree.size += added.length - removed;
  return target;
}

/** The node itself if this generation made it (then no version has it, and nobody hashed it yet), else a copy. */
function owned(tree: Tree, node: Node): Node {
  if (node.generation === tree.generation) return node;
  const copy = newNode(tree.generation, node.page.slice(), node.children?.slice());
  copy.chunkMemo = node.chunkMemo;
  return copy;
}

/** Restores the rules of size for child `index`, which was just changed. */
function settle(tree: Tree, parent: Node, index: number): void {
  const children = parent.children!;
  const child = children[index]!;
  if (isOverfull(child.page)) {
    replaceChildren(tree, parent, index, 1, child.page, child.children);
  } else if (entryCount(child.page) === 0) {
    dropChild(parent, index);
  } else if (isUnderfull(child)) {
    const left = isJoinable(children[index - 1]) ? index - 1 : index;
    const [a, b] = [children[left]!, children[left + 1]];
    if (!isJoinable(b)) return;
    const together = a.children && [...a.children, ...b.children!];
    replaceChildren(tree, parent, left, 2, joinPages(a.page, b.page), together);
  }
}

function isUnderfull(node: Node): boolean {
  return pageBytes(node.page) < PAGE_BYTES_MIN || (node.children !== undefined && node.children.length < 2);
}

/** A leaf that is one long entry is left alone: joining it would copy the entry, only to cut it off again. */
function isJoinable(node: Node | undefined): node is Node {
  return node !== undefined && pageBytes(node.page) <= PAGE_BYTES_MAX;
}

/** Removes an empty leaf. Its left neighbour takes over its keys' range; that of the first goes to the second. */
function dropChild(parent: Node, index: number): void {
  parent.children!.splice(index, 1);
  parent.page = splice(parent.page, Math.max(index, 1), 1, []);
}

/**
 * Puts the nodes that `page` is cut into in the place of `removed` children from `index` on. The first keeps the
 * lower bound of what it replaces.
 */
function replaceChildren(
  tree: Tree,
  parent: Node,
  index: number,
  removed: number,
  page: Uint8Array,
  grandchildren: Node[] | undefined,
): void {
  const entries: Entry[] = [];
  const nodes: Node[] = [];
  let offset = 0;
  for (const part of cutPage(page)) {
    const before = nodes.at(-1);
    const bound =
      before !== undefined
        ? lowerBound(before, part)
        : removed > 0
          ? keyAt(parent.page, index)
          : new Uint8Array(0);
    const count = entryCount(part);
    nodes.push(newNode(tree.generation, part, grandchildren?.slice(offset, offset + count)));
    entries.push([bound, UNKNOWN_DIGEST]);
    offset += count;
  }
  parent.children!.splice(index, removed, ...nodes);
  parent.page = splice(parent.page, index, removed, entries);
}

/**
 * What separates `page` from the node before it. Of leaves: the shortest bytes that do, which keeps inner pages
 * small. Of inner nodes: their first key, which is the bound of their first child already.
 */
function lowerBound(before: Node, page: Uint8Array): Uint8Array {
  const first = keyAt(page, 0);
  if (before.children !== undefined) return first;
  const last = keyAt(before.page, entryCount(before.page) - 1);
  let common = 0;
  while (common < last.length && last[common] === first[common]) common++;
  return first.slice(0, common + 1);
}
