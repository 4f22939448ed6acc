/**
 * The step contract of a client session: what a driver (the public client, the simulator) puts in and what it must do with what comes
 * out, in this order:
 *   1. writes `persist`, if it is there, in place of what it wrote before. For a durable session it waits until that is durable;
 *   2. sends `sends`; one that cannot be sent is dropped, the session repeats it;
 *   3. hands out `completions`: exactly one for each token;
 *   4. shows `events` to whoever watches;
 *   5. calls `clientStep` with a `tick` at `wakeAtMs`, unless another step has given another time.
 */

import type { ReplicaIndex } from '../../types/identities.ts';
import type { Evidence } from '../accountability/evidence.ts';
import type { Receipt } from '../accountability/receipt.ts';
import type { EntryContent, Head } from '../messages/entry.ts';
import type { Message, MessageType } from '../messages/index.ts';
import type { Status } from '../messages/reply.ts';
import type { ClientRequest, SessionNumber } from '../messages/request.ts';
import type { DurableSession } from './durable.ts';

export type ClientInput =
  /** An operation to order. `token` is the driver's name for it, ≥ 0; negative ones name operations of an earlier process. */
  | { readonly type: 'submit'; readonly token: number; readonly operation: Uint8Array }
  /** An operation that changes nothing. Answered without ordering if Q replicas agree at once. */
  | { readonly type: 'read'; readonly token: number; readonly operation: Uint8Array }
  /** The newest head on which Q replicas agree, whatever our own history. Never ordered. */
  | { readonly type: 'head'; readonly token: number }
  /**
   * A head from elsewhere. It becomes `seen` once a proof shows that it extends our history; a proof that it does not ends the session as
   * FORKED; without a proof nothing changes (NO-PROOF).
   */
  | { readonly type: 'observe'; readonly token: number; readonly head: Head }
  /**
   * Nobody waits for this token any more. What was not sent is rejected as WITHDRAWN, so is what changes nothing: a READ, an observed head; what is in
   * flight stays so, and completes in its time.
   */
  | { readonly type: 'withdraw'; readonly token: number }
  /** `from` as the transport authenticated it. */
  | { readonly type: 'receive'; readonly from: ReplicaIndex; readonly message: Message }
  /** A replica's connection is up (again): it is sent what is in flight. */
  | { readonly type: 'connected'; readonly replica: ReplicaIndex }
  /**
   * Whether a quorum can be reached, as far as the driver knows; until told, it can. While it cannot, nothing new is sent: what waits stays
   * certainly not applied. What is in flight is repeated as ever.
   */
  | { readonly type: 'reach'; readonly quorum: boolean }
  | { readonly type: 'tick' }
  /** Nothing more is sent. A durable session's request in flight stays stored for the next process. */
  | { readonly type: 'close' };

/** Why an operation was certainly not applied in the client's history. */
export type Rejection =
  | Exclude<Status, 'OK'>
  | 'TOO-LARGE'
  | 'QUEUE-FULL'
  | 'WITHDRAWN'
  | 'CLOSED'
  /** Of an observed head: no quorum of this cluster has signed it; no replica has proved how it stands to our history. */
  | 'BAD-HEAD'
  | 'NO-PROOF';

export type Outcome =
  /** Executed, says a quorum; `result` is that of the receipt's `operation`. A read that was ordered ends like this too. */
  | { readonly type: 'accepted'; readonly result: Uint8Array; readonly receipt: Receipt }
  /** Q replicas answer this from the state after `head`; to `head` and `observe` with no bytes. Of `observe`, it is the later of the two heads. */
  | { readonly type: 'read'; readonly result: Uint8Array; readonly head: Head }
  | { readonly type: 'rejected'; readonly status: Rejection }
  /**
   * It may have been applied. FORKED: another fork may have applied it, or a fork was proved while it was in flight. NO-SESSION: it may have been applied before the session was
   * evicted. CLOSED: it was in flight. RESULT-LOST: it was applied, but the replicas no longer keep its result.
   */
  | { readonly type: 'unknown'; readonly reason: 'FORKED' | 'NO-SESSION' | 'CLOSED' | 'RESULT-LOST' };

export interface Completion {
  readonly token: number;
  readonly outcome: Outcome;
}

/** Facts, for logs, metrics, checkers and pictures; the driver acts on none of them but stores evidence and forks. */
export type ClientEvent =
  /** At the start: the request that an earlier process left in flight. Its operations complete under the tokens −1, −2, …. */
  | { readonly type: 'restored'; readonly request: ClientRequest }
  | { readonly type: 'opened'; readonly session: SessionNumber }
  | { readonly type: 'sent'; readonly request: ClientRequest; readonly operations: number }
  | { readonly type: 'repeated' }
  /** A head was taken as `seen`: of an OK, of an accepted read, of a STALE that was healed, or one that the caller showed. */
  | { readonly type: 'advanced'; readonly head: Head; readonly by: 'OK' | 'READ' | 'STALE' | 'OBSERVED' }
  | { readonly type: 'readOrdered'; readonly token: number; readonly reason: 'TIMEOUT' | 'REFUSED' }
  | { readonly type: 'healing'; readonly from: EntryContent; readonly to: EntryContent }
  | {
      readonly type: 'refused';
      readonly from: ReplicaIndex;
      readonly message: MessageType;
      readonly reason: string;
    }
  | { readonly type: 'busy'; readonly from: ReplicaIndex; readonly retryAfterMs: number }
  | {
      readonly type: 'evidence';
      readonly evidence: Evidence;
      readonly guilty: readonly ReplicaIndex[];
      readonly forked: boolean;
    }
  /**
   * A quorum refuses our history: more than f replicas are faulty. `own` is the head we accepted last (undefined: genesis), `theirs` the
   * one that refuses it. The session is over; evidence may follow, if a replica gives the proof between the two.
   */
  | { readonly type: 'forked'; readonly own: Head | undefined; readonly theirs: Head }
  /** The session's number is void. FORKED and GAP end this client session; after NO-SESSION it opens another by itself. */
  | { readonly type: 'sessionLost'; readonly reason: 'NO-SESSION' | 'FORKED' | 'GAP' };

export interface ClientSend {
  readonly to: 'all' | ReplicaIndex;
  readonly message: Message;
}

export interface ClientOutput {
  persist: DurableSession | undefined;
  sends: ClientSend[];
  completions: Completion[];
  events: ClientEvent[];
  /** Positive infinity: not before something else happens. */
  wakeAtMs: number;
}

export function emptyClientOutput(): ClientOutput {
  return {
    persist: undefined,
    sends: [],
    completions: [],
    events: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
  };
}
