/**
 * The one error of this room. Its code is stable: the driver decides by it (stop, come up as a learner, tell
 * the operator) and metrics are labelled with it; the text is for people.
 */

export type StorageErrorCode =
  /** The device or the quota is full. */
  | 'DISK_FULL'
  /** Any other failure of a file operation; `cause` has the system's error. */
  | 'IO'
  /** Another process uses the data directory. */
  | 'LOCKED'
  /** There is no data directory or log here, or there is one no longer. */
  | 'NOT_FORMATTED'
  /** A place that must be empty is not. */
  | 'NOT_EMPTY'
  /** No file of that name. */
  | 'NOT_FOUND'
  /** Bytes do not match their checksum or digest, and no whole copy exists. */
  | 'CORRUPT'
  /** Used after close. */
  | 'CLOSED';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Whether `error` is a StorageError with this code. */
export function isStorageError(error: unknown, code: StorageErrorCode): boolean {
  return error instanceof StorageError && error.code === code;
}
