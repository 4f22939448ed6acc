/**
 * The step contract: what a driver (node, simulator, browser) puts into a replica and what it must do with what comes out.
 *
 * A driver calls `step` with one input at a time and then, in this order:
 *   1. appends `persist` to the log, in order;
 *   2. sends `sends` at once;
 *   3. sends `promises` only when every record appended so far is durable, those of earlier steps included. A promise to `all` goes to the
 *      replica itself too, as a `receive` from its own index: its own vote takes the same path as everyone's;
 *   4. carries out `receivedChunks`, `snapshots` and `discardBelow` when it has time, reporting snapshots by `snapshot-durable`;
 *   5. shows `events` to whoever watches; they change nothing;
 *   6. calls `step` with a `tick` at `wakeAtMs`, unless another step has given another time.
 * If writing fails the driver stops the replica; it never retries a sync.
 */

import type { Chunk } from '../../services/service.ts';
import type { Digest, PublicKey, ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import type { Evidence } from '../accountability/evidence.ts';
import type { EntryContent } from '../messages/entry.ts';
import type { StateSummary } from '../messages/fetch.ts';
import type { Message, MessageType } from '../messages/index.ts';
import type { DurableRecord } from '../records.ts';

/** Who sent a message, as the transport authenticated it. */
export type Party =
  | { readonly kind: 'replica'; readonly index: ReplicaIndex }
  | { readonly kind: 'client'; readonly key: PublicKey };

/** The time at a step. Only drivers read clocks. */
export interface Clock {
  /** Milliseconds that never go back; the origin is the driver's. All timers are on it. */
  readonly monotonicMs: number;
  /** Milliseconds since 1970; only for batch times. */
  readonly wallMs: number;
}

export type Input =
  | { readonly type: 'receive'; readonly from: Party; readonly message: Message }
  | { readonly type: 'tick' }
  /** A replica's connection is up (again): it is told our STATUS. */
  | { readonly type: 'connected'; readonly peer: ReplicaIndex }
  /** The snapshot at s and everything it needs is durable. */
  | { readonly type: 'snapshot-durable'; readonly sequenceNumber: SequenceNumber }
  /** The disk refuses: ask for another primary while it can still be said. */
  | { readonly type: 'disk-full' };

export type Destination =
  /** Every replica, this one included (by loopback). */
  | { readonly kind: 'all' }
  /** Every replica but this one. */
  | { readonly kind: 'others' }
  | { readonly kind: 'replica'; readonly index: ReplicaIndex }
  /** Every connection of the client's key. */
  | { readonly kind: 'client'; readonly key: PublicKey };

export interface Send {
  readonly to: Destination;
  readonly message: Message;
}

/** A snapshot to be written: the chunks that Σ covers, and what a restart needs besides. */
export interface SnapshotToWrite {
  readonly sequenceNumber: SequenceNumber;
  readonly entry: EntryContent;
  readonly summary: StateSummary;
  /** Sessions' chunks, then the service's. */
  readonly chunks: readonly Chunk[];
  /** (HCD, R) of the chain window in blocks of 64 B entries, aligned at multiples of `WINDOW_BLOCK`. */
  readonly windowChunks: readonly Chunk[];
}

export interface Output {
  persist: DurableRecord[];
  promises: Send[];
  sends: Send[];
  events: ReplicaEvent[];
  /** Written in order; each is reported by `snapshot-durable`. */
  snapshots: SnapshotToWrite[];
  /**
   * Pieces of the state that a transfer received: to be kept, so that it goes on after a restart where it stopped. No hurry: what is lost is
   * fetched again.
   */
  receivedChunks: Chunk[];
  /** Received pieces need no longer be kept. */
  transferEnded: boolean;
  /** Records with 0 < s ≤ this are no longer needed, once `carry` has been appended and is durable. */
  discardBelow: SequenceNumber | undefined;
  /** Promises without an s of their own that still hold when older records go. */
  carry: DurableRecord[];
  wakeAtMs: number;
}

/** Facts, for logs, metrics, checkers and pictures. */
export type ReplicaEvent =
  | { readonly type: 'refused'; readonly from: Party; readonly message: MessageType; readonly reason: string }
  | { readonly type: 'admitted'; readonly requestDigest: Digest }
  | {
      readonly type: 'proposed';
      readonly view: View;
      readonly sequenceNumber: SequenceNumber;
      readonly requests: number;
    }
  | {
      readonly type: 'accepted';
      readonly view: View;
      readonly sequenceNumber: SequenceNumber;
      readonly batchDigest: Digest;
    }
  | {
      readonly type: 'voted';
      readonly view: View;
      readonly sequenceNumber: SequenceNumber;
      readonly hashChainDigest: Digest;
    }
  | {
      readonly type: 'committed';
      readonly view: View;
      readonly sequenceNumber: SequenceNumber;
      readonly hashChainDigest: Digest;
    }
  | {
      readonly type: 'executed';
      readonly view: View;
      readonly batchDigest: Digest;
      readonly entry: EntryContent;
      readonly requests: number;
      readonly operations: number;
    }
  | { readonly type: 'suspected'; readonly view: View; readonly reason: string }
  | { readonly type: 'viewLeft'; readonly view: View; readonly next: View }
  | {
      readonly type: 'viewEntered';
      readonly view: View;
      readonly base: SequenceNumber;
      readonly headers: number;
    }
  | { readonly type: 'checkpointed'; readonly sequenceNumber: SequenceNumber; readonly stateDigest: Digest }
  | { readonly type: 'stable'; readonly sequenceNumber: SequenceNumber }
  | { readonly type: 'fetching'; readonly what: string; readonly peer: ReplicaIndex }
  | {
      readonly type: 'badAnswer';
      readonly peer: ReplicaIndex;
      readonly what: string;
      readonly reason: string;
    }
  | { readonly type: 'transferStarted'; readonly sequenceNumber: SequenceNumber }
  | { readonly type: 'transferred'; readonly sequenceNumber: SequenceNumber }
  | {
      readonly type: 'evidence';
      readonly evidence: Evidence;
      readonly guilty: readonly ReplicaIndex[];
      readonly forked: boolean;
    }
  /** More than f replicas are proved faulty: this replica orders nothing any more. */
  | { readonly type: 'orderingStopped'; readonly reason: string }
  /** This replica's promises were lost: it signs nothing more. The operator must give it a new key. */
  | { readonly type: 'becameLearner'; readonly reason: string }
  /** f+1 others agree on another state than ours: this replica must stop. */
  | { readonly type: 'diverged'; readonly sequenceNumber: SequenceNumber };

export function emptyOutput(): Output {
  return {
    persist: [],
    promises: [],
    sends: [],
    events: [],
    snapshots: [],
    receivedChunks: [],
    transferEnded: false,
    discardBelow: undefined,
    carry: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
  };
}
