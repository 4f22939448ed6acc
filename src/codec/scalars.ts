/** Numbers and booleans: big-endian, of fixed width, unsigned, because every quantity of the protocol is. */

import { refuse } from './encode-error.ts';
import type { Reader } from './reader.ts';
import type { Random, Schema } from './schema.ts';
import type { Writer } from './writer.ts';

type IntegerName = 'u8' | 'u16' | 'u32' | 'u53';

/** 1 byte, 0…255. */
export const u8: Schema<number> = integer('u8', 1, 0xff);
/** 2 bytes, 0…65,535. */
export const u16: Schema<number> = integer('u16', 2, 0xffff);
/** 4 bytes, 0…2³²−1. */
export const u32: Schema<number> = integer('u32', 4, 0xffff_ffff);
/** 8 bytes, 0…2⁵³−1: the integers that a JavaScript number holds exactly; larger ones are refused. */
export const u53: Schema<number> = integer('u53', 8, Number.MAX_SAFE_INTEGER);

/** 1 byte, 0 or 1. */
export const bool: Schema<boolean> = {
  encode(value, writer) {
    if (typeof value !== 'boolean') refuse('a boolean', value);
    writer.u8(value ? 1 : 0);
  },
  decode(reader) {
    const start = reader.offset;
    const byte = reader.u8();
    if (byte > 1) reader.fail(`boolean is ${byte}, not 0 or 1`, start);
    return byte === 1;
  },
  bytesMin: 1,
  bytesMax: 1,
  describe: () => 'bool',
  generate: (random) => random(2) === 1,
};

/** An integer of `schema`'s width that must lie in `min`…`max`, both included. */
export function range(schema: Schema<number>, min: number, max: number): Schema<number> {
  return {
    encode(value, writer) {
      if (value < min || value > max) refuse(`an integer in ${min}…${max}`, value);
      schema.encode(value, writer);
    },
    decode(reader) {
      const start = reader.offset;
      const value = schema.decode(reader);
      if (value < min || value > max) reader.fail(`${value} is not in ${min}…${max}`, start);
      return value;
    },
    bytesMin: schema.bytesMin,
    bytesMax: schema.bytesMax,
    describe: () => `${schema.describe()} in ${min}…${max}`,
    generate: (random) => min + generateUpTo(random, max - min),
  };
}

function integer(name: IntegerName, bytes: number, max: number): Schema<number> {
  return {
    encode(value: number, writer: Writer) {
      if (!Number.isInteger(value) || value < 0 || value > max)
        refuse(`${name}, an integer in 0…${max}`, value);
      writer[name](value);
    },
    decode: (reader: Reader) => reader[name](),
    bytesMin: bytes,
    bytesMax: bytes,
    describe: () => name,
    generate: (random) => generateUpTo(random, max),
  };
}

/** 0…max: often an end of the range or a small number, where mistakes live. */
function generateUpTo(random: Random, max: number): number {
  switch (random(4)) {
    case 0:
      return random(2) === 0 ? 0 : max;
    case 1:
      return random(Math.min(max, 15) + 1);
    default:
      return max < 0xffff_ffff ? random(max + 1) : Math.min(max, uniform53(random) % (max + 1));
  }
}

function uniform53(random: Random): number {
  return random(0x20_0000) * 0x1_0000_0000 + random(0x1_0000_0000);
}
