/**
 * Byte strings: comparison, hexadecimal, map keys and big-endian integers, without anything of Node, since
 * the protocol and the simulator also run in a browser.
 */

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Whether `a` and `b` have the same length and the same bytes. Not constant-time: never use it on secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order of unsigned bytes; a proper prefix sorts first. Negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Lower-case hexadecimal, two characters a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of a hexadecimal string, or undefined if it is not one (odd length, other characters). */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A string with one UTF-16 unit per byte: equal exactly when the bytes are equal, so a key for `Map` and `Set`. */
export function keyOf(bytes: Uint8Array): string {
  if (bytes.length <= KEY_PART_BYTES) return keyOfPart(bytes);
  let key = '';
  for (let i = 0; i < bytes.length; i += KEY_PART_BYTES) {
    key += keyOfPart(bytes.subarray(i, i + KEY_PART_BYTES));
  }
  return key;
}

/** As many as a function surely takes arguments. */
const KEY_PART_BYTES = 4096;

/** `apply` reads a typed array directly, where spreading it iterates: a quarter of the time for the 64 bytes of a signature. */
function keyOfPart(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** One new array with the bytes of all parts, in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const utf8Encoder = new TextEncoder();

/** UTF-8 of a string. */
export function utf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** 4 bytes, big-endian. @throws nothing; `value` must be an integer in 0…2³²−1. */
export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** 8 bytes, big-endian; `value` must be an integer in 0…2⁵³−1, the range every counter of the protocol lives in. */
export function u64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, value);
  return bytes;
}

/** Writes 4 bytes, big-endian, at `offset`. */
export function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/** Writes 8 bytes, big-endian, at `offset`; `value` in 0…2⁵³−1. */
export function writeU64(target: Uint8Array, offset: number, value: number): void {
  writeU32(target, offset, Math.floor(value / 0x1_0000_0000));
  writeU32(target, offset + 4, value >>> 0);
}
