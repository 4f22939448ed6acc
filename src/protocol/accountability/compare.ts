/** Comparing two heads: whether the later one's history extends the earlier one's, and the proof of guilt if it does not. */

import { verifyConsistency } from '../../crypto/merkle-tree.ts';
import type { Digest, SequenceNumber } from '../../types/identities.ts';
import type { Context } from '../context.ts';
import { type Head, sameEntry } from '../messages/entry.ts';
import { onDifferentHistories } from './conflicts.ts';
import type { EvidenceOf } from './evidence.ts';
import type { Point } from './points.ts';

/** As a replica on the later head's history gives it: its root at the earlier s, and the RFC 6962 path from there to the later L. */
export interface HistoryProof {
  readonly root: Digest;
  readonly path: readonly Digest[];
}

export type Comparison =
  /** They say the same of one s. */
  | { readonly type: 'CONSISTENT' }
  /** The later history begins with the earlier one, whole. */
  | {
      readonly type: 'EXTENDS';
      readonly earlier: Head;
      readonly later: Head;
      readonly path: readonly Digest[];
    }
  /** No history holds both; `judgeEvidence` names who signed both. */
  | { readonly type: 'FORK'; readonly evidence: EvidenceOf<'histories'> }
  /** The proof between these sizes is lacking, or the one that was given holds for neither answer. */
  | { readonly type: 'NEEDS-PROOF'; readonly from: SequenceNumber; readonly to: SequenceNumber };

/**
 * Precondition: both heads hold (`verifyHead`, `rejectHead`). A proof is needed only if they are of different s; a bad one proves nothing,
 * and the next replica can be asked.
 */
export function compareHeads(context: Context, a: Head, b: Head, proof?: HistoryProof): Comparison {
  if (sameEntry(a, b)) return { type: 'CONSISTENT' };
  const [earlier, later] = a.sequenceNumber <= b.sequenceNumber ? [a, b] : [b, a];
  const isSamePlace = a.sequenceNumber === b.sequenceNumber;
  const evidence = provedFork(
    context,
    { type: 'head', ...earlier },
    { type: 'head', ...later },
    isSamePlace ? { root: later.logRoot, path: [] } : proof,
  );
  if (evidence !== undefined) return { type: 'FORK', evidence };
  const [from, to] = [earlier.sequenceNumber, later.sequenceNumber];
  const extended = {
    size1: from,
    root1: earlier.logRoot,
    size2: to,
    root2: later.logRoot,
    path: proof?.path ?? [],
  };
  return verifyConsistency(context.crypto.hash, extended)
    ? { type: 'EXTENDS', earlier, later, path: extended.path }
    : { type: 'NEEDS-PROOF', from, to };
}

/** Evidence that two points, the earlier first, are of different histories, if the proof shows it. Signatures are the judge's matter. */
export function provedFork(
  context: Context,
  first: Point,
  second: Point,
  proof: HistoryProof | undefined,
): EvidenceOf<'histories'> | undefined {
  if (proof === undefined) return undefined;
  const { root, path } = proof;
  return onDifferentHistories(context, first, second, root, path)
    ? { type: 'histories', first, second, root, path }
    : undefined;
}
