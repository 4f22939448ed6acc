/**
 * What a call can end with beside its result. The code says what happened, `outcome` what that means for the operation: whoever sends it
 * again after 'unknown' must be able to bear that it is applied twice.
 */

import type { Rejection } from '../protocol/client/index.ts';

export type ClientErrorCode =
  /** Certainly not applied; `status` says why. */
  | 'REJECTED'
  /** The deadline passed while fewer replicas than a quorum were connected; or, for a read, before a quorum agreed. */
  | 'NO_QUORUM'
  /** The deadline passed after the operation was sent, or its session was evicted while it was in flight. */
  | 'OUTCOME_UNKNOWN'
  /** Applied, but the replicas no longer keep its result. */
  | 'RESULT_LOST'
  /** A quorum signed a history that is not ours: more than f replicas are faulty. The client is of no more use. */
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

  constructor(
    code: ClientErrorCode,
    outcome: OperationOutcome,
    message: string,
    more: { readonly status?: Rejection; readonly cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.outcome = outcome;
    this.status = more.status;
  }
}

export function invalid(message: string, cause?: unknown): ClientError {
  return new ClientError('INVALID', 'not-applied', message, { cause });
}
