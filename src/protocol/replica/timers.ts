/**
 * Clocks (docs/protocol.md §5.2, table "Timers"). Timers are fields of the state, compared with the time of each tick; the driver only wakes us. A wake-up
 * that comes more than a heartbeat late means that this process was stopped: clocks start again instead of being obeyed.
 */

import { continueCheckpoint } from './checkpointing.ts';
import { retryOverdue } from './fetching.ts';
import { tryAccept } from './ordering.ts';
import { companyDelayMs, maybePropose, relayOldest, restartClocks } from './requests.ts';
import type { Replica } from './state.ts';
import { sendDueStatus, statusDueToAll } from './status.ts';
import { suspect, weighSuspicions } from './suspicion.ts';

/** Enter: a tick. */
export function onTick(replica: Replica): void {
  const now = replica.now.monotonicMs;
  if (now < replica.wakeAtMs) return;
  for (const s of [...replica.heldProposals].sort((a, b) => a - b)) {
    const slot = replica.slots.get(s);
    if (slot !== undefined) tryAccept(replica, slot);
  }
  continueCheckpoint(replica);
  maybePropose(replica);
  checkClocks(replica);
  if (replica.newViewDeadlineMs !== undefined && replica.newViewDeadlineMs <= now) {
    replica.newViewDeadlineMs = now + replica.timeoutMs;
    suspect(replica, replica.view, 'the new view did not come about in time');
  }
  weighSuspicions(replica);
  retryOverdue(replica);
  if (replica.heartbeatAtMs <= now) heartbeat(replica);
}

/** Called first in every step: after a stop of the process, no clock has run. */
export function noticeStop(replica: Replica): void {
  const now = replica.now.monotonicMs;
  if (now - replica.wakeAtMs <= replica.limits.heartbeatMs) return;
  restartClocks(replica);
  if (replica.newViewDeadlineMs !== undefined) replica.newViewDeadlineMs = now + replica.timeoutMs;
}

function checkClocks(replica: Replica): void {
  const now = replica.now.monotonicMs;
  if (replica.phase !== 'normal') return;
  let left = replica.limits.clockedRequests;
  for (const pending of replica.pending.values()) {
    if (left-- === 0) break;
    if (pending.clockStartMs === undefined) continue;
    const waited = now - pending.clockStartMs;
    if (waited > replica.timeoutMs / 4) replica.slowInView = true;
    if (waited >= replica.timeoutMs) {
      suspect(replica, replica.view, 'a request waited too long');
      break;
    }
  }
  relayOldest(replica, false);
  const { requestTimeoutMs } = replica.limits;
  const isCalm = replica.executedInView && !replica.slowInView && replica.timeoutMs > requestTimeoutMs;
  if (isCalm && now - replica.viewEnteredAtMs >= 8 * replica.timeoutMs) {
    replica.timeoutMs = Math.max(requestTimeoutMs, replica.timeoutMs / 2);
    replica.viewEnteredAtMs = now;
  }
  if (replica.slowInView && now - replica.viewEnteredAtMs >= 8 * replica.timeoutMs) {
    // Begin another span of observation.
    replica.slowInView = false;
    replica.viewEnteredAtMs = now;
  }
}

/** STATUS to all; more slowly while nothing changes. */
function heartbeat(replica: Replica): void {
  const { limits } = replica;
  const summary = [
    replica.view,
    replica.phase,
    replica.committed,
    replica.ledger.executed.sequenceNumber,
    replica.stable,
    replica.suspectedView,
    replica.pending.size,
    replica.slots.size,
    replica.started,
  ].join();
  replica.commitStalled = replica.committedAtHeartbeat === replica.committed;
  replica.committedAtHeartbeat = replica.committed;
  const isQuiet = summary === replica.heartbeatSummary && !hasBusiness(replica);
  replica.heartbeatSummary = summary;
  replica.heartbeatAtMs = replica.now.monotonicMs + (isQuiet ? limits.idleHeartbeatMs : limits.heartbeatMs);
  replica.gapsDirty = true;
  statusDueToAll(replica);
  sendDueStatus(replica, true);
}

/** Whether something is under way that a lost message could hold up. */
function hasBusiness(replica: Replica): boolean {
  if (replica.pending.size > 0 || replica.phase !== 'normal' || !replica.started) return true;
  if (replica.wanted.size > 0 || replica.committed > replica.ledger.executed.sequenceNumber) return true;
  for (let s = replica.committed + 1; s <= replica.committed + 2; s++) {
    if (replica.slots.get(s)?.header !== undefined) return true;
  }
  for (const { status } of replica.peers.values()) {
    if (status.committed !== replica.committed || status.view !== replica.view) return true;
  }
  return false;
}

/** When the driver must call again at the latest. */
export function nextWake(replica: Replica): number {
  // At once, which is in a millisecond.
  if (replica.frozen !== undefined) return replica.now.monotonicMs + 1;
  let wake = replica.heartbeatAtMs;
  const { timeoutMs } = replica;
  if (replica.newViewDeadlineMs !== undefined) wake = Math.min(wake, replica.newViewDeadlineMs);
  let left = replica.limits.clockedRequests;
  for (const pending of replica.pending.values()) {
    if (left-- === 0) break;
    if (pending.clockStartMs === undefined || replica.phase !== 'normal') continue;
    const relays = !pending.relayed && pending.proposedAt === undefined;
    const due = pending.clockStartMs + (relays ? timeoutMs / 2 : timeoutMs);
    if (due > replica.now.monotonicMs) wake = Math.min(wake, due);
  }
  for (const { deadlineMs } of replica.wanted.values()) wake = Math.min(wake, deadlineMs);
  if (replica.batchWaitingSinceMs !== undefined) {
    wake = Math.min(wake, replica.batchWaitingSinceMs + companyDelayMs(replica));
  }
  // A held proposal's time comes with some heartbeat: waiting that long for a clock that is ahead costs nobody else anything.
  return Math.max(wake, replica.now.monotonicMs + 1);
}
