/**
 * When two statements cannot both be a correct replica's. Here only what they say is compared; that they are signed, and by whom, the
 * caller checks.
 */

import { verifyConsistency } from '../../crypto/merkle-tree.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { Digest, SequenceNumber, View } from '../../types/identities.ts';
import type { Context } from '../context.ts';
import type { ViewChange } from '../messages/view-change.ts';
import type { Point } from './points.ts';

interface Place {
  readonly view: View;
  readonly sequenceNumber: SequenceNumber;
}

export function samePlace(a: Place, b: Place): boolean {
  return a.view === b.view && a.sequenceNumber === b.sequenceNumber;
}

/**
 * Whether two points lie on different histories. At one s they must agree in all that both name. At s₁ < s₂ a consistency proof shows the root
 * at s₁ of the later log: another one than the earlier point's. `root` and `path` are then that proof; else L₂ and nothing.
 *
 * Never of one correct replica: before it signs L^s it has made (s, HCD, R, L) durable, it makes no other at s, its log only grows, and a state
 * transfer is installed only after a proof that it extends the own log. A proof to another root would be a collision of SHA-256.
 */
export function onDifferentHistories(
  { crypto }: Pick<Context, 'crypto'>,
  first: Point,
  second: Point,
  root: Digest,
  path: readonly Digest[],
): boolean {
  const proof = {
    size1: first.sequenceNumber,
    root1: root,
    size2: second.sequenceNumber,
    root2: second.logRoot,
    path,
  };
  if (!verifyConsistency(crypto.hash, proof)) return false;
  if (!equalBytes(root, first.logRoot)) return true;
  return first.sequenceNumber === second.sequenceNumber && !agreeAtOnePlace(first, second);
}

function agreeAtOnePlace(a: Point, b: Point): boolean {
  if (!equalBytes(a.hashChainDigest, b.hashChainDigest)) return false;
  if ('repliesRoot' in a && 'repliesRoot' in b) return equalBytes(a.repliesRoot, b.repliesRoot);
  if ('stateDigest' in a && 'stateDigest' in b) return equalBytes(a.stateDigest, b.stateDigest);
  return true;
}

/**
 * Whether a VIEW-CHANGE withholds what its signer must have prepared, having voted to commit at `vote`: it leaves an earlier view, its C lies
 * below s, its P reaches to s, and holds nothing prepared at s in the vote's view or a later one.
 *
 * Never of one correct replica: it has recorded its prepared certificate with the vote, twice, before the vote left; it deletes neither
 * before a stable checkpoint, whose certificate then is in C, covers s; P takes of each s the certificate of the highest view; and having
 * left for v′ it votes in no view below. Where its disk lost commit certificates C may be lower than what it committed, and P then ends
 * 2W above C: what lies beyond is not held against it.
 */
export function withholdsPrepared(
  { cluster }: Pick<Context, 'cluster'>,
  vote: Place,
  viewChange: ViewChange,
): boolean {
  const { base, prepared, view } = viewChange;
  const s = vote.sequenceNumber;
  const reach = base.sequenceNumber + 2 * cluster.limits.pipelineWindow;
  if (vote.view >= view || base.sequenceNumber >= s || s > reach) return false;
  return !prepared.some((claim) => claim.sequenceNumber === s && claim.view >= vote.view);
}
