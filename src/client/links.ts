/** The links to all replicas, and to which session an answer belongs: sessions share the links, and what they await tells them apart. */

import { decode, encode } from '../codec/index.ts';
import { createClientTransport } from '../network/client-transport.ts';
import { NetworkError } from '../network/network-error.ts';
import type { ClientSend, ClientSession } from '../protocol/client/index.ts';
import type { Cluster } from '../protocol/genesis.ts';
import { type Message, messageSchema } from '../protocol/messages/index.ts';
import { equalBytes } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import { type ConnectOptions, SESSIONS_MAX } from './options.ts';
import { makeProber } from './probing.ts';

export interface LinkState {
  readonly connected: boolean;
  /** Connected, and not silent: what it was asked last it has answered, or it may still do so in time. */
  readonly reachable: boolean;
  /** Why there was no link, the last time that one failed or ended. */
  readonly reason: string | undefined;
}

export interface LinkEvents {
  readonly onMessage: (from: ReplicaIndex, message: Message) => void;
  readonly onMalformed: (from: ReplicaIndex) => void;
  readonly onUp: (replica: ReplicaIndex) => void;
  readonly onDown: (replica: ReplicaIndex, reason: string) => void;
  /** The number of reachable replicas is another one. */
  readonly onReach: (reachable: number) => void;
}

export interface Links {
  /** What cannot be sent is dropped. */
  send(sessionIndex: number, send: ClientSend): void;
  states(): readonly LinkState[];
  /** To be called every `PROBE_TICK_MS`; while calls wait, it looks who is silent. */
  tick(callsWait: boolean): void;
  close(): Promise<void>;
}

export function openLinks(
  { key, genesis, replicas, networkLimits }: ConnectOptions,
  cluster: Cluster,
  events: LinkEvents,
): Links {
  const ends: { connected: boolean; reason: string | undefined }[] = replicas.map(() => ({
    connected: false,
    reason: undefined,
  }));
  let reachable = 0;

  const prober = makeProber({
    onProbe: (replica) => transport.send(replica, PROBE),
    onDead(replica, silentMs) {
      const text = `replica ${replica} was silent for ${silentMs} ms`;
      transport.disconnect(replica, new NetworkError('IDLE', text));
    },
  });
  const transport = createClientTransport({
    seed: key,
    clusterId: cluster.id,
    epoch: cluster.epoch,
    replicas: replicas.map(({ host, port }, i) => ({ host, port, publicKey: genesis.replicas[i]! })),
    ...(networkLimits === undefined ? {} : { limits: networkLimits }),
    onFrame(from, frame) {
      if (prober.heard(from)) countReachable();
      const message = decode(messageSchema, frame);
      if (message.ok) events.onMessage(from, message.value);
      else events.onMalformed(from);
    },
    onConnected(replica) {
      change(replica, true, undefined);
      events.onUp(replica);
    },
    onDisconnected: (replica, { message }) => onDown(replica, message),
    onRefused: (replica, { message }) => onDown(replica, message),
  });

  function onDown(replica: ReplicaIndex, reason: string): void {
    change(replica, false, reason);
    events.onDown(replica, reason);
  }

  function change(replica: ReplicaIndex, connected: boolean, reason: string | undefined): void {
    ends[replica] = { connected, reason };
    prober.reset(replica);
    countReachable();
  }

  function isReachable(replica: ReplicaIndex): boolean {
    return ends[replica]!.connected && !prober.isSilent(replica);
  }

  function countReachable(): void {
    const count = ends.filter((_, replica) => isReachable(replica)).length;
    if (count === reachable) return;
    reachable = count;
    events.onReach(count);
  }

  return {
    send(sessionIndex, { to, message }) {
      const frame = encode(messageSchema, addressed(sessionIndex, message));
      if (to !== 'all') transport.send(to, frame);
      else for (const replica of replicas.keys()) transport.send(replica, frame);
    },
    states: () => ends.map((end, replica) => ({ ...end, reachable: isReachable(replica) })),
    tick(callsWait) {
      prober.tick(callsWait ? ends.map(({ connected }) => connected) : []);
      countReachable();
    },
    close: () => transport.close(),
  };
}

/** Who asks by FETCH: one of the sessions, or nobody who waits for the answer. */
const ASKERS = SESSIONS_MAX + 1;

/** A FETCH that costs a replica nothing and that every one answers, whatever it is about: the proof that nothing extends nothing. */
const PROBE = encode(messageSchema, {
  type: 'fetch',
  number: SESSIONS_MAX,
  want: { type: 'proof', from: 0, to: 0 },
});

/** Sessions number their FETCHes alike, so the session's index goes into the number. */
export function addressed(sessionIndex: number, message: Message): Message {
  if (message.type !== 'fetch') return message;
  return { ...message, number: message.number * ASKERS + sessionIndex };
}

/**
 * The session that awaits `message`, and the message as that session is to see it; undefined if none does (any longer). Evidence is for all:
 * the first takes it, and what it finds they share.
 */
export function addresseeOf<T extends { readonly session: ClientSession }>(
  sessions: ReadonlyMap<number, T>,
  message: Message,
): { readonly to: T; readonly message: Message } | undefined {
  if (message.type === 'fetched') {
    const to = sessions.get(message.number % ASKERS);
    return to && { to, message: { ...message, number: Math.floor(message.number / ASKERS) } };
  }
  if (message.type === 'evidence') {
    const [to] = sessions.values();
    return to && { to, message };
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
