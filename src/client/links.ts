/** The links to all replicas, and to which session an answer belongs: sessions share the links, and what they await tells them apart. */

import { decode, encode } from '../codec/index.ts';
import { createClientTransport } from '../network/client-transport.ts';
import type { ClientSend, ClientSession } from '../protocol/client/index.ts';
import type { Cluster } from '../protocol/genesis.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import { type ConnectOptions, SESSIONS_MAX } from './options.ts';

export interface LinkState {
  readonly connected: boolean;
  /** Why there was no link, the last time that one failed or ended. */
  readonly reason: string | undefined;
}

export interface LinkEvents {
  readonly onMessage: (from: ReplicaIndex, message: Message) => void;
  readonly onMalformed: (from: ReplicaIndex) => void;
  readonly onUp: (replica: ReplicaIndex) => void;
  readonly onDown: (replica: ReplicaIndex, reason: string) => void;
}

export interface Links {
  /** What cannot be sent is dropped. */
  send(sessionIndex: number, send: ClientSend): void;
  states(): readonly LinkState[];
  close(): Promise<void>;
}

export function openLinks(
  { key, genesis, replicas, networkLimits }: ConnectOptions,
  cluster: Cluster,
  events: LinkEvents,
): Links {
  const states: LinkState[] = replicas.map(() => ({ connected: false, reason: undefined }));
  const onDown = (replica: ReplicaIndex, reason: string): void => {
    states[replica] = { connected: false, reason };
    events.onDown(replica, reason);
  };
  const transport = createClientTransport({
    seed: key,
    clusterId: cluster.id,
    epoch: cluster.epoch,
    replicas: replicas.map(({ host, port }, i) => ({ host, port, publicKey: genesis.replicas[i]! })),
    ...(networkLimits === undefined ? {} : { limits: networkLimits }),
    onFrame(from, frame) {
      const message = decode(messageSchema, frame);
      if (message.ok) events.onMessage(from, message.value);
      else events.onMalformed(from);
    },
    onConnected(replica) {
      states[replica] = { connected: true, reason: undefined };
      events.onUp(replica);
    },
    onDisconnected: (replica, { message }) => onDown(replica, message),
    onRefused: (replica, { message }) => onDown(replica, message),
  });
  return {
    send(sessionIndex, { to, message }) {
      const frame = encode(messageSchema, addressed(sessionIndex, message));
      if (to !== 'all') transport.send(to, frame);
      else for (const replica of replicas.keys()) transport.send(replica, frame);
    },
    states: () => states,
    close: () => transport.close(),
  };
}

/** Sessions number their FETCHes alike, so the session's index goes into the number. */
export function addressed(sessionIndex: number, message: Message): Message {
  if (message.type !== 'fetch') return message;
  return { ...message, number: message.number * SESSIONS_MAX + sessionIndex };
}

/** The session that awaits `message`, and the message as that session is to see it; undefined if none does (any longer). */
export function addresseeOf<T extends { readonly session: ClientSession }>(
  sessions: ReadonlyMap<number, T>,
  message: Message,
): { readonly to: T; readonly message: Message } | undefined {
  if (message.type === 'fetched') {
    const to = sessions.get(message.number % SESSIONS_MAX);
    return to && { to, message: { ...message, number: Math.floor(message.number / SESSIONS_MAX) } };
  }
  for (const to of sessions.values()) if (awaits(to.session, message)) return { to, message };
  return undefined;
}

function awaits({ flight }: ClientSession, message: Message): boolean {
  switch (message.type) {
    case 'reply':
      return flight?.type === 'request' && equalBytes(flight.digest, message.requestDigest);
    case 'busy':
      return flight?.type === 'request' && equalBytes(flight.digest, message.reference);
    case 'read-reply':
      return flight?.type === 'read' && equalBytes(flight.message.nonce, message.nonce);
    default:
      return false;
  }
}
