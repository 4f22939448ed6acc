/**
 * The network between endpoints: delays, loses, duplicates and reorders messages, and is cut and healed. It carries bytes: each message is
 * encoded when it leaves and decoded at each arrival, so that no two parties share an object and the codec is exercised by every run.
 */

import { decode, encode } from '../codec/index.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import { assert } from '../types/assert.ts';
import type { Kernel } from './kernel.ts';
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

export interface Packet {
  /** Counts the packets of a run. */
  readonly id: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly message: Message;
  readonly bytes: Uint8Array | undefined;
}

export interface NetworkOptions {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly endpoints: number;
  readonly conditions: NetworkConditions;
  /** False: messages are handed over as objects, for speed. */
  readonly codec: boolean;
  readonly observer: Required<Observer>;
  readonly receive: (from: Endpoint, to: Endpoint, message: Message) => void;
}

export interface Network {
  conditions: NetworkConditions;
  /** Sees each packet first; true takes it out of the network's hands, to be given back by `release` or not at all. */
  intercept: ((packet: Packet) => boolean) | undefined;
  /** Each that answers true loses the packet. */
  readonly losses: Set<(packet: Packet) => boolean>;
  send(from: Endpoint, to: readonly Endpoint[], message: Message): void;
  /** Delivers a packet now, whatever the conditions. */
  release(packet: Packet): void;
  /** From now on nothing passes in this direction; what is under way is lost. */
  cut(from: Endpoint, to: Endpoint): void;
  isCut(from: Endpoint, to: Endpoint): boolean;
  /** Mends everything and answers the directions that were cut. */
  heal(): readonly (readonly [Endpoint, Endpoint])[];
}

export function makeNetwork(options: NetworkOptions): Network {
  const { kernel, random, endpoints, observer } = options;
  let nextId = 0;
  const cuts = new Set<number>();
  const linkOf = (from: Endpoint, to: Endpoint) => from * endpoints + to;
  // Each link's place within the range of delays, in 1/1,024ths.
  const slowness = Array.from({ length: endpoints * endpoints }, () => random.below(1025));

  function delayUs(from: Endpoint, to: Endpoint): number {
    const { delayMinUs, delayMaxUs, jitterUs, stragglersPerMille, stragglerUs } = network.conditions;
    const base = delayMinUs + Math.floor(((delayMaxUs - delayMinUs) * slowness[linkOf(from, to)]!) / 1024);
    const late = random.chance(stragglersPerMille, 1000) ? random.below(stragglerUs + 1) : 0;
    return base + random.below(jitterUs + 1) + late;
  }

  function deliver(packet: Packet): void {
    if (cuts.has(linkOf(packet.from, packet.to))) {
      observer.onLost(packet.from, packet.to, packet.message, 'cut', packet.id);
      return;
    }
    network.release(packet);
  }

  const network: Network = {
    conditions: options.conditions,
    intercept: undefined,
    losses: new Set(),
    send(from, to, message) {
      observer.onSend(from, to, message, nextId);
      const bytes = options.codec ? encode(messageSchema, message) : undefined;
      for (const endpoint of to) {
        const packet: Packet = { id: nextId++, from, to: endpoint, message, bytes };
        if (network.intercept?.(packet) === true) continue;
        if (cuts.has(linkOf(from, endpoint))) {
          observer.onLost(from, endpoint, message, 'cut', packet.id);
          continue;
        }
        const { lossPerMille, duplicatesPerMille } = network.conditions;
        const isTaken = [...network.losses].some((loses) => loses(packet));
        if (isTaken || random.chance(lossPerMille, 1000)) {
          observer.onLost(from, endpoint, message, 'lost', packet.id);
          continue;
        }
        const copies = random.chance(duplicatesPerMille, 1000) ? 2 : 1;
        for (let copy = 0; copy < copies; copy++) {
          kernel.schedule(delayUs(from, endpoint), () => deliver(packet));
        }
      }
    },
    release({ id, from, to, message, bytes }) {
      let received = message;
      if (bytes !== undefined) {
        const decoded = decode(messageSchema, bytes);
        assert(decoded.ok, `a ${message.type} of our own must decode`);
        received = decoded.value;
      }
      observer.onDeliver(from, to, message, bytes, id);
      options.receive(from, to, received);
    },
    cut(from, to) {
      cuts.add(linkOf(from, to));
    },
    isCut: (from, to) => cuts.has(linkOf(from, to)),
    heal() {
      const healed = [...cuts].map((link) => [Math.floor(link / endpoints), link % endpoints] as const);
      cuts.clear();
      return healed;
    },
  };
  return network;
}
