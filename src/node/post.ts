/** Puts messages on the wire: each is encoded once, however many it is sent to. */

import { encode } from '../codec/index.ts';
import type { ReplicaTransport } from '../network/replica-transport.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import type { Send } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';

export interface PostOptions {
  readonly index: ReplicaIndex;
  readonly replicaCount: number;
  readonly links: Pick<ReplicaTransport, 'send' | 'sendToClient'>;
  /** Called for what goes to `all`: this replica is one of them. */
  readonly loopback: (message: Message) => void;
}

/** What cannot be delivered is dropped: STATUS and the clients' repetition find out. */
export function createPost({ index, replicaCount, links, loopback }: PostOptions) {
  function toOthers(frame: Uint8Array): void {
    for (let peer = 0; peer < replicaCount; peer++) if (peer !== index) links.send(peer, frame);
  }

  function deliver({ to, message }: Send, frame: Uint8Array): void {
    switch (to.kind) {
      case 'all':
        toOthers(frame);
        return loopback(message);
      case 'others':
        return toOthers(frame);
      case 'replica':
        if (to.index !== index) links.send(to.index, frame);
        return;
      case 'client':
        links.sendToClient(to.key, frame);
        return;
    }
  }

  return (sends: readonly Send[]): void => {
    let last: { message: Message; frame: Uint8Array } | undefined;
    for (const send of sends) {
      const { message } = send;
      if (last?.message !== message) last = { message, frame: encode(messageSchema, message) };
      deliver(send, last.frame);
    }
  };
}
