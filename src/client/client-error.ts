/**
 * What a call can end with beside its result. The code says what happened, `outcome` what that means for the operation: whoever sends it
 * again after 'unknown' must be able to bear that it is applied twice.
 */

import type { Rejection } from '../protocol/client/index.ts';

export type ClientErrorCode =
  /** Certainly not applied; `status` says why. */
  | 'REJECTED'
  /**
   * No quorum answered in time, and the operation was never sent, or was a read: certainly not applied. `reachable` of the replicas could be
   * reached at the end, `needed` must answer.
   */
  | 'NO_QUORUM'
  /** The same for an operation that was sent; or its session was evicted while it was in flight. It may be applied, even later. */
  | 'OUTCOME_UNKNOWN'
  /** Applied, but the replicas no longer keep its result. */
  | 'RESULT_LOST'
  /** Applied and accepted, but fewer witnesses than demanded have cosigned its history in time. */
  | 'NOT_WITNESSED'
  /**
   * A quorum signed a history that is not ours, or there is proof that more than f replicas are faulty: `evidence` is the file. The client is
   * of no more use.
   */
  | 'FORKED'
  /** The caller's signal was aborted. */
  | 'ABORTED'
  /** The client is closed. */
  | 'CLOSED'
  /** The client's own state could not be stored or read; `cause` says why. It is closed. */
  | 'STATE'
  /** A wrong argument. */
  | 'INVALID';

/** Whether the operation was applied in the history that this client follows. */
export type OperationOutcome = 'applied' | 'not-applied' | 'unknown';

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly outcome: OperationOutcome;
  /** Of REJECTED. */
  readonly status: Rejection | undefined;
  /** Of calls that ended for want of time: how many replicas could be reached then, and how many must answer. */
  readonly reachable: number | undefined;
  readonly needed: number | undefined;
  /** Of FORKED: the file that proves it (docs/formats/evidence.md), if there is proof and a state directory to keep it in. */
  readonly evidence: string | undefined;

  constructor(
    code: ClientErrorCode,
    outcome: OperationOutcome,
    message: string,
    more: {
      readonly status?: Rejection;
      readonly cause?: unknown;
      readonly reachable?: number;
      readonly needed?: number;
      readonly evidence?: string | undefined;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.outcome = outcome;
    this.status = more.status;
    this.reachable = more.reachable;
    this.needed = more.needed;
    this.evidence = more.evidence;
  }
}

export function invalid(message: string, cause?: unknown): ClientError {
  return new ClientError('INVALID', 'not-applied', message, { cause });
}
