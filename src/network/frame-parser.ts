/**
 * A byte stream as frames: u32 big-endian length, then that many bytes. The length is checked before a byte of the
 * payload is kept. Each byte is copied a bounded number of times however the stream was cut, and a half-received
 * frame holds at most twice the memory of what arrived of it, so that announcing a long frame costs its sender
 * more than us.
 */

export const FRAME_HEADER_BYTES = 4;

/** A payload that the caller owns; or why there is none (yet). After 'too-large' the stream is of no more use. */
export type Parsed = Uint8Array | 'incomplete' | 'too-large';

export interface FrameParser {
  /** Most payload bytes of a frame; may be changed between frames. */
  frameBytesMax: number;
  /** Appends to the stream. The chunk must not be changed any more: frames may be views of it. */
  push(chunk: Uint8Array): void;
  next(): Parsed;
}

const FIRST_CAPACITY_BYTES = 4096;

export function createFrameParser(frameBytesMax: number): FrameParser {
  let chunks: Uint8Array[] = [];
  /** Chunks before this one are used up. */
  let head = 0;
  /** Bytes of `chunks[head]` that are used up. */
  let offset = 0;
  let headerFilled = 0;
  let length = 0;
  /** A frame that spans chunks: its first `filled` bytes have arrived. */
  let partial: Uint8Array | undefined;
  let filled = 0;

  /** The chunk with the next unread byte, or undefined. */
  function current(): Uint8Array | undefined {
    while (head < chunks.length && offset === chunks[head]!.length) {
      head++;
      offset = 0;
    }
    if (head < chunks.length) return chunks[head];
    if (head > 0) chunks = [];
    head = 0;
    return undefined;
  }

  function readHeader(): boolean {
    while (headerFilled < FRAME_HEADER_BYTES) {
      const chunk = current();
      if (chunk === undefined) return false;
      length = length * 256 + chunk[offset++]!;
      headerFilled++;
    }
    return true;
  }

  function finish(frame: Uint8Array): Uint8Array {
    headerFilled = 0;
    length = 0;
    partial = undefined;
    filled = 0;
    return frame;
  }

  const parser: FrameParser = {
    frameBytesMax,
    push(chunk) {
      if (chunk.length > 0) chunks.push(chunk);
    },
    next() {
      if (!readHeader()) return 'incomplete';
      if (length > parser.frameBytesMax) return 'too-large';
      const whole = current();
      if (partial === undefined && whole !== undefined && whole.length - offset >= length) {
        offset += length;
        return finish(owned(whole, offset - length, length));
      }
      partial ??= new Uint8Array(0);
      while (filled < length) {
        const chunk = current();
        if (chunk === undefined) return 'incomplete';
        const taken = Math.min(length - filled, chunk.length - offset);
        partial = withCapacity(partial, filled + taken, length);
        partial.set(chunk.subarray(offset, offset + taken), filled);
        filled += taken;
        offset += taken;
      }
      return finish(partial);
    },
  };
  return parser;
}

/** A view where the frame is most of its memory; else a copy, so that 100 bytes kept do not hold 64 KiB. */
function owned(chunk: Uint8Array, start: number, length: number): Uint8Array {
  const view = new Uint8Array(chunk.buffer, chunk.byteOffset + start, length);
  return 2 * length >= chunk.buffer.byteLength ? view : view.slice();
}

/** `bytes` with room for `needed`, at least doubling each time, and never beyond `most`. */
function withCapacity(bytes: Uint8Array, needed: number, most: number): Uint8Array {
  if (needed <= bytes.length) return bytes;
  const grown = new Uint8Array(Math.min(most, Math.max(needed, 2 * bytes.length, FIRST_CAPACITY_BYTES)));
  grown.set(bytes);
  return grown;
}
