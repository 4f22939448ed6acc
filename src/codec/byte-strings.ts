/** Byte strings and text. Lengths are written as u32 where they vary, and bounded before anything is read. */

import { refuse } from './encode-error.ts';
import type { Random, Schema } from './schema.ts';

const utf8Encoder = new TextEncoder();
// `ignoreBOM` keeps a leading U+FEFF: dropped, two encodings would give one string.
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Exactly `length` bytes, without a prefix. */
export function fixed(length: number): Schema<Uint8Array> {
  return {
    encode(value, writer) {
      if (!(value instanceof Uint8Array) || value.length !== length) refuse(`exactly ${length} bytes`, value);
      writer.raw(value);
    },
    decode: (reader) => reader.raw(length),
    bytesMin: length,
    bytesMax: length,
    describe: () => `fixed ${length}`,
    generate: (random) => randomBytes(random, length),
  };
}

/** 0…`max` bytes after their u32 number. */
export function bytes(max: number): Schema<Uint8Array> {
  return {
    encode(value, writer) {
      if (!(value instanceof Uint8Array) || value.length > max) refuse(`at most ${max} bytes`, value);
      writer.u32(value.length);
      writer.raw(value);
    },
    decode(reader) {
      const start = reader.offset;
      const length = reader.u32();
      if (length > max) reader.fail(`${length} bytes, at most ${max} allowed`, start);
      return reader.raw(length);
    },
    bytesMin: 4,
    bytesMax: 4 + max,
    describe: () => `bytes ≤ ${max}`,
    generate: (random) => randomBytes(random, randomSize(random, 0, max)),
  };
}

/** A string of at most `maxUtf8Bytes` bytes in UTF-8, after their u32 number. Lone surrogates have no encoding. */
export function text(maxUtf8Bytes: number): Schema<string> {
  const expected = `well-formed text of at most ${maxUtf8Bytes} UTF-8 bytes`;
  return {
    encode(value, writer) {
      if (typeof value !== 'string' || value.length > maxUtf8Bytes || LONE_SURROGATE.test(value)) {
        refuse(expected, value);
      }
      const prefix = writer.claim(4);
      // A UTF-16 unit needs at most 3 bytes; what does not fit is left unread, which shows in `read`.
      const start = writer.claim(Math.min(3 * value.length, maxUtf8Bytes));
      const { read, written } = utf8Encoder.encodeInto(value, writer.bytes.subarray(start, writer.length));
      if (read < value.length) refuse(expected, value);
      writer.length = prefix;
      writer.u32(written);
      writer.claim(written);
    },
    decode(reader) {
      const start = reader.offset;
      const length = reader.u32();
      if (length > maxUtf8Bytes)
        reader.fail(`text of ${length} bytes, at most ${maxUtf8Bytes} allowed`, start);
      const encoded = reader.raw(length);
      try {
        return utf8Decoder.decode(encoded);
      } catch {
        return reader.fail('text is not well-formed UTF-8', start);
      }
    },
    bytesMin: 4,
    bytesMax: 4 + maxUtf8Bytes,
    describe: () => `text ≤ ${maxUtf8Bytes}`,
    generate: (random) => randomText(random, maxUtf8Bytes),
  };
}

/** A size in `min`…`max` for generated values: mostly small, sometimes the maximum if that is small too. */
export function randomSize(random: Random, min: number, max: number): number {
  const most = Math.min(max - min, 40);
  return min + (random(4) === 0 ? most : random(Math.min(most, 4) + 1));
}

function randomBytes(random: Random, length: number): Uint8Array {
  const value = new Uint8Array(length);
  for (let i = 0; i < length; i++) value[i] = random(256);
  return value;
}

/** One character of each length in UTF-8, with the ones that decoders get wrong: NUL, U+FEFF, the last. */
const CHARACTERS = ['\0', 'a', 'Z', '\u007f', 'é', '\u07ff', '\ufeff', '€', '\uffff', '😀', '\u{10ffff}'];

function randomText(random: Random, maxUtf8Bytes: number): string {
  let value = '';
  let room = randomSize(random, 0, maxUtf8Bytes);
  while (room > 0) {
    const character = CHARACTERS[random(CHARACTERS.length)]!;
    const size = utf8Encoder.encode(character).length;
    if (size > room) return value;
    value += character;
    room -= size;
  }
  return value;
}
