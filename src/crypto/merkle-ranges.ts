/**
 * The shape of RFC 6962 trees, without hashes: which runs of leaves a proof is made of. A tree of n > 1 leaves splits
 * at the largest power of two below n. Whoever knows the root of any run that is a whole subtree, from a list in
 * memory or from a log on disk, turns these runs into a proof. Numbers go up to 2⁵³−1, so no bit operators here.
 */

/** The leaves `start`…`end`−1, 0-based: a whole subtree of the tree at hand. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The largest power of two below `size`, which must be 2 or more. */
export function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** The siblings on the way from leaf `index` to the root of `size` leaves, lowest first (RFC 9162 §2.1.3.1). */
export function inclusionRanges(index: number, size: number): readonly Range[] {
  const siblings: Range[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      siblings.push({ start: middle, end });
      end = middle;
    } else {
      siblings.push({ start, end: middle });
      start = middle;
    }
  }
  return siblings.reverse();
}

/**
 * The subtrees from which both the root of `size1` leaves and that of `size2` can be made, lowest first (RFC 9162
 * §2.1.4.1). Empty if `size1` is 0 or equal to `size2`: there is nothing to show then.
 */
export function consistencyRanges(size1: number, size2: number): readonly Range[] {
  if (size1 === 0 || size1 === size2) return [];
  const ranges: Range[] = [];
  let start = 0;
  let end = size2;
  while (end !== size1) {
    const middle = start + splitOf(end - start);
    if (size1 <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  // The verifier knows the old root; it lacks this subtree only if the old tree is more than it.
  if (start > 0) ranges.push({ start, end });
  return ranges.reverse();
}
