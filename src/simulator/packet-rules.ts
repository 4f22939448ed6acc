/**
 * Rules for single packets, for scripted scenarios: which to lose, to hold back, or to alter. The first rule that matches a packet decides;
 * without one it travels as the network's conditions say.
 */

import type { Message, MessageType } from '../protocol/messages/index.ts';
import type { Kernel } from './kernel.ts';
import { type Addressed, makeWire, type Network, type Packet } from './network.ts';
import type { Endpoint } from './observer.ts';

/** Every part that is there must match. */
export interface Selector {
  readonly from: readonly Endpoint[] | undefined;
  readonly to: readonly Endpoint[] | undefined;
  readonly type: MessageType | undefined;
  readonly view: number | undefined;
  readonly sequenceNumber: number | undefined;
}

/** What a faulty sender puts in a packet's place; undefined leaves it as it is. */
export type Mutator = (message: Message, from: Endpoint, to: Endpoint) => Message | undefined;

export type Rule =
  | { readonly action: 'drop' | 'hold' | 'pass'; readonly selector: Selector }
  | { readonly action: 'alter'; readonly selector: Selector; readonly mutator: Mutator };

export interface PacketRules {
  /** Newer rules come before older ones. */
  add(rule: Rule): void;
  /** Removes all rules; what is held stays held. */
  clear(): void;
  readonly held: readonly Packet[];
  /** Delivers the held packets that match, in the order in which they were sent; answers how many. */
  deliver(selector: Selector): number;
  /** Loses the held packets that match; answers how many. */
  discard(selector: Selector): number;
}

/** Takes charge of `network.intercept`. */
export function makePacketRules(kernel: Kernel, network: Network, delayUs: number): PacketRules {
  const rules: Rule[] = [];
  let held: Packet[] = [];

  function take(selector: Selector): Packet[] {
    const taken = held.filter((packet) => matches(selector, packet));
    held = held.filter((packet) => !taken.includes(packet));
    return taken;
  }

  network.intercept = (packet) => {
    const rule = rules.find(({ selector }) => matches(selector, packet));
    if (rule === undefined) return false;
    switch (rule.action) {
      case 'pass':
        return false;
      case 'drop':
        return true;
      case 'hold':
        held.push(packet);
        return true;
      case 'alter': {
        const message = rule.mutator(packet.message, packet.from, packet.to);
        if (message === undefined) return false;
        kernel.schedule(delayUs, () => network.release({ ...packet, message, wire: makeWire(message) }));
        return true;
      }
    }
  };

  return {
    add(rule) {
      rules.unshift(rule);
    },
    clear() {
      rules.length = 0;
    },
    get held() {
      return held;
    },
    deliver(selector) {
      const taken = take(selector);
      for (const packet of taken) network.release(packet);
      return taken.length;
    },
    discard: (selector) => take(selector).length,
  };
}

export function matches(selector: Selector, { from, to, message }: Addressed): boolean {
  const { view, sequenceNumber } = placeOf(message);
  return (
    (selector.from === undefined || selector.from.includes(from)) &&
    (selector.to === undefined || selector.to.includes(to)) &&
    (selector.type === undefined || selector.type === message.type) &&
    (selector.view === undefined || selector.view === view) &&
    (selector.sequenceNumber === undefined || selector.sequenceNumber === sequenceNumber)
  );
}

/** The (v, s) that a message is about, as far as it is about one. */
export function placeOf(message: Message): { readonly view?: number; readonly sequenceNumber?: number } {
  switch (message.type) {
    case 'pre-prepare':
      return message.header;
    case 'reply':
    case 'read-reply':
      return message.entry;
    case 'view-change':
      return { view: message.viewChange.view };
    case 'prepare':
    case 'commit':
    case 'suspect':
    case 'new-view':
    case 'checkpoint':
    case 'status':
      return message;
    default:
      return {};
  }
}
