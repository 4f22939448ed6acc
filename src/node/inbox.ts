/**
 * What waits to be given to the replica. Bounded by telling the transport to pause: what a sender may not deliver stays in its own buffers.
 *
 * Replicas and clients have queues of their own and each its share of a turn, so that no number of clients can delay the votes by
 * which their requests are ordered.
 */

import type { Remote, ReplicaTransport } from '../network/replica-transport.ts';
import type { Input } from '../protocol/replica/io.ts';
import { createFifo } from './fifo.ts';

export interface Arrival {
  readonly from: Remote;
  readonly frame: Uint8Array;
}

export interface InboxLimits {
  /** A connection with so many bytes waiting is paused until all of its frames were taken. */
  readonly replicaBytes: number;
  readonly clientBytes: number;
  /** Of all clients together; above, their frames are dropped. Clients repeat. */
  readonly allClientsBytes: number;
}

/** A frame has at most 4 MiB from a replica and some 256 KiB from a client. */
export const DEFAULT_INBOX_LIMITS: InboxLimits = {
  replicaBytes: 8 * 1024 * 1024,
  clientBytes: 64 * 1024,
  allClientsBytes: 64 * 1024 * 1024,
};

/** A queued frame costs so much besides its payload. */
const FRAME_OVERHEAD_BYTES = 128;

/** Inputs in one turn of the event loop, and how many of them clients may have while replicas want more. */
const TURN_MAX = 64;
const TURN_CLIENTS_MIN = 16;

export interface Inbox {
  /** Of our own: loopback and what the disk reports. Never dropped; the replica itself bounds how much there is. */
  pushOwn(input: Input): void;
  push(arrival: Arrival): void;
  /** Gives one turn's worth to `take`, which answers whether to go on; true if something is left. */
  turn(take: (item: Input | Arrival) => boolean): boolean;
  readonly size: number;
  /** Frames of clients dropped because there were too many. */
  readonly dropped: number;
  clear(): void;
}

export function createInbox(
  links: Pick<ReplicaTransport, 'pause' | 'resume'>,
  limits: InboxLimits = DEFAULT_INBOX_LIMITS,
): Inbox {
  const own = createFifo<Input>();
  const replicas = createFifo<Arrival>();
  const clients = createFifo<Arrival>();
  const waiting = new Map<string, { bytes: number; paused: boolean }>();
  let clientBytes = 0;
  let dropped = 0;

  function takeFrom(queue: typeof replicas): Arrival | undefined {
    const arrival = queue.shift();
    if (arrival === undefined) return undefined;
    const cost = arrival.frame.length + FRAME_OVERHEAD_BYTES;
    if (queue === clients) clientBytes -= cost;
    const name = nameOf(arrival.from);
    const account = waiting.get(name)!;
    account.bytes -= cost;
    if (account.bytes === 0) {
      waiting.delete(name);
      if (account.paused) links.resume(arrival.from);
    }
    return arrival;
  }

  const sizeOf = () => own.size + replicas.size + clients.size;

  return {
    get size() {
      return sizeOf();
    },
    get dropped() {
      return dropped;
    },
    pushOwn: (input) => own.push(input),
    push(arrival) {
      const { from, frame } = arrival;
      const isClient = from.role === 'client';
      const cost = frame.length + FRAME_OVERHEAD_BYTES;
      if (isClient && clientBytes + cost > limits.allClientsBytes) {
        dropped++;
        return;
      }
      const name = nameOf(from);
      const account = waiting.get(name) ?? { bytes: 0, paused: false };
      account.bytes += cost;
      waiting.set(name, account);
      if (isClient) clientBytes += cost;
      (isClient ? clients : replicas).push(arrival);
      if (!account.paused && account.bytes > (isClient ? limits.clientBytes : limits.replicaBytes)) {
        account.paused = true;
        links.pause(from);
      }
    },
    turn(take) {
      let left = TURN_MAX;
      while (left > TURN_CLIENTS_MIN) {
        const item = own.shift() ?? takeFrom(replicas);
        if (item === undefined) break;
        left--;
        if (!take(item)) return false;
      }
      while (left > 0) {
        const item = takeFrom(clients);
        if (item === undefined) break;
        left--;
        if (!take(item)) return false;
      }
      return sizeOf() > 0;
    },
    clear() {
      own.clear();
      replicas.clear();
      clients.clear();
      waiting.clear();
      clientBytes = 0;
    },
  };
}

function nameOf(from: Remote): string {
  return from.role === 'replica' ? `r${from.index}` : `c${from.connection}`;
}
