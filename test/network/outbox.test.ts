import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFrameParser } from '../../src/network/frame-parser.ts';
import { createOutbox, FRAME_OVERHEAD_BYTES } from '../../src/network/outbox.ts';

/** A socket that finishes a write when told to. */
function slowSocket() {
  const written: Uint8Array[] = [];
  let done: (() => void) | undefined;
  return {
    written,
    write: (bytes: Uint8Array, whenDone: () => void) => {
      if (done !== undefined) throw new Error('a second write under way');
      written.push(bytes);
      done = whenDone;
    },
    finish() {
      const whenDone = done;
      done = undefined;
      whenDone?.();
    },
  };
}

test('all that is pushed in a turn, or during a write, is one write; memory is counted until it has left', async () => {
  const socket = slowSocket();
  const outbox = createOutbox(1_000_000, socket.write);
  outbox.push(new Uint8Array(10));
  outbox.push(new Uint8Array(20));
  expect(socket.written).toHaveLength(0);
  await turn();
  expect(socket.written.map(({ length }) => length)).toEqual([38]);
  expect(outbox.queuedBytes).toBe(38);
  outbox.push(new Uint8Array(30));
  outbox.push(new Uint8Array(40));
  await turn();
  expect(socket.written).toHaveLength(1);
  socket.finish();
  expect(socket.written.map(({ length }) => length)).toEqual([38, 78]);
  socket.finish();
  expect(outbox.queuedBytes).toBe(0);
});

test('what does not fit is refused, and tiny frames are not free', async () => {
  const socket = slowSocket();
  const outbox = createOutbox(10 * FRAME_OVERHEAD_BYTES, socket.write);
  let taken = 0;
  while (outbox.push(new Uint8Array(0))) taken++;
  expect(taken).toBe(10);
  await turn();
  socket.finish();
  expect(outbox.queuedBytes).toBe(0);
  expect(outbox.push(new Uint8Array(9 * FRAME_OVERHEAD_BYTES))).toBe(true);
  expect(outbox.push(new Uint8Array(1))).toBe(false);
});

test('after clear nothing is written and nothing is taken', async () => {
  const socket = slowSocket();
  const outbox = createOutbox(1_000, socket.write);
  outbox.push(new Uint8Array(1));
  outbox.clear();
  await turn();
  expect(socket.written).toHaveLength(0);
  expect(outbox.push(new Uint8Array(1))).toBe(false);
  expect(outbox.queuedBytes).toBe(0);
});

test('every frame leaves once and in order, and the count of bytes ends at zero', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(400_000)), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(12), async (lengths, pause) => {
      const socket = slowSocket();
      const outbox = createOutbox(2 ** 30, socket.write);
      for (const [i, length] of lengths.entries()) {
        expect(outbox.push(new Uint8Array(length).fill(i))).toBe(true);
        if (i === pause) await turn();
      }
      await turn();
      for (let writes = 0; writes !== socket.written.length; ) {
        writes = socket.written.length;
        socket.finish();
      }
      const parser = createFrameParser(2 ** 30);
      for (const bytes of socket.written) parser.push(bytes);
      for (const [i, length] of lengths.entries()) {
        const frame = parser.next();
        expect(frame).toHaveLength(length);
        expect(frame instanceof Uint8Array && frame.every((byte) => byte === i)).toBe(true);
      }
      expect(parser.next()).toBe('incomplete');
      expect(outbox.queuedBytes).toBe(0);
    }),
    { numRuns: 30 },
  );
});
