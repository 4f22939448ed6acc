/** Schemas that stand for one of several things, and schemas that narrow or rename what another one decodes. */

import { refuse, within } from './encode-error.ts';
import type { Schema } from './schema.ts';

/** A tag of one byte, 0…255, and what follows it. Tags are written down, never derived: they outlive reorderings. */
export type Cases = Readonly<Record<string, readonly [tag: number, schema: Schema<object>]>>;

export type UnionOf<Key extends string, C extends Cases> = {
  [Name in keyof C]: C[Name] extends readonly [number, Schema<infer T>]
    ? { readonly [K in Key | keyof T]: K extends keyof T ? T[K] : Name }
    : never;
}[keyof C];

/**
 * One of the cases, told apart by a u8 tag in the bytes and by the case's name under `key` in the value.
 * @throws Error if two cases share a tag or a tag is not a u8: a mistake in the declaration.
 */
export function union<const Key extends string, const C extends Cases>(
  key: Key,
  cases: C,
): Schema<UnionOf<Key, C>> {
  type Value = UnionOf<Key, C>;
  const names = Object.keys(cases);
  const byTag = new Map<number, { name: string; schema: Schema<object> }>();
  for (const [name, [tag, schema]] of Object.entries(cases)) {
    if (!Number.isInteger(tag) || tag < 0 || tag > 255)
      throw new Error(`union case ${name}: tag ${tag} is not 0…255`);
    if (byTag.has(tag))
      throw new Error(`union cases ${byTag.get(tag)!.name} and ${name} share the tag ${tag}`);
    byTag.set(tag, { name, schema });
  }
  const members = [...byTag.values()];
  return {
    encode(value, writer) {
      const name = (value as Readonly<Record<string, unknown>> | undefined)?.[key];
      if (typeof name !== 'string' || !Object.hasOwn(cases, name))
        refuse(`${key}: one of ${names.join(', ')}`, name);
      const [tag, schema] = cases[name as keyof C]!;
      writer.u8(tag);
      try {
        schema.encode(value as object, writer);
      } catch (error) {
        throw within(`(${name})`, error);
      }
    },
    decode(reader) {
      const start = reader.offset;
      const tag = reader.u8();
      const member = byTag.get(tag);
      if (member === undefined) return reader.fail(`unknown ${key} ${tag}`, start);
      return { [key]: member.name, ...member.schema.decode(reader) } as Value;
    },
    bytesMin: 1 + Math.min(...members.map(({ schema }) => schema.bytesMin)),
    bytesMax: 1 + Math.max(...members.map(({ schema }) => schema.bytesMax)),
    describe: () =>
      `union{${[...byTag].map(([tag, { name, schema }]) => `${tag} ${name}: ${schema.describe()}`).join(' | ')}}`,
    generate(random) {
      const { name, schema } = members[random(members.length)]!;
      return { [key]: name, ...schema.generate(random) } as Value;
    },
  };
}

/** One of at most 256 strings, as the u8 index in the list. */
export function choice<const Names extends readonly [string, ...string[]]>(
  names: Names,
): Schema<Names[number]> {
  const all: readonly Names[number][] = names;
  const indices = new Map(all.map((name, index) => [name, index]));
  if (indices.size !== all.length || all.length > 256)
    throw new Error('a choice needs at most 256 different names');
  return {
    encode(value, writer) {
      writer.u8(indices.get(value) ?? refuse(`one of ${all.join(', ')}`, value));
    },
    decode(reader) {
      const start = reader.offset;
      const index = reader.u8();
      return all[index] ?? reader.fail(`choice ${index}, below ${all.length} allowed`, start);
    },
    bytesMin: 1,
    bytesMax: 1,
    describe: () => `choice ${all.join(' | ')}`,
    generate: (random) => all[random(all.length)]!,
  };
}

/**
 * What `schema` decodes, seen as another type. `to` and `from` must be inverse to each other and never throw: if
 * `to` gave one value for two, that value would have two encodings.
 */
export function mapped<A, B>(
  schema: Schema<A>,
  to: (value: A) => B,
  from: (value: B) => A,
  description: string = schema.describe(),
): Schema<B> {
  return {
    encode: (value, writer) => schema.encode(from(value), writer),
    decode: (reader) => to(schema.decode(reader)),
    bytesMin: schema.bytesMin,
    bytesMax: schema.bytesMax,
    describe: () => description,
    generate: (random) => to(schema.generate(random)),
  };
}

/**
 * The values of `schema` to which `reject` has no objection, such as lists in ascending order. `description` says
 * which ones those are; `repair` makes a generated value one of them.
 */
export function refined<T>(
  schema: Schema<T>,
  reject: (value: T) => string | undefined,
  description: string,
  repair: (value: T) => T,
): Schema<T> {
  return {
    encode(value, writer) {
      const reason = reject(value);
      if (reason !== undefined) refuse(`${description} (${reason})`, value);
      schema.encode(value, writer);
    },
    decode(reader) {
      const start = reader.offset;
      const value = schema.decode(reader);
      const reason = reject(value);
      return reason === undefined ? value : reader.fail(reason, start);
    },
    bytesMin: schema.bytesMin,
    bytesMax: schema.bytesMax,
    describe: () => `${schema.describe()}, ${description}`,
    generate: (random) => repair(schema.generate(random)),
  };
}
