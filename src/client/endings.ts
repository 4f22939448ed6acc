/** How a call ends that its operation did not end: what the caller is told, and what that means for the operation. */

import { ClientError, type ClientErrorCode, type OperationOutcome } from './client-error.ts';
import type { LinkState } from './links.ts';

/** It has waited as long as it may. The code alone says whether it may be sent again without a second thought. */
export function late(
  links: readonly LinkState[],
  needed: number,
  waitedMs: number,
  outcome: OperationOutcome,
): ClientError {
  const reachable = links.filter((link) => link.reachable).length;
  const missing = links.flatMap((link, i) => (link.reachable ? [] : [`replica ${i}: ${complaint(link)}`]));
  const names = missing.length === 0 ? '' : ` (${missing.join('; ')})`;
  const text = `no answer of a quorum within ${waitedMs} ms: ${reachable} of ${links.length} replicas can be reached, ${needed} must answer${names}`;
  const code = outcome === 'not-applied' ? 'NO_QUORUM' : 'OUTCOME_UNKNOWN';
  return new ClientError(code, outcome, `${text}; ${meaning(outcome)}`, { reachable, needed });
}

function complaint({ connected, reason }: LinkState): string {
  return connected ? 'connected, but silent' : (reason ?? 'no connection yet');
}

/** More than f replicas are proved faulty. `evidence` is the file that says so; undefined without a state directory. */
export function forkProved(outcome: OperationOutcome, evidence: string | undefined): ClientError {
  const kept =
    evidence === undefined
      ? 'the evidence was told as an event; give a stateDirectory to have it kept'
      : `the evidence is ${evidence}`;
  const text = `more replicas are proved faulty than this cluster tolerates, and clients may have been shown different histories: ${kept}; show it to the operators`;
  return new ClientError('FORKED', outcome, `${text}; ${meaning(outcome)}`, { evidence });
}

export function aborted(outcome: OperationOutcome, cause: unknown): ClientError {
  return ended('ABORTED', outcome, 'the caller aborted the call', cause);
}

export function ended(
  code: ClientErrorCode,
  outcome: OperationOutcome,
  text: string,
  cause?: unknown,
): ClientError {
  return new ClientError(code, outcome, `${text}; ${meaning(outcome)}`, { cause });
}

function meaning(outcome: OperationOutcome): string {
  if (outcome === 'applied') return 'it was applied';
  return outcome === 'unknown' ? 'it may still be applied' : 'it was not applied';
}
