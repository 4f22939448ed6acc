/**
 * Why a replica's process cannot start or cannot go on: one code for programs, with the exit status it stands for, and a text for the
 * operator that names the thing, what was expected and the way out.
 */

import { NetworkError } from '../network/network-error.ts';
import { StorageError } from '../storage/storage-error.ts';
import { InvariantError } from '../types/assert.ts';

export type NodeErrorCode =
  /** The replica's own state contradicts itself: a bug, or damaged memory. */
  | 'INVARIANT'
  /** A file of the operator's is missing, wrong, or does not fit the others. */
  | 'CONFIG'
  /** The disk failed, is full, is in use, or is not the one that belongs to this replica. */
  | 'STORAGE'
  /** A port cannot be opened. */
  | 'NETWORK'
  /** f+1 others agree on another state than ours. */
  | 'DIVERGED';

/** The exit status of a replica's process; 0 after a graceful stop. */
export const EXIT_STATUS: Readonly<Record<NodeErrorCode | 'OK', number>> = {
  OK: 0,
  INVARIANT: 1,
  CONFIG: 2,
  STORAGE: 3,
  NETWORK: 4,
  DIVERGED: 5,
};

export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: NodeErrorCode;

  constructor(code: NodeErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** What the system said, without the name of its error's class. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whatever stopped a replica, as a NodeError: what nobody foresaw counts as a broken invariant. */
export function asNodeError(error: unknown): NodeError {
  if (error instanceof NodeError) return error;
  if (error instanceof StorageError) return new NodeError('STORAGE', error.message, error);
  if (error instanceof NetworkError) return new NodeError('NETWORK', error.message, error);
  const text = reasonOf(error);
  const what = error instanceof InvariantError ? 'an invariant does not hold' : 'an unexpected error';
  return new NodeError(
    'INVARIANT',
    `the process stopped because of ${what}: ${text}. Keep its data directory and its log for whoever looks into it.`,
    error,
  );
}
