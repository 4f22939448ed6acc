/**
 * Suspicion (docs/protocol.md §5.1). A SUSPECT asks to abandon all views up to one; views are left together, on Q of them, so a lone replica
 * that timed out goes on taking part. In PBFT it stops voting for good.
 */

import type { ReplicaIndex, View } from '../../types/identities.ts';
import { isSuspectSigned } from '../certificates.ts';
import type { MessageOf } from '../messages/index.ts';
import { type Suspect, suspectStatement } from '../messages/view-change.ts';
import { kthHighest } from '../quorum.ts';
import { emit, maySignOrdering, persist, promiseToAll, refuse, sign } from './effects.ts';
import { noteSuspectHeld } from './promises.ts';
import type { Replica } from './state.ts';
import { leaveView } from './view-change.ts';

/** SUSPECTs for views above this are nonsense. */
const VIEW_MAX = 2 ** 48;

/** Asks to abandon every view up to `view`, once. */
export function suspect(replica: Replica, view: View, reason: string): void {
  if (replica.suspectedView >= view || !maySignOrdering(replica)) return;
  replica.suspectedView = view;
  persist(replica, { type: 'suspected', view });
  emit(replica, { type: 'suspected', view, reason });
  promiseToAll(replica, { type: 'suspect', ...signSuspect(replica, view) });
}

export function signSuspect(replica: Replica, view: View): Suspect {
  const signature = sign(replica, suspectStatement(replica.context.cluster, { view }));
  return { view, replica: replica.index, signature };
}

/** Enter: SUSPECT from its signer, our own by loopback. */
export function onSuspect(replica: Replica, from: ReplicaIndex, message: MessageOf<'suspect'>): void {
  const { type: _, ...suspicion } = message;
  if (suspicion.replica !== from) {
    return refuse(replica, { kind: 'replica', index: from }, message, 'NOT_THE_SIGNER');
  }
  if (!addSuspect(replica, suspicion)) {
    return refuse(replica, { kind: 'replica', index: from }, message, 'OLD_OR_UNSIGNED');
  }
  weighSuspicions(replica);
}

/** Keeps a SUSPECT if it is its signer's highest and signed; the caller weighs them then. */
export function addSuspect(replica: Replica, suspicion: Suspect): boolean {
  // No view that was ever entered is near this; arithmetic on views must stay exact.
  if (suspicion.view > VIEW_MAX) return false;
  const known = replica.suspects.get(suspicion.replica);
  if (known !== undefined && known.view >= suspicion.view) return false;
  if (!isSuspectSigned(replica.context, suspicion)) return false;
  replica.suspects.set(suspicion.replica, suspicion);
  noteSuspectHeld(replica, suspicion);
  return true;
}

/**
 * Joins a suspicion that at least one correct replica shares, and leaves when a quorum wants to. Enter: a SUSPECT, or a tick, since one that
 * came too soon after the last is joined later.
 */
export function weighSuspicions(replica: Replica): void {
  const { suspicionSize, quorumSize } = replica.context.cluster.thresholds;
  const views = [...replica.suspects.values()].map((each) => each.view);
  const shared = kthHighest(views, suspicionSize);
  if (shared !== undefined && shared >= replica.view) join(replica, shared);
  const agreed = kthHighest(views, quorumSize);
  if (agreed !== undefined && agreed >= replica.view) leaveView(replica, agreed + 1);
}

/**
 * At most once in T/4. Nobody correct suspects a view sooner after the last, so where the service is live this holds nothing up; but more than f liars
 * could otherwise lead the others through views as fast as messages travel, and each view left is records that no checkpoint would ever let go.
 */
function join(replica: Replica, view: View): void {
  const now = replica.now.monotonicMs;
  if (replica.suspectedView >= view || now < replica.joinedAtMs + replica.timeoutMs / 4) return;
  suspect(replica, view, 'others suspect it too');
  if (replica.suspectedView === view) replica.joinedAtMs = now;
}
