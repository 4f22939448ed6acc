/**
 * The error of encoding a value that its schema does not allow. It names the field by its path from the
 * outermost schema, which each enclosing schema completes as the error passes through it: nothing is kept on
 * the way down, so that encoding correct values pays nothing for it.
 */

export class EncodeError extends Error {
  override readonly name = 'EncodeError';
  /** Such as `.prePrepare.batch[3].operation`; empty if the outermost value itself is wrong. */
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string, cause?: unknown) {
    super(`cannot encode value${path}: ${reason}`, { cause });
    this.path = path;
    this.reason = reason;
  }
}

/** @throws EncodeError always: the value at hand is not what `expected` says, with its limit. */
export function refuse(expected: string, value: unknown): never {
  throw new EncodeError('', `expected ${expected}, got ${show(value)}`);
}

/** `error`, as thrown while encoding the member at `step` (`.field` or `[index]`), for the value around it. */
export function within(step: string, error: unknown): EncodeError {
  if (error instanceof EncodeError) return new EncodeError(step + error.path, error.reason, error.cause);
  return new EncodeError(step, error instanceof Error ? error.message : String(error), error);
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `${value.length} elements`;
  if (typeof value === 'string') return `'${value.slice(0, 40)}' (${value.length} characters)`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
