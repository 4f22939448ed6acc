/**
 * The network between endpoints: delays, loses, duplicates and reorders messages; links are cut and mended, connections reset, and receivers slow. It
 * carries bytes: each message is encoded when it leaves and decoded once on its way, so that senders and receivers share no object and every
 * run exercises the codec.
 *
 * The receivers of one message share what was decoded. Nobody may change a message that it received; a test sees to that.
 */

import { decode, encode } from '../codec/index.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import { assert } from '../types/assert.ts';
import type { Kernel } from './kernel.ts';
import { drawLinkDelay } from './link-delays.ts';
import type { Endpoint, Observer } from './observer.ts';
import type { Random } from './random.ts';

/** How messages travel now; may be changed at any time. */
export interface NetworkConditions {
  /** A link's own delay lies in this range, in microseconds, and never changes. */
  readonly delayMinUs: number;
  readonly delayMaxUs: number;
  /** Added to each message, 0 to this: more of it means more reordering. */
  readonly jitterUs: number;
  /** Of 1,000 messages, so many are late by up to `stragglerUs`. */
  readonly stragglersPerMille: number;
  readonly stragglerUs: number;
  readonly lossPerMille: number;
  readonly duplicatesPerMille: number;
}

export const CALM: NetworkConditions = {
  delayMinUs: 200,
  delayMaxUs: 5_000,
  jitterUs: 1_000,
  stragglersPerMille: 0,
  stragglerUs: 0,
  lossPerMille: 0,
  duplicatesPerMille: 0,
};

/** A message as it travels, whoever it goes to. */
export interface Wire {
  readonly bytes: Uint8Array;
  /** What receivers get. */
  received(): Message;
}

export interface Addressed {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly message: Message;
}

export interface Packet extends Addressed {
  /** Counts the packets of a run. */
  readonly id: number;
  readonly wire: Wire;
}

export interface NetworkOptions {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly endpoints: number;
  readonly conditions: NetworkConditions;
  readonly observer: Required<Observer>;
  readonly receive: (from: Endpoint, to: Endpoint, message: Message) => void;
}

/** An endpoint that takes its messages slowly from a queue with little room. */
export interface SlowReceiver {
  readonly perMessageUs: number;
  /** What arrives when so many wait is lost. */
  readonly queueMax: number;
}

export interface Network {
  conditions: NetworkConditions;
  /** Sees each packet first; true takes it out of the network's hands, to be given back by `release` or not at all. */
  intercept: ((packet: Packet) => boolean) | undefined;
  /** Each that answers true loses the packet. */
  readonly losses: Set<(packet: Addressed) => boolean>;
  send(from: Endpoint, to: readonly Endpoint[], message: Message): void;
  /** Delivers a packet now, whatever the conditions. */
  release(packet: Packet): void;
  /** From now on nothing passes in this direction; what is under way is lost. Cuts add up: each must be mended. */
  cut(from: Endpoint, to: Endpoint): void;
  isCut(from: Endpoint, to: Endpoint): boolean;
  /** Takes back one cut; answers whether the direction is open again because of it. */
  mend(from: Endpoint, to: Endpoint): boolean;
  /** Mends everything and answers the directions that were cut. */
  heal(): readonly (readonly [Endpoint, Endpoint])[];
  /** The connection breaks, in the middle of a frame if one is under way: what travels between the two is lost. */
  reset(a: Endpoint, b: Endpoint): void;
  /** From now on; undefined ends it. */
  slowDown(endpoint: Endpoint, slow: SlowReceiver | undefined): void;
}

export function makeNetwork(options: NetworkOptions): Network {
  const { kernel, random, endpoints, observer } = options;
  let nextId = 0;
  /** How many cuts lie on each direction that has any. */
  const cuts = new Map<number, number>();
  const linkOf = (from: Endpoint, to: Endpoint) => from * endpoints + to;
  const shapes = random.fork('links');
  const delays = Array.from({ length: endpoints * endpoints }, () => drawLinkDelay(shapes, random));
  /** Counts each direction's connections: what an earlier one carried does not arrive. */
  const connections = new Array<number>(endpoints * endpoints).fill(0);
  const queues = new Map<Endpoint, SlowReceiver & { waiting: number; freeAtUs: number }>();

  function lose({ from, to, message, id }: Packet, why: string): void {
    observer.onLost(from, to, message, why, id);
  }

  function arrive(packet: Packet, connection: number): void {
    const link = linkOf(packet.from, packet.to);
    if (cuts.has(link)) return lose(packet, 'cut');
    if (connections[link] !== connection) return lose(packet, 'reset');
    const queue = queues.get(packet.to);
    if (queue === undefined) return network.release(packet);
    if (queue.waiting >= queue.queueMax) return lose(packet, 'queue full');
    queue.waiting++;
    queue.freeAtUs = Math.max(queue.freeAtUs, kernel.nowUs) + queue.perMessageUs;
    kernel.schedule(queue.freeAtUs - kernel.nowUs, () => {
      queue.waiting--;
      network.release(packet);
    });
  }

  function dispatch(packet: Packet): void {
    const { from, to } = packet;
    if (network.intercept?.(packet) === true) return;
    const link = linkOf(from, to);
    if (cuts.has(link)) return lose(packet, 'cut');
    const { lossPerMille, duplicatesPerMille } = network.conditions;
    const isTaken = [...network.losses].some((loses) => loses(packet));
    if (isTaken || random.chance(lossPerMille, 1000)) return lose(packet, 'lost');
    const connection = connections[link]!;
    const copies = random.chance(duplicatesPerMille, 1000) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      kernel.schedule(delays[link]!(network.conditions, kernel.nowUs), () => arrive(packet, connection));
    }
  }

  const network: Network = {
    conditions: options.conditions,
    intercept: undefined,
    losses: new Set(),
    send(from, to, message) {
      observer.onSend(from, to, message, nextId);
      const wire = makeWire(message);
      for (const endpoint of to) dispatch({ id: nextId++, from, to: endpoint, message, wire });
    },
    release({ id, from, to, message, wire }) {
      const received = wire.received();
      observer.onDeliver(from, to, message, wire.bytes, id);
      options.receive(from, to, received);
    },
    cut(from, to) {
      const link = linkOf(from, to);
      cuts.set(link, (cuts.get(link) ?? 0) + 1);
    },
    isCut: (from, to) => cuts.has(linkOf(from, to)),
    mend(from, to) {
      const link = linkOf(from, to);
      const count = cuts.get(link);
      if (count === undefined) return false;
      if (count > 1) cuts.set(link, count - 1);
      else cuts.delete(link);
      return count === 1;
    },
    heal() {
      const healed = [...cuts.keys()].map(
        (link) => [Math.floor(link / endpoints), link % endpoints] as const,
      );
      cuts.clear();
      return healed;
    },
    reset(a, b) {
      connections[linkOf(a, b)]!++;
      connections[linkOf(b, a)]!++;
    },
    slowDown(endpoint, slow) {
      if (slow === undefined) queues.delete(endpoint);
      else queues.set(endpoint, { ...slow, waiting: 0, freeAtUs: kernel.nowUs });
    },
  };
  return network;
}

export function makeWire(message: Message): Wire {
  const bytes = encode(messageSchema, message);
  let received: Message | undefined;
  return {
    bytes,
    received() {
      if (received === undefined) {
        const decoded = decode(messageSchema, bytes);
        assert(decoded.ok, `a ${message.type} of our own must decode`);
        received = decoded.value;
      }
      return received;
    },
  };
}
