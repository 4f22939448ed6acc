/** The codec's public face: every combinator, and the two functions that run a schema over whole byte strings. */

import { fail, ok, type Result } from '../types/result.ts';
import { Malformed, Reader } from './reader.ts';
import type { Schema } from './schema.ts';
import { Writer } from './writer.ts';

export { choice, mapped, refined, union } from './alternatives.ts';
export { bytes, fixed, text } from './byte-strings.ts';
export { list, optional, struct } from './composites.ts';
export { EncodeError } from './encode-error.ts';
export type { Reader } from './reader.ts';
export { bool, range, u8, u16, u32, u53 } from './scalars.ts';
export type { Random, Schema, TypeOf } from './schema.ts';
export type { Writer } from './writer.ts';

export interface DecodeError {
  readonly code: 'MALFORMED';
  /** For people; it quotes numbers of the input, never its bytes. */
  readonly reason: string;
  /** Where in the input the offending item begins. */
  readonly offset: number;
}

/** A writer whose buffer grew beyond this is not kept, so that one huge message does not hold memory for ever. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

let spare: Writer | undefined;

/**
 * The canonical encoding of `value`, in a new array of exactly its size.
 * @throws EncodeError, which names the field and its limit, if the schema does not allow the value.
 */
export function encode<T>(schema: Schema<T>, value: T): Uint8Array {
  // The writer is taken out while it is in use, so that a schema that itself calls `encode` gets another.
  const writer = spare ?? new Writer();
  spare = undefined;
  writer.length = 0;
  try {
    schema.encode(value, writer);
    return writer.bytes.slice(0, writer.length);
  } finally {
    if (writer.bytes.length <= KEPT_BYTES_MAX) spare = writer;
  }
}

/**
 * The value that `input` encodes; all of the input must be used. Never throws on any input, and never allocates
 * more than a small multiple of it. Byte strings in the value are views of `input`: whoever changes or reuses
 * its memory changes them, and whoever keeps one keeps all of it.
 */
export function decode<T>(schema: Schema<T>, input: Uint8Array): Result<T, DecodeError> {
  const reader = new Reader(input);
  try {
    const value = schema.decode(reader);
    if (reader.remaining !== 0) reader.fail(`${reader.remaining} bytes after the end`);
    return ok(value);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return fail({ code: 'MALFORMED', reason: error.reason, offset: error.offset });
  }
}
