/**
 * A cursor over bytes that a stranger sent. Every read is checked against the end of the input; the first one
 * that fails abandons the whole decoding by throwing `Malformed`, which `decode` turns into a value. It is not an
 * Error on purpose: capturing a stack trace would make each bad frame cost more than a good one.
 */

export class Malformed {
  readonly reason: string;
  readonly offset: number;

  constructor(reason: string, offset: number) {
    this.reason = reason;
    this.offset = offset;
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  /** Of the next byte to read. */
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.offset;
  }

  /** Refuses the input; `offset` is where the offending item begins, by default here. */
  fail(reason: string, offset: number = this.offset): never {
    throw new Malformed(reason, offset);
  }

  u8(): number {
    const offset = this.#advance(1);
    return this.#bytes[offset]!;
  }

  u16(): number {
    const offset = this.#advance(2);
    const bytes = this.#bytes;
    return (bytes[offset]! << 8) | bytes[offset + 1]!;
  }

  u32(): number {
    const offset = this.#advance(4);
    const bytes = this.#bytes;
    return (
      ((bytes[offset]! << 24) |
        (bytes[offset + 1]! << 16) |
        (bytes[offset + 2]! << 8) |
        bytes[offset + 3]!) >>>
      0
    );
  }

  u53(): number {
    const start = this.offset;
    const high = this.u32();
    const low = this.u32();
    if (high > 0x1f_ffff) this.fail('integer above 2^53-1', start);
    return high * 0x1_0000_0000 + low;
  }

  /** The next `count` bytes, as a plain Uint8Array that shares the input's memory. */
  raw(count: number): Uint8Array {
    const offset = this.#advance(count);
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + offset, count);
  }

  #advance(count: number): number {
    const start = this.offset;
    if (count > this.#bytes.length - start) this.fail(`input ends: ${count} more bytes expected`);
    this.offset = start + count;
    return start;
  }
}
