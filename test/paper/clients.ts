/** Clients of a group: the real session machine, and a hand that signs whatever a test wants. */

import type { Signer } from '../../src/crypto/port.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import {
  type ClientEvent,
  type ClientInput,
  type ClientLimits,
  type ClientSession,
  clientStep,
  DEFAULT_CLIENT_LIMITS,
  type Outcome,
  startSession,
} from '../../src/protocol/client/index.ts';
import type { ClientOutput } from '../../src/protocol/client/io.ts';
import { readSessionNumber } from '../../src/protocol/client/open.ts';
import type { Head } from '../../src/protocol/messages/entry.ts';
import type { Message, MessageOf } from '../../src/protocol/messages/index.ts';
import {
  type ClientRequest,
  type Open,
  type Request,
  requestDigest,
  requestStatement,
  type Seen,
  type SessionNumber,
} from '../../src/protocol/messages/request.ts';
import { equalBytes, keyOf, u32Bytes, utf8 } from '../../src/types/bytes.ts';
import { type Group, type Listener, signerOf } from './group.ts';

export interface Client {
  readonly session: ClientSession;
  readonly events: ClientEvent[];
  readonly outcomes: Map<number, Outcome>;
  /** Where its messages go, and come from. */
  home: Group;
  /** The replicas that its messages reach; all if undefined. */
  reaches: readonly number[] | undefined;
  /** Submits, and answers the token. */
  submit(operation: string): number;
  read(operation: string): number;
  /** Submits and waits for the outcome. */
  call(operation: string): Outcome;
  input(what: ClientInput): void;
}

export interface ClientOptions {
  readonly seen?: Head;
  readonly limits?: Partial<ClientLimits>;
}

/** A session of the key that `name` stands for, which is heard in every group it is moved to. */
export function makeClient(home: Group, name: string, options: ClientOptions = {}): Client {
  const signer = signerOf(name);
  let drawn = 0;
  let nextToken = 0;
  const clock = () => ({ monotonicMs: client.home.nowMs, wallMs: 0 });
  const started = startSession(
    {
      context: home.context,
      signer,
      random: (length) => sha256(utf8(`random of ${name}`), u32Bytes(drawn++)).slice(0, length),
      seen: options.seen,
      durable: false,
      restored: undefined,
      limits: { ...DEFAULT_CLIENT_LIMITS, ...options.limits },
    },
    { monotonicMs: home.nowMs, wallMs: 0 },
  );
  const heard = new Set<Group>();
  const client: Client = {
    session: started.session,
    events: [],
    outcomes: new Map(),
    home,
    reaches: undefined,
    submit(operation) {
      const token = nextToken++;
      client.input({ type: 'submit', token, operation: utf8(operation) });
      return token;
    },
    read(operation) {
      const token = nextToken++;
      client.input({ type: 'read', token, operation: utf8(operation) });
      return token;
    },
    call(operation) {
      const token = client.submit(operation);
      client.home.until(() => client.outcomes.has(token));
      return client.outcomes.get(token)!;
    },
    input(what) {
      listenAt(client.home);
      carryOut(clientStep(client.session, what, clock()));
    },
  };
  const wakes = { atMs: Number.POSITIVE_INFINITY };

  function listenAt(group: Group): void {
    if (heard.has(group)) return;
    heard.add(group);
    const key = keyOf(signer.publicKey);
    const listener: Listener = {
      receive(from, message) {
        if (client.home === group) client.input({ type: 'receive', from, message });
      },
      get wakeAtMs() {
        return client.home === group ? wakes.atMs : Number.POSITIVE_INFINITY;
      },
      tick: () => client.input({ type: 'tick' }),
    };
    group.listeners.set(key, [...(group.listeners.get(key) ?? []), listener]);
  }

  function carryOut(output: ClientOutput): void {
    client.events.push(...output.events);
    wakes.atMs = output.wakeAtMs;
    const all = client.home.members.map((_, index) => index);
    for (const { to, message } of output.sends) {
      for (const index of to === 'all' ? all : [to]) {
        if (client.reaches?.includes(index) === false) continue;
        client.home.send({ kind: 'client', key: signer.publicKey }, index, message);
      }
    }
    for (const { token, outcome } of output.completions) client.outcomes.set(token, outcome);
  }

  carryOut(started.output);
  return client;
}

/** A client that keeps no rule: it signs what it is told to, and remembers every answer. */
export interface Hand {
  readonly signer: Signer;
  readonly heard: { readonly from: number; readonly message: Message }[];
  open(nonce: string, seen?: Seen): Open;
  request(session: SessionNumber, timestamp: number, operations: readonly string[], seen: Seen): Request;
  /** Sends to the replicas given, or to all. */
  send(request: ClientRequest, to?: readonly number[]): void;
  /** Of each replica its last REPLY to the request. */
  replies(request: ClientRequest): readonly MessageOf<'reply'>[];
  /** Sends to all and waits for a quorum of answers, which agree. */
  ask(request: ClientRequest): MessageOf<'reply'>;
  /** Opens a session, whose number and first `seen` it answers. */
  begin(nonce: string, seen?: Seen): { readonly session: SessionNumber; readonly seen: Seen };
}

export function genesisSeen(group: Group): Seen {
  return { sequenceNumber: 0, hashChainDigest: group.context.cluster.id };
}

export function makeHand(group: Group, name: string): Hand {
  const signer = signerOf(name);
  const { cluster, crypto } = group.context;
  const digestOf = (request: ClientRequest) => requestDigest(cluster, crypto, request);
  const hand: Hand = {
    signer,
    heard: [],
    open(nonce, seen = genesisSeen(group)) {
      const unsigned = {
        type: 'open' as const,
        client: signer.publicKey,
        nonce: sha256(utf8(nonce)).slice(0, 16),
        seen,
      };
      return { ...unsigned, signature: signer.sign(requestStatement(cluster, crypto, unsigned)) };
    },
    request(session, timestamp, operations, seen) {
      const unsigned = {
        type: 'request' as const,
        client: signer.publicKey,
        session,
        timestamp,
        operations: operations.map(utf8),
        seen,
      };
      return { ...unsigned, signature: signer.sign(requestStatement(cluster, crypto, unsigned)) };
    },
    send(request, to) {
      for (const index of to ?? group.members.keys()) {
        group.send({ kind: 'client', key: signer.publicKey }, index, { type: 'request', request });
      }
    },
    replies(request) {
      const last = new Map<number, MessageOf<'reply'>>();
      for (const { from, message } of hand.heard) {
        if (message.type !== 'reply' || !equalBytes(message.requestDigest, digestOf(request))) continue;
        last.set(from, message);
      }
      return [...last.values()];
    },
    ask(request) {
      hand.send(request);
      group.until(() => hand.replies(request).length >= cluster.thresholds.quorumSize);
      const [first, ...others] = hand.replies(request);
      for (const other of others) {
        if (other.status !== first!.status || !equalBytes(other.entry.logRoot, first!.entry.logRoot)) {
          throw new Error('the replicas disagree');
        }
      }
      return first!;
    },
    begin(nonce, seen) {
      const reply = hand.ask(hand.open(nonce, seen));
      const session = readSessionNumber(reply.results ?? []);
      if (session === undefined) throw new Error(`no session was made: ${reply.status}`);
      return { session, seen: seenOf(reply) };
    },
  };
  const key = keyOf(signer.publicKey);
  group.listeners.set(key, [
    ...(group.listeners.get(key) ?? []),
    {
      receive: (from, message) => hand.heard.push({ from, message }),
      wakeAtMs: Number.POSITIVE_INFINITY,
      tick() {},
    },
  ]);
  return hand;
}

/** The entry of a reply, as `seen`. */
export function seenOf({ entry }: MessageOf<'reply'>): Seen {
  return { sequenceNumber: entry.sequenceNumber, hashChainDigest: entry.hashChainDigest };
}

/** Texts of an accepted outcome's result, or what came instead. */
export function told(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'nothing yet';
  switch (outcome.type) {
    case 'accepted':
    case 'read':
      return new TextDecoder().decode(outcome.result);
    case 'rejected':
      return `rejected ${outcome.status}`;
    case 'unknown':
      return `unknown ${outcome.reason}`;
  }
}
