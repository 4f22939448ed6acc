/**
 * What waits to leave on one connection: bounded in memory, and joined. Frames of one turn of the event loop become
 * one write; while a write is under way the next ones gather, so that a busy connection makes few large writes
 * and a quiet one adds no delay beyond the turn.
 */

import { writeU32 } from '../types/bytes.ts';
import { FRAME_HEADER_BYTES } from './frame-parser.ts';

/** What a queued frame costs besides its payload; else a queue of tiny frames would hold many times its limit. */
export const FRAME_OVERHEAD_BYTES = 128;

/** A write takes no more frames once it has so many bytes. */
const WRITE_BYTES_TARGET = 256 * 1024;

export interface Outbox {
  /** Memory in use: payloads, overhead, and what the socket has not yet written. */
  readonly queuedBytes: number;
  queueBytesMax: number;
  /** Takes a frame, which must not be changed any more; false if it does not fit. */
  push(frame: Uint8Array): boolean;
  /** Frees everything; nothing more is written. */
  clear(): void;
}

/** `write` must call `done` once the bytes have left, and not after `clear`. */
export function createOutbox(
  queueBytesMax: number,
  write: (bytes: Uint8Array, done: () => void) => void,
): Outbox {
  let frames: Uint8Array[] = [];
  let waitingBytes = 0;
  let writingBytes = 0;
  let turn: NodeJS.Immediate | undefined;
  let cleared = false;

  function flush(): void {
    turn = undefined;
    if (frames.length === 0) return;
    let count = 0;
    let size = 0;
    while (count < frames.length && size < WRITE_BYTES_TARGET) {
      size += FRAME_HEADER_BYTES + frames[count++]!.length;
    }
    const bytes = join(frames, count, size);
    frames = count === frames.length ? [] : frames.slice(count);
    writingBytes = size;
    waitingBytes -= size + count * (FRAME_OVERHEAD_BYTES - FRAME_HEADER_BYTES);
    write(bytes, () => {
      if (cleared) return;
      writingBytes = 0;
      flush();
    });
  }

  const outbox = {
    queueBytesMax,
    get queuedBytes() {
      return waitingBytes + writingBytes;
    },
    push(frame: Uint8Array) {
      const cost = frame.length + FRAME_OVERHEAD_BYTES;
      if (cleared || waitingBytes + writingBytes + cost > outbox.queueBytesMax) return false;
      frames.push(frame);
      waitingBytes += cost;
      if (writingBytes === 0) turn ??= setImmediate(flush);
      return true;
    },
    clear() {
      cleared = true;
      frames = [];
      waitingBytes = 0;
      writingBytes = 0;
      clearImmediate(turn);
    },
  };
  return outbox;
}

/** The first `count` frames with their headers, `size` bytes in all. */
function join(frames: readonly Uint8Array[], count: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const frame = frames[i]!;
    writeU32(bytes, offset, frame.length);
    bytes.set(frame, offset + FRAME_HEADER_BYTES);
    offset += FRAME_HEADER_BYTES + frame.length;
  }
  return bytes;
}
