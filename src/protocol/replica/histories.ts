/**
 * Meeting another history (docs/protocol.md §9). A signed point of a peer at an s that we have executed must be ours; if it is not, its signers
 * are on another history, and who of them has also signed ours is guilty: our own log gives the proof, whatever lies between.
 */

import { equalBytes } from '../../types/bytes.ts';
import { provedFork } from '../accountability/compare.ts';
import { type Point, signersOf } from '../accountability/points.ts';
import { rejectHead } from '../certificates.ts';
import type { Entry, Head } from '../messages/entry.ts';
import { reportEvidence } from './evidence.ts';
import type { Replica } from './state.ts';

/** Enter: a verified point. Whether it lies on our history; one that is ahead of us is for those who are further. */
export function meetPoint(replica: Replica, point: Point): void {
  if (!isElsewhere(replica, point)) return;
  for (const ours of ownPoints(replica)) proveAgainst(replica, point, ours);
}

/** Enter: a verified entry that a peer shows as its newest. If it is of another history, its head is asked for: a quorum stands behind it. */
export function meetEntry(replica: Replica, entry: Entry): void {
  const point: Point = { type: 'entry', ...entry };
  if (!isElsewhere(replica, point)) return void replica.strangers.delete(entry.replica);
  meetPoint(replica, point);
  replica.strangers.set(entry.replica, entry.sequenceNumber);
  replica.gapsDirty = true;
}

/** Enter: the head that a stranger was asked for. Answers what is wrong with it. */
export function meetHead(replica: Replica, head: Head): string | undefined {
  const reason = rejectHead(replica.context, head);
  if (reason === undefined) meetPoint(replica, { type: 'head', ...head });
  return reason;
}

/** Whether the point says of an s that we have executed what we do not. */
export function isElsewhere({ ledger }: Replica, point: Point): boolean {
  const s = point.sequenceNumber;
  if (s === 0 || s > ledger.tree.size) return false;
  const known = ledger.window.get(s);
  // Equal links and replies at s: a log root costs hundreds of hashes, and differs then only by a lie about what lies before.
  if (known !== undefined && !equalBytes(known.hashChainDigest, point.hashChainDigest)) return true;
  if (known !== undefined && 'repliesRoot' in point) return !equalBytes(known.repliesRoot, point.repliesRoot);
  return !equalBytes(ledger.tree.rootAt(s), point.logRoot);
}

/** What others have signed of our own history. */
function ownPoints(replica: Replica): readonly Point[] {
  const { head, stableCertificate: stable } = replica;
  const points: Point[] = [...replica.versionVector.values()].map((entry) => ({ type: 'entry', ...entry }));
  if (stable !== undefined) points.unshift({ type: 'stable', ...stable });
  if (head !== undefined) points.unshift({ type: 'head', ...head });
  return points.filter(
    (point) => point.sequenceNumber <= replica.ledger.tree.size && !isElsewhere(replica, point),
  );
}

function proveAgainst(replica: Replica, stranger: Point, ours: Point): void {
  const signers = new Set(signersOf(ours));
  const [from, to] = [stranger.sequenceNumber, ours.sequenceNumber];
  // Where ours is the earlier one, the proof is the stranger's to give: it meets our entries as we meet its.
  if (from > to || !signersOf(stranger).some((replicaIndex) => signers.has(replicaIndex))) return;
  const { tree } = replica.ledger;
  const proof = { root: tree.rootAt(from), path: [...tree.consistencyPath(from, to)] };
  const evidence = provedFork(replica.context, stranger, ours, proof);
  if (evidence !== undefined) reportEvidence(replica, evidence);
}
