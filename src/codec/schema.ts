/**
 * What a schema is. One schema per message is the only description of its layout: the TypeScript type, the
 * encoder, the bounded decoder, the row in the documentation and the fuzz generator all come from it, so that
 * they cannot drift apart.
 *
 * Schemas are canonical: a value has exactly one encoding, and every other byte string is refused. Two replicas that
 * agree on a value therefore agree on its bytes, and on their hash.
 */

import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export interface Schema<T> {
  /** @throws EncodeError if `value` is not one that `decode` can return: a local mistake. */
  encode(value: T, writer: Writer): void;
  /** Refuses bad input by `reader.fail`. Byte strings in the value share the input's memory. */
  decode(reader: Reader): T;
  /** Fewest bytes that an encoding can have: what a list checks its count against before it reads an element. */
  readonly bytesMin: number;
  /** Most bytes that an encoding can have; finite for every schema. */
  readonly bytesMax: number;
  /** For the documentation, e.g. `list ≤ 31 of u32`. */
  describe(): string;
  /** A valid value, small but with the limits well represented; `random(bound)` is an integer in 0…bound−1. */
  generate(random: Random): T;
}

/** An integer in 0…boundExclusive−1, for bounds of 1…2³². */
export type Random = (boundExclusive: number) => number;

export type TypeOf<S> = S extends Schema<infer T> ? T : never;
