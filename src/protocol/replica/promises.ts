/**
 * Which promises of whom are held (docs/protocol.md §7). A replica that lost its disk, or got an old one back, learns so from peers that hold newer
 * statements of its own. They must show them: a claim alone would let one liar silence everyone.
 */

import type { ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import { isSuspectSigned } from '../certificates.ts';
import { signedBy } from '../context.ts';
import { type Entry, entryStatement } from '../messages/entry.ts';
import type { Promises } from '../messages/fetch.ts';
import { type Commit, commitStatement, type Prepare, prepareStatement } from '../messages/ordering.ts';
import type { StatusMessage } from '../messages/status.ts';
import type { Suspect } from '../messages/view-change.ts';
import { emit, persist } from './effects.ts';
import type { Replica } from './state.ts';

const NONE: Promises = { prepare: undefined, commit: undefined, entry: undefined, suspect: undefined };

interface Place {
  readonly view: View;
  readonly sequenceNumber: SequenceNumber;
}

/** Lexicographic by (v, s): the order in which a replica binds itself. */
function isLater(a: Place, b: Place): boolean {
  return a.view > b.view || (a.view === b.view && a.sequenceNumber > b.sequenceNumber);
}

/** The newest (v, s) that we have bound ourselves at. */
export function noteOwnPromise(replica: Replica, view: View, sequenceNumber: SequenceNumber): void {
  if (isLater({ view, sequenceNumber }, replica.ownPromise)) replica.ownPromise = { view, sequenceNumber };
}

/**
 * Whether a promise of ours at this place is one that our log should know and does not. Records up to a stable checkpoint are deleted, and
 * after it was recorded nothing was promised at or below it.
 */
function isForgottenPlace(replica: Replica, place: Place): boolean {
  return place.sequenceNumber > replica.promiseFloor && isLater(place, replica.ownPromise);
}

function held(replica: Replica, of: ReplicaIndex): Promises {
  return replica.promisesHeld.get(of) ?? NONE;
}

export function notePrepareHeld(replica: Replica, prepare: Prepare): void {
  const known = held(replica, prepare.replica);
  if (known.prepare !== undefined && !isLater(prepare, known.prepare)) return;
  replica.promisesHeld.set(prepare.replica, { ...known, prepare });
}

export function noteCommitHeld(replica: Replica, commit: Commit): void {
  const known = held(replica, commit.replica);
  if (known.commit !== undefined && !isLater(commit, known.commit)) return;
  replica.promisesHeld.set(commit.replica, { ...known, commit });
}

export function noteEntryHeld(replica: Replica, entry: Entry): void {
  const known = held(replica, entry.replica);
  if (known.entry !== undefined && known.entry.sequenceNumber >= entry.sequenceNumber) return;
  replica.promisesHeld.set(entry.replica, { ...known, entry });
}

export function noteSuspectHeld(replica: Replica, suspect: Suspect): void {
  const known = held(replica, suspect.replica);
  if (known.suspect !== undefined && known.suspect.view >= suspect.view) return;
  replica.promisesHeld.set(suspect.replica, { ...known, suspect });
}

/** STATUS's `yours` for a peer. */
export function summaryOfHeld(replica: Replica, of: ReplicaIndex): StatusMessage['yours'] {
  const { prepare, commit, entry, suspect } = held(replica, of);
  let place: Place = { view: 0, sequenceNumber: 0 };
  if (prepare !== undefined && isLater(prepare, place)) place = prepare;
  if (commit !== undefined && isLater(commit, place)) place = commit;
  return {
    view: place.view,
    sequenceNumber: place.sequenceNumber,
    entry: entry?.sequenceNumber ?? 0,
    suspect: (suspect?.view ?? -1) + 1,
  };
}

/** What is shown to a peer that asks for the promises of its that we hold. */
export function promisesOf(replica: Replica, peer: ReplicaIndex): Promises {
  return held(replica, peer);
}

/** Whether a peer claims to hold a promise of ours that our log does not know. */
export function claimsForgottenPromise(replica: Replica, { yours }: StatusMessage): boolean {
  return (
    isForgottenPlace(replica, yours) ||
    yours.entry > replica.ownEntry ||
    yours.suspect > replica.suspectedView + 1
  );
}

/**
 * Enter: a peer shows what it holds of ours. A statement under our own signature that we do not remember proves that our disk is not the one that
 * made it. Answers what is wrong with the proof.
 */
export function onPromises(replica: Replica, promises: Promises): string | undefined {
  const { prepare, commit, entry, suspect } = promises;
  const { cluster } = replica.context;
  const isOurs = (statement: Uint8Array, signature: Uint8Array): boolean =>
    signedBy(replica.context, replica.index, statement, signature);
  const isForgotten =
    (prepare !== undefined &&
      isForgottenPlace(replica, prepare) &&
      isOurs(prepareStatement(cluster, prepare), prepare.signature)) ||
    (commit !== undefined &&
      isForgottenPlace(replica, commit) &&
      isOurs(commitStatement(cluster, commit), commit.signature)) ||
    (entry !== undefined &&
      entry.sequenceNumber > replica.ownEntry &&
      isOurs(entryStatement(cluster, entry), entry.signature)) ||
    (suspect !== undefined &&
      suspect.view > replica.suspectedView &&
      suspect.replica === replica.index &&
      isSuspectSigned(replica.context, suspect));
  if (!isForgotten) return 'NOTHING_FORGOTTEN';
  becomeLearner(replica, 'a peer showed a promise of ours that our disk does not remember');
  return undefined;
}

/** From now on this replica signs nothing; it catches up and serves. The operator must give it a new key. */
export function becomeLearner(replica: Replica, reason: string): void {
  if (replica.silence === 'learner') return;
  replica.silence = 'learner';
  persist(replica, { type: 'learner', newestKnown: replica.ownEntry });
  emit(replica, { type: 'becameLearner', reason });
}
