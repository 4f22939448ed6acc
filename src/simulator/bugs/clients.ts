/** Bugs of clients. */

import type { ClientSession } from '../../protocol/client/session.ts';
import type { Entry } from '../../protocol/messages/entry.ts';
import { dominates } from '../../protocol/version-vector.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';

/** Q equal results are enough for a read, whatever the states they come from. */
export function readsByResult({ flight }: ClientSession): void {
  if (flight?.type !== 'read') return;
  const agree: typeof flight.answers.agree = (a, b) =>
    a.status === b.status && equalBytes(a.resultDigest, b.resultDigest);
  Object.assign(flight.answers, { agree });
}

/** A request that was not answered at once is given up, and its operations are sent under another timestamp. */
export function sentAnew(session: ClientSession): void {
  const { flight, limits } = session;
  if (flight?.type !== 'request' || flight.items.length === 0) return;
  if (flight.repeatDelayMs <= limits.repeatMs || flight.agreed !== undefined) return;
  session.queue.unshift(...flight.items);
  for (const { operation } of flight.items) session.queuedBytes += operation.length;
  session.flight = undefined;
}

/** A version vector in which an entry takes the place of those that dominate it. */
class Inverted extends Map<ReplicaIndex, Entry> {
  override set(replica: ReplicaIndex, entry: Entry): this {
    const held = super.get(replica);
    return held === undefined || dominates(held, entry) ? super.set(replica, entry) : this;
  }
}

export function dominatesInverted(session: ClientSession): void {
  if (session.vector instanceof Inverted) return;
  Object.assign(session, { vector: new Inverted(session.vector) });
}
