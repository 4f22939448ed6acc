/** From the session's words for how an operation ended to the caller's: an answer or a ClientError that names the way out. */

import type { Outcome, Receipt, Rejection } from '../protocol/client/index.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { Result } from '../types/result.ts';
import { fail, ok } from '../types/result.ts';
import { ClientError, invalid } from './client-error.ts';

export interface Answer {
  readonly result: Uint8Array;
  /** The state that the result comes from, signed by a quorum. */
  readonly head: Head;
  /** Proves the result to anyone (`rejectReceipt`); undefined for a read that was not ordered. */
  readonly receipt: Receipt | undefined;
}

const REJECTIONS: Readonly<Record<Rejection, string>> = {
  'NO-SESSION':
    'its session was evicted before it was used: too many sessions of this key are opened; try again, or use fewer',
  FORKED: 'the replicas have another history than this client',
  GAP: 'the session has applied requests that this client does not know of: its state directory is an old copy, or another process uses the session; connect again with a state directory of its own',
  STALE: 'this client has been away for too long to prove that it is on the same history',
  FULL: 'the cluster has no room for another session; try again later',
  DENIED: 'the cluster admits listed keys only, and this key is not among them; ask its operators to list it',
  'TOO-LARGE':
    'the operation is larger than a request of this cluster may be (requestBytesMax of the genesis)',
  'QUEUE-FULL': 'too many operations wait already; wait for some of them, or use more sessions',
  WITHDRAWN: 'it was withdrawn before it was sent',
  CLOSED: 'the client was closed before it was sent',
  'BAD-HEAD': 'the head is not signed by a quorum of this cluster',
  'NO-PROOF':
    'no replica has proved how the head stands to the history of this client; they may be behind, or on another fork: try again, or take the head to others',
};

export function answerOf(outcome: Outcome): Result<Answer, ClientError> {
  switch (outcome.type) {
    case 'accepted':
      return ok({ result: outcome.result, head: outcome.receipt.head, receipt: outcome.receipt });
    case 'read':
      return ok({ result: outcome.result, head: outcome.head, receipt: undefined });
    case 'rejected':
      return fail(rejected(outcome.status));
    default:
      return fail(unknown(outcome.reason));
  }
}

function rejected(status: Rejection): ClientError {
  if (status === 'CLOSED') return new ClientError('CLOSED', 'not-applied', REJECTIONS.CLOSED);
  if (status === 'FORKED') return new ClientError('FORKED', 'not-applied', FORKED_TEXT);
  if (status === 'BAD-HEAD') return invalid(REJECTIONS['BAD-HEAD']);
  return new ClientError('REJECTED', 'not-applied', `not applied: ${REJECTIONS[status]}`, { status });
}

const FORKED_TEXT =
  'a quorum signed a history that is not the one this client has seen: more than f replicas are faulty; both heads are kept as evidence, compare them with what other clients hold';

function unknown(reason: Extract<Outcome, { type: 'unknown' }>['reason']): ClientError {
  switch (reason) {
    case 'FORKED':
      return new ClientError('FORKED', 'unknown', FORKED_TEXT);
    case 'CLOSED':
      return new ClientError('CLOSED', 'unknown', 'the client was closed while the operation was in flight');
    case 'NO-SESSION':
      return new ClientError(
        'OUTCOME_UNKNOWN',
        'unknown',
        'the session was evicted while the operation was in flight: it may have been applied before',
      );
    default:
      return new ClientError(
        'RESULT_LOST',
        'applied',
        'the operation was applied, but the replicas no longer keep its result',
      );
  }
}
