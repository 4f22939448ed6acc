/** Schemas made of schemas: struct, list, optional. Their depth is that of the declaration, never of the input. */

import { randomSize } from './byte-strings.ts';
import { refuse, within } from './encode-error.ts';
import type { Schema, TypeOf } from './schema.ts';

export type Fields = Readonly<Record<string, Schema<unknown>>>;
export type StructOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K]> };

/** The fields one after the other in the order in which they are declared, with nothing between them. */
export function struct<const F extends Fields>(fields: F): Schema<StructOf<F>> {
  const names = Object.keys(fields);
  const schemas = Object.values(fields);
  return {
    encode(value: Readonly<Record<string, unknown>>, writer) {
      if (typeof value !== 'object' || value === null) refuse('a struct', value);
      let i = 0;
      try {
        for (; i < schemas.length; i++) schemas[i]!.encode(value[names[i]!], writer);
      } catch (error) {
        throw within(`.${names[i]}`, error);
      }
    },
    decode(reader) {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < schemas.length; i++) value[names[i]!] = schemas[i]!.decode(reader);
      return value as StructOf<F>;
    },
    bytesMin: schemas.reduce((sum, schema) => sum + schema.bytesMin, 0),
    bytesMax: schemas.reduce((sum, schema) => sum + schema.bytesMax, 0),
    describe: () => `struct{${names.map((name, i) => `${name}: ${schemas[i]!.describe()}`).join(', ')}}`,
    generate(random) {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < schemas.length; i++) value[names[i]!] = schemas[i]!.generate(random);
      return value as StructOf<F>;
    },
  };
}

/**
 * `min`…`max` elements after their u32 number. A number that the rest of the input cannot hold is refused before
 * the first element is read, so that a few bytes cannot ask for much memory.
 * @throws Error if an element can have no bytes at all, since that check could not hold then.
 */
export function list<T>(schema: Schema<T>, max: number, min = 0): Schema<readonly T[]> {
  if (schema.bytesMin === 0)
    throw new Error(`list of ${schema.describe()}: every element must take a byte or more`);
  const limits = min === 0 ? `≤ ${max}` : min === max ? `= ${max}` : `${min}…${max}`;
  return {
    encode(value, writer) {
      if (!Array.isArray(value) || value.length < min || value.length > max) {
        refuse(`a list of ${min}…${max} elements`, value);
      }
      writer.u32(value.length);
      let i = 0;
      try {
        for (; i < value.length; i++) schema.encode(value[i]!, writer);
      } catch (error) {
        throw within(`[${i}]`, error);
      }
    },
    decode(reader) {
      const start = reader.offset;
      const count = reader.u32();
      if (count < min || count > max) reader.fail(`list of ${count} elements, ${min}…${max} allowed`, start);
      if (count * schema.bytesMin > reader.remaining) {
        reader.fail(`list of ${count} elements does not fit the ${reader.remaining} bytes left`, start);
      }
      const value: T[] = [];
      for (let i = 0; i < count; i++) value.push(schema.decode(reader));
      return value;
    },
    bytesMin: 4 + min * schema.bytesMin,
    bytesMax: 4 + max * schema.bytesMax,
    describe: () => `list ${limits} of ${schema.describe()}`,
    generate(random) {
      return Array.from({ length: randomSize(random, min, Math.min(max, min + 8)) }, () =>
        schema.generate(random),
      );
    },
  };
}

/**
 * A 0 byte for undefined, or a 1 byte and the value. The type keeps an optional out of an optional, which would
 * have two encodings of undefined.
 */
export function optional<T extends NonNullable<unknown> | null>(schema: Schema<T>): Schema<T | undefined> {
  return {
    encode(value, writer) {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) schema.encode(value, writer);
    },
    decode(reader) {
      const start = reader.offset;
      const present = reader.u8();
      if (present > 1) reader.fail(`presence is ${present}, not 0 or 1`, start);
      return present === 1 ? schema.decode(reader) : undefined;
    },
    bytesMin: 1,
    bytesMax: 1 + schema.bytesMax,
    describe: () => `optional ${schema.describe()}`,
    generate: (random) => (random(2) === 0 ? undefined : schema.generate(random)),
  };
}
