/**
 * Invariants. An assertion is on in production: a replica whose own state contradicts itself must stop
 * rather than go on signing. It is never used on remote input, which is refused with a reason instead.
 */

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** @throws InvariantError if `condition` is false; `text` says what must hold. */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new InvariantError(text);
}

/** Ends a switch over a union: the compiler refuses it while a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
