import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFrameParser, type FrameParser } from '../../src/network/frame-parser.ts';
import { concatBytes, equalBytes, u32Bytes } from '../../src/types/bytes.ts';
import { framed } from './support.ts';

const MAX = 20_000;

function all(parser: FrameParser): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = parser.next(); frame instanceof Uint8Array; frame = parser.next()) frames.push(frame);
  return frames;
}

/** Cuts `stream` at random places; each piece is its own memory, as a socket's chunks are. */
function pieces(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return at.slice(1).map((end, i) => stream.slice(at[i], end));
}

const size = fc.oneof(fc.nat(10), fc.nat(300), fc.nat(MAX));

test('whatever the chunks, the frames come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(size, { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      fc.boolean(),
      (sizes, cuts, late) => {
        const sent = sizes.map((length, i) => Uint8Array.from({ length }, (_, j) => i * 7 + j));
        const parser = createFrameParser(MAX);
        const received: Uint8Array[] = [];
        for (const piece of pieces(concatBytes(...sent.map(framed)), cuts)) {
          parser.push(piece);
          if (!late) received.push(...all(parser));
        }
        received.push(...all(parser));
        expect(received.map(({ length }) => length)).toEqual(sizes);
        expect(received.every((frame, i) => equalBytes(frame, sent[i]!))).toBe(true);
        expect(parser.next()).toBe('incomplete');
      },
    ),
  );
});

test('a stream byte by byte', () => {
  const sent = [new Uint8Array(0), new Uint8Array(5).fill(1), new Uint8Array(9_000).fill(2)];
  const parser = createFrameParser(MAX);
  const received: Uint8Array[] = [];
  for (const byte of concatBytes(...sent.map(framed))) {
    parser.push(Uint8Array.of(byte));
    received.push(...all(parser));
  }
  expect(received).toEqual(sent);
});

test('a frame over the maximum is refused at its header, for good, and what came before it is delivered', () => {
  const parser = createFrameParser(10);
  parser.push(concatBytes(framed(new Uint8Array(10)), u32Bytes(11)));
  expect(parser.next()).toHaveLength(10);
  expect(parser.next()).toBe('too-large');
  parser.push(new Uint8Array(100));
  expect(parser.next()).toBe('too-large');
});

test('lengths with the highest bit set are not taken for negative ones', () => {
  const parser = createFrameParser(10);
  parser.push(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  expect(parser.next()).toBe('too-large');
});

test('the maximum may rise between two frames of one chunk', () => {
  const parser = createFrameParser(1);
  parser.push(concatBytes(framed(new Uint8Array(1)), framed(new Uint8Array(100))));
  expect(parser.next()).toHaveLength(1);
  parser.frameBytesMax = 100;
  expect(parser.next()).toHaveLength(100);
});

test('a small frame does not hold the chunk that brought it, a large one is not copied', () => {
  const parser = createFrameParser(MAX);
  const chunk = concatBytes(framed(new Uint8Array(100)), framed(new Uint8Array(10_000)));
  parser.push(chunk);
  const [small, large] = all(parser);
  expect(small!.buffer.byteLength).toBe(100);
  expect(large!.buffer).toBe(chunk.buffer);
});

test('a delivered frame keeps its bytes when more of the stream arrives', () => {
  const parser = createFrameParser(MAX);
  const first = framed(new Uint8Array(5_000).fill(7));
  parser.push(first.slice(0, 3_000));
  expect(parser.next()).toBe('incomplete');
  parser.push(concatBytes(first.slice(3_000), framed(new Uint8Array(5_000).fill(9))));
  const [one, two] = all(parser);
  expect(one!.every((byte) => byte === 7) && two!.every((byte) => byte === 9)).toBe(true);
});
