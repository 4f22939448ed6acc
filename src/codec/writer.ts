/**
 * Where encodings are written: one buffer that doubles when it is full, so that encoding a message allocates
 * nothing per field. The methods do not check their arguments; the schemas do, because only they know the
 * limits to name in the error.
 */

import { writeU32, writeU64 } from '../types/bytes.ts';

const INITIAL_BYTES = 1024;

export class Writer {
  /** Only the first `length` bytes are written; the rest is unspecified. */
  bytes = new Uint8Array(INITIAL_BYTES);
  length = 0;

  /** Makes room for `count` more bytes, counts them as written, and returns the offset of the first. */
  claim(count: number): number {
    const offset = this.length;
    const needed = offset + count;
    if (needed > this.bytes.length) this.#grow(needed);
    this.length = needed;
    return offset;
  }

  u8(value: number): void {
    const offset = this.claim(1);
    this.bytes[offset] = value;
  }

  u16(value: number): void {
    const offset = this.claim(2);
    this.bytes[offset] = value >>> 8;
    this.bytes[offset + 1] = value;
  }

  u32(value: number): void {
    const offset = this.claim(4);
    writeU32(this.bytes, offset, value);
  }

  u53(value: number): void {
    const offset = this.claim(8);
    writeU64(this.bytes, offset, value);
  }

  raw(value: Uint8Array): void {
    const offset = this.claim(value.length);
    this.bytes.set(value, offset);
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
