/**
 * A value as text that is equal for what behaves equally: the identity of states and messages in an exploration. Maps and sets are taken without
 * their order, but where the protocol uses it; what cannot influence anything that is explored is left out, here and nowhere else.
 */

import { mixingHash } from '../../crypto/mixing-hash.ts';
import type { Replica, Slot } from '../../protocol/replica/state.ts';
import { keyOf, utf8 } from '../../types/bytes.ts';

/**
 * Which quorum signed a certificate, and which SUSPECTs travel beside a VIEW-CHANGE, decides nothing for whoever reads it: they are valid or the
 * message is refused. Two that differ in this alone are one message here.
 */
const SIGNERS: ReadonlySet<string> = new Set(['votes', 'prepares', 'suspects']);

const NONE: ReadonlySet<string> = new Set();

/** Fields of a replica that are its environment, that only STATUS and READ use, which are not explored, or that `ofReplica` puts in another form. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'options',
  'context',
  'limits',
  'bodies',
  'out',
  'now',
  'ledger',
  'slots',
  'suspects',
  'pending',
  'relayed',
  'recentStates',
  'heldReads',
  'statusNumber',
  'statusDue',
  'statusSentAtMs',
  'answeredAtMs',
  'heartbeatSummary',
  'promisesHeld',
  'commitStalled',
  'committedAtHeartbeat',
]);

/** Sixteen bytes, as a key. */
export function hashed(text: string): string {
  return keyOf(mixingHash(utf8(text)).subarray(0, 16));
}

/** A message, a record or an event. */
export function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `x${keyOf(value)}`;
  if (value === null || typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value instanceof Map) {
    const entries = [...value.entries()].map(([key, held]) => `${canonical(key)}:${canonical(held)}`);
    return `{${entries.sort().join()}}`;
  }
  if (value instanceof Set) return `(${[...value].map(canonical).sort().join()})`;
  return `{${fields(value, SIGNERS)}}`;
}

/** Lists of signers are left out; a slot's PREPAREs and a replica's SUSPECTs are maps, and told by `ofSlot` and `ofReplica`. */
function fields(value: object, leftOut: ReadonlySet<string>): string {
  let text = '';
  for (const [name, held] of Object.entries(value) as [string, unknown][]) {
    if (!leftOut.has(name)) text += `${name}:${canonical(held)};`;
  }
  return text;
}

/** Everything that decides what the replica does next. */
export function ofReplica(replica: Replica): string {
  const { ledger, pending, relayed } = replica;
  const slots = [...replica.slots.values()].sort((a, b) => a.sequenceNumber - b.sequenceNumber);
  // A view that was left is abandoned for good: SUSPECTs of it have done what they can do.
  const suspects = [...replica.suspects].filter(([, { view }]) => view >= replica.view);
  return [
    fields(replica, LEFT_OUT),
    replica.now.monotonicMs,
    slots.map((slot) => ofSlot(replica, slot)).join('|'),
    canonical(new Map(suspects)),
    // Oldest first: the order in which they are proposed.
    canonical([...pending.values()]),
    canonical([...relayed].map(([peer, queue]) => [peer, ...queue.values()])),
    // The root of the log stands for sessions, replies and the service: each is a function of the prefix.
    canonical(ledger.executed),
  ].join('#');
}

/**
 * PREPAREs of a view that was left, or in which s is prepared, are not looked at again. Votes are, even for what is committed: a VIEW-CHANGE
 * that denies them is evidence.
 */
function ofSlot(replica: Replica, slot: Slot): string {
  const { prepares, ...others } = slot;
  const decided = Math.max(replica.view - 1, slot.prepared?.header.view ?? -1);
  const counting = [...prepares].filter(([, { view }]) => view > decided);
  return fields(others, NONE) + canonical(new Map(counting));
}
