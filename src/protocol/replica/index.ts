/**
 * A replica of BFT2F as a pure state machine: `startReplica` makes one from what its disk kept, `step` gives it one input and answers what is to be
 * done. This file only dispatches; the order in which the output must be carried out is stated in io.ts.
 */

import { unreachable } from '../../types/assert.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Message } from '../messages/index.ts';
import { onCheckpoint, onSnapshotDurable } from './checkpointing.ts';
import { refuse } from './effects.ts';
import { answerWithEvidence, onEvidence } from './evidence-exchange.ts';
import { onFetched, updateWanted } from './fetching.ts';
import { type Clock, emptyOutput, type Input, type Output, type Party } from './io.ts';
import { onCommit, onPrePrepare, onPrepare } from './ordering.ts';
import { onRead } from './reading.ts';
import { type Recovered, recoverReplica } from './recovery.ts';
import { onGetResult } from './replies.ts';
import { onRelay, onRequest } from './requests.ts';
import { onFetch } from './serving.ts';
import { releaseBodies } from './slots.ts';
import type { Replica, ReplicaOptions } from './state.ts';
import { maybeFinishTransfer } from './state-transfer.ts';
import { onStarted, onStatus, sendDueStatus, statusDueToAll } from './status.ts';
import { onSuspect, suspect } from './suspicion.ts';
import { nextWake, noticeStop, onTick } from './timers.ts';
import { onNewView, onViewChange } from './view-change.ts';

export type { Clock, Destination, Input, Output, Party, ReplicaEvent, Send, SnapshotToWrite } from './io.ts';
export { DEFAULT_LOCAL_LIMITS, type LocalLimits } from './limits.ts';
export type { Recovered, RecoveredSnapshot } from './recovery.ts';
export type { Replica, ReplicaOptions } from './state.ts';

/**
 * The replica as it stood when its log ended, and what it does first. It signs nothing before Q−1 peers have sent STATUS.
 * @throws InvariantError if replaying the log contradicts what was recorded: the driver must not start it.
 */
export function startReplica(
  options: ReplicaOptions,
  recovered: Recovered,
  clock: Clock,
): { readonly replica: Replica; readonly output: Output } {
  const replica = recoverReplica(options, recovered, clock);
  statusDueToAll(replica);
  const output = finishStep(replica, true);
  return { replica, output };
}

/** Gives the replica one input. @throws InvariantError if its own state contradicts itself: the driver must stop it. */
export function step(replica: Replica, input: Input, clock: Clock): Output {
  replica.now = clock;
  replica.out = emptyOutput();
  releaseBodies(replica);
  noticeStop(replica);
  // A driver whose every input comes before its tick would never tick: under load that must not stop the clocks.
  if (input.type !== 'tick') onTick(replica);
  switch (input.type) {
    case 'receive':
      receive(replica, input.from, input.message);
      break;
    case 'tick':
      onTick(replica);
      break;
    case 'connected':
      replica.statusDue.add(input.peer);
      replica.evidenceSent.delete(input.peer);
      break;
    case 'snapshot-durable':
      onSnapshotDurable(replica, input.sequenceNumber);
      maybeFinishTransfer(replica, input.sequenceNumber);
      break;
    case 'disk-full':
      suspect(replica, replica.view, 'its disk is full');
      break;
    default:
      unreachable(input);
  }
  return finishStep(replica, false);
}

function finishStep(replica: Replica, isFirst: boolean): Output {
  if (!replica.started && replica.mayStart && replica.silence === 'none') {
    replica.started = true;
    onStarted(replica);
  }
  if (replica.gapsDirty) updateWanted(replica);
  sendDueStatus(replica, isFirst);
  replica.wakeAtMs = nextWake(replica);
  replica.out.wakeAtMs = replica.wakeAtMs;
  return replica.out;
}

function receive(replica: Replica, from: Party, message: Message): void {
  if (from.kind === 'client') return receiveFromClient(replica, from, message);
  if (from.index < 0 || from.index >= replica.context.cluster.thresholds.replicaCount) {
    return refuse(replica, from, message, 'NOT_A_REPLICA');
  }
  receiveFromReplica(replica, from.index, message);
}

function receiveFromClient(replica: Replica, from: Party, message: Message): void {
  switch (message.type) {
    case 'request':
      answerWithEvidence(replica, from);
      return onRequest(replica, from, message);
    case 'read':
      return onRead(replica, from, message);
    case 'get-result':
      return onGetResult(replica, from, message);
    case 'fetch':
      return onFetch(replica, from, message);
    case 'evidence':
      return onEvidence(replica, from, message);
    default:
      return refuse(replica, from, message, 'NOT_FROM_CLIENTS');
  }
}

function receiveFromReplica(replica: Replica, from: ReplicaIndex, message: Message): void {
  const party: Party = { kind: 'replica', index: from };
  const isLoopback = from === replica.index;
  // Before it may sign, a replica learns and serves; what it misses now, STATUS brings again.
  const isBusyStarting = !replica.started && replica.silence === 'none';
  const isHarmless = message.type === 'status' || message.type === 'fetch' || message.type === 'fetched';
  if (isBusyStarting && !isHarmless) return refuse(replica, party, message, 'STARTING');
  switch (message.type) {
    case 'relay':
      return onRelay(replica, from, message);
    case 'pre-prepare':
      return onPrePrepare(replica, party, message);
    case 'prepare':
      return onPrepare(replica, from, message);
    case 'commit':
      return onCommit(replica, from, message);
    case 'suspect':
      return onSuspect(replica, from, message);
    case 'view-change':
      return onViewChange(replica, from, message);
    case 'new-view': {
      const { type: _, ...newView } = message;
      const reason = onNewView(replica, newView);
      return reason === undefined ? undefined : refuse(replica, party, message, reason);
    }
    case 'checkpoint':
      return onCheckpoint(replica, from, message);
    case 'status':
      return isLoopback ? undefined : onStatus(replica, from, message);
    case 'fetch':
      return onFetch(replica, party, message);
    case 'fetched':
      return onFetched(replica, from, message);
    case 'evidence':
      return onEvidence(replica, party, message);
    default:
      return refuse(replica, party, message, 'NOT_FROM_REPLICAS');
  }
}
