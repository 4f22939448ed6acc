/** What waits behind the flight: its bounds, and which operations travel together. */

import type { GenesisLimits } from '../genesis.ts';
import type { ClientOutput, Rejection } from './io.ts';
import { giveUp } from './proving.ts';
import { type ClientSession, complete, land, type Queued } from './session.ts';

/** On `submit` and `read`: the item waits its turn, or is rejected at once. */
export function enqueue(session: ClientSession, item: Queued, out: ClientOutput): void {
  const rejection = rejectItem(session, item);
  if (rejection !== undefined) {
    complete([item], { type: 'rejected', status: rejection }, out);
    return;
  }
  session.queue.push(item);
  session.queuedBytes += item.operation.length;
}

function rejectItem(session: ClientSession, { operation }: Queued): Rejection | undefined {
  const { limits, queue, queuedBytes, ended, context } = session;
  if (ended !== undefined) return ended;
  if (operation.length > context.cluster.limits.requestBytesMax) return 'TOO-LARGE';
  if (queue.length >= limits.queuedMax || queuedBytes + operation.length > limits.queuedBytesMax) {
    return 'QUEUE-FULL';
  }
  return undefined;
}

/** On `withdraw`: an item that waits was not sent, or certainly not applied, so it can be forgotten. */
export function withdraw(session: ClientSession, token: number, out: ClientOutput): void {
  const { flight, queue } = session;
  if (flight?.type === 'read' && flight.item.token === token) {
    land(session);
    complete([flight.item], { type: 'rejected', status: 'WITHDRAWN' }, out);
    return;
  }
  if (flight?.type === 'proof' && flight.cause.type === 'OBSERVED' && flight.cause.token === token) {
    giveUp(session, flight, 'WITHDRAWN', out);
    return;
  }
  const head = session.shown.find((it) => it.token === token);
  if (head !== undefined) {
    session.shown = session.shown.filter((it) => it !== head);
    complete([head], { type: 'rejected', status: 'WITHDRAWN' }, out);
    return;
  }
  const item = queue.find((it) => it.token === token);
  if (item === undefined) return;
  session.queue = queue.filter((it) => it !== item);
  session.queuedBytes -= item.operation.length;
  complete([item], { type: 'rejected', status: 'WITHDRAWN' }, out);
}

/** Takes the operations at the head of the queue that fit one request; a read among them ends the run, so that order is kept. */
export function takeOperations(session: ClientSession): readonly Queued[] {
  const count = countJoined(session.queue, session.context.cluster.limits);
  return take(session, count);
}

/** How many operations, from the first, one request may carry. */
export function countJoined(
  queue: readonly Queued[],
  limits: Pick<GenesisLimits, 'operationsPerRequestMax' | 'requestBytesMax'>,
): number {
  let bytes = 0;
  let count = 0;
  for (const { kind, operation } of queue) {
    bytes += operation.length;
    if (kind !== 'operation' || count === limits.operationsPerRequestMax || bytes > limits.requestBytesMax)
      break;
    count++;
  }
  return count;
}

export function take(session: ClientSession, count: number): readonly Queued[] {
  const taken = session.queue.splice(0, count);
  for (const { operation } of taken) session.queuedBytes -= operation.length;
  return taken;
}

/** Puts what certainly was not applied back to the head of the queue, whatever the queue's bounds. */
export function putBack(session: ClientSession, items: readonly Queued[]): void {
  session.queue.unshift(...items);
  for (const { operation } of items) session.queuedBytes += operation.length;
}

/** Rejects the operations that wait; reads need no session and stay. */
export function rejectOperations(session: ClientSession, status: Rejection, out: ClientOutput): void {
  const operations = session.queue.filter(({ kind }) => kind === 'operation');
  session.queue = session.queue.filter(({ kind }) => kind !== 'operation');
  for (const { operation } of operations) session.queuedBytes -= operation.length;
  complete(operations, { type: 'rejected', status }, out);
}
