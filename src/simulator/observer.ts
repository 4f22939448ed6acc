/**
 * What can be seen of a run from outside: messages that leave and arrive, records that become durable, executions, facts, faults, and
 * what clients are told. Checkers, the trace and the digest listen; none of them can change anything.
 */

import type { ClientEvent, Receipt } from '../protocol/client/index.ts';
import type { Context } from '../protocol/context.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { Message } from '../protocol/messages/index.ts';
import type { DurableRecord } from '../protocol/records.ts';
import type { ReplicaEvent, SnapshotToWrite } from '../protocol/replica/io.ts';
import type { PublicKey, ReplicaIndex, SequenceNumber } from '../types/identities.ts';
import type { Kernel } from './kernel.ts';
import type { Violation } from './violation.ts';

/** Replicas are 0…n−1, clients n and up. */
export type Endpoint = number;

/** One operation applied by one replica's service. */
export interface Execution {
  /** Counts the service's instances: a restarted replica executes anew. */
  readonly instance: number;
  readonly sequenceNumber: SequenceNumber;
  readonly client: PublicKey;
  readonly operation: Uint8Array;
  readonly result: Uint8Array;
}

/** Where a run takes place: all that an observer may need to know of it beforehand. */
export interface Setting {
  readonly kernel: Pick<Kernel, 'nowUs'>;
  readonly context: Context;
  readonly replicas: number;
  readonly clients: number;
}

/** What is done to a cluster from outside, for observers that draw it; the text beside it says the same to people. */
export type Happening =
  | {
      readonly type: 'crash' | 'restart' | 'pause' | 'resume' | 'lose-disk' | 'damage';
      readonly replica: ReplicaIndex;
    }
  | { readonly type: 'client-restart'; readonly client: number }
  /** Nothing passes from `from` to `to` until that cut is mended, or all are by `heal`. Cuts of one direction add up. */
  | { readonly type: 'cut' | 'mend'; readonly from: readonly Endpoint[]; readonly to: readonly Endpoint[] }
  | { readonly type: 'heal' }
  /** All that needs no place in a picture of its own; `name` for counting. */
  | { readonly type: 'other'; readonly name?: string };

export interface Observer {
  /** Before anything happens. */
  onBegin?(setting: Setting): void;
  /**
   * A message leaves its sender, before the network does anything to it. Its copy to `to[0]` has the number `id`, those to the others the
   * numbers after it.
   */
  onSend?(from: Endpoint, to: readonly Endpoint[], message: Message, id: number): void;
  /** It arrives, twice if the network doubles it; `bytes` are what travelled. */
  onDeliver?(from: Endpoint, to: Endpoint, message: Message, bytes: Uint8Array, id: number): void;
  /** The network loses it, for the reason given. */
  onLost?(from: Endpoint, to: Endpoint, message: Message, why: string, id: number): void;
  /** Its timer has fired. */
  onWake?(endpoint: Endpoint): void;
  /** The record survives any crash from now on. */
  onDurable?(replica: ReplicaIndex, record: DurableRecord): void;
  onSnapshotDurable?(replica: ReplicaIndex, snapshot: SnapshotToWrite): void;
  onEvent?(replica: ReplicaIndex, event: ReplicaEvent): void;
  onExecution?(replica: ReplicaIndex, execution: Execution): void;
  /** The replica has carried out a step. */
  onStep?(replica: ReplicaIndex): void;
  /** Something was done to the cluster from outside: a crash, a cut, a pause. */
  onFault?(text: string, what: Happening): void;
  onViolation?(violation: Violation): void;
  /** A client's submission, numbered by the client from 0. */
  onSubmit?(client: Endpoint, token: number, operation: Uint8Array, read: boolean): void;
  /** It is told the outcome: `applied` with the result and the s that it was executed at, where that is known. */
  onOutcome?(client: Endpoint, token: number, outcome: Outcome): void;
  onClientEvent?(client: Endpoint, event: ClientEvent): void;
}

export type Outcome =
  | {
      readonly type: 'accepted';
      readonly result: Uint8Array;
      readonly sequenceNumber: SequenceNumber;
      readonly receipt: Receipt;
    }
  | {
      readonly type: 'read';
      readonly result: Uint8Array;
      readonly sequenceNumber: SequenceNumber;
      readonly head: Head;
    }
  | { readonly type: 'rejected'; readonly status: string }
  | { readonly type: 'unknown'; readonly reason: string };

/** One observer that tells all of them, in order. */
export function tellAll(observers: readonly Observer[]): Required<Observer> {
  const tell = <K extends keyof Observer>(name: K) => {
    type Listener = (...args: Parameters<Required<Observer>[K]>) => void;
    const listeners = observers.flatMap((observer) => {
      const listener = observer[name] as Listener | undefined;
      return listener === undefined ? [] : [listener.bind(observer) as Listener];
    });
    // Most kinds have few listeners, and every message comes by here several times.
    const [first, ...others] = listeners;
    if (first === undefined) return () => {};
    if (others.length === 0) return first;
    const tellEach: Listener = (...args) => {
      for (const listener of listeners) listener(...args);
    };
    return tellEach;
  };
  return {
    onBegin: tell('onBegin'),
    onSend: tell('onSend'),
    onDeliver: tell('onDeliver'),
    onLost: tell('onLost'),
    onWake: tell('onWake'),
    onDurable: tell('onDurable'),
    onSnapshotDurable: tell('onSnapshotDurable'),
    onEvent: tell('onEvent'),
    onExecution: tell('onExecution'),
    onStep: tell('onStep'),
    onFault: tell('onFault'),
    onViolation: tell('onViolation'),
    onSubmit: tell('onSubmit'),
    onOutcome: tell('onOutcome'),
    onClientEvent: tell('onClientEvent'),
  };
}
