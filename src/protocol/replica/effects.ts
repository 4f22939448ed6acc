/** The few ways in which a handler acts on the world: it appends to the output of the step under way. */

import type { PublicKey, ReplicaIndex } from '../../types/identities.ts';
import { primaryOf } from '../genesis.ts';
import type { Message } from '../messages/index.ts';
import type { DurableRecord } from '../records.ts';
import type { Party, ReplicaEvent } from './io.ts';
import type { Replica } from './state.ts';

/** Durable before any promise of this step leaves. */
export function persist(replica: Replica, record: DurableRecord): void {
  replica.out.persist.push(record);
}

/** A message that binds this replica: it leaves, to all and to itself, once everything persisted so far is durable. */
export function promiseToAll(replica: Replica, message: Message): void {
  replica.out.promises.push({ to: { kind: 'all' }, message });
}

export function promiseToOthers(replica: Replica, message: Message): void {
  replica.out.promises.push({ to: { kind: 'others' }, message });
}

export function promiseTo(replica: Replica, index: ReplicaIndex, message: Message): void {
  replica.out.promises.push({ to: { kind: 'replica', index }, message });
}

export function promiseToParty(replica: Replica, party: Party, message: Message): void {
  if (party.kind === 'replica') promiseTo(replica, party.index, message);
  else promiseToClient(replica, party.key, message);
}

export function promiseToClient(replica: Replica, key: PublicKey, message: Message): void {
  replica.out.promises.push({ to: { kind: 'client', key }, message });
}

/** A message that promises nothing: it leaves at once. */
export function sendTo(replica: Replica, index: ReplicaIndex, message: Message): void {
  replica.out.sends.push({ to: { kind: 'replica', index }, message });
}

export function sendToParty(replica: Replica, party: Party, message: Message): void {
  if (party.kind === 'replica') sendTo(replica, party.index, message);
  else replica.out.sends.push({ to: { kind: 'client', key: party.key }, message });
}

export function sendToOthers(replica: Replica, message: Message): void {
  replica.out.sends.push({ to: { kind: 'others' }, message });
}

export function emit(replica: Replica, event: ReplicaEvent): void {
  replica.out.events.push(event);
}

export function refuse(replica: Replica, from: Party, message: Message, reason: string): void {
  emit(replica, { type: 'refused', from, message: message.type, reason });
}

export function sign(replica: Replica, statement: Uint8Array): Uint8Array {
  return replica.options.signer.sign(statement);
}

export function isPrimary(replica: Replica): boolean {
  return primaryOf(replica.context.cluster, replica.view) === replica.index;
}

/** Whether this replica may propose, prepare, vote, suspect and take checkpoints. */
export function maySignOrdering(replica: Replica): boolean {
  return replica.started && replica.silence === 'none';
}

/**
 * Whether it may sign what it executed: not before replay has met the highest entry that was ever recorded (docs/protocol.md §7).
 */
export function maySignEntries(replica: Replica): boolean {
  // What a transfer installed is signed only once its snapshot is durable.
  if (replica.transfer?.installing === true) return false;
  return maySignOrdering(replica) && replica.ledger.executed.sequenceNumber >= replica.signFloor;
}
