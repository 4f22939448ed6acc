import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  bool,
  bytes,
  choice,
  decode,
  EncodeError,
  encode,
  fixed,
  list,
  mapped,
  optional,
  type Random,
  range,
  refined,
  type Schema,
  struct,
  type TypeOf,
  text,
  u8,
  u16,
  u32,
  u53,
  union,
} from '../../src/codec/index.ts';
import { equalBytes, fromHex, toHex } from '../../src/types/bytes.ts';

const vote = struct({ view: u53, sequenceNumber: u53, digest: fixed(4) });
const ascending = refined(
  list(u16, 6),
  (values) => (values.every((value, i) => i === 0 || values[i - 1]! < value) ? undefined : 'not ascending'),
  'strictly ascending',
  (values) => [...new Set(values)].sort((a, b) => a - b),
);
const message = union('type', {
  prepare: [1, struct({ vote, replica: range(u16, 0, 30) })],
  request: [2, struct({ operations: list(bytes(300), 5, 1), seen: optional(vote), durable: bool })],
  hello: [7, struct({ name: text(20), role: choice(['replica', 'client']), versions: ascending, port: u32 })],
  bye: [255, struct({ reason: mapped(u8, String, Number, 'a number as text') })],
});
type Message = TypeOf<typeof message>;

const everySchema: Record<string, Schema<unknown>> = {
  u8,
  u16,
  u32,
  u53,
  bool,
  fixed: fixed(3),
  bytes: bytes(10),
  text: text(9),
  list: list(u16, 4, 2),
  optional: optional(bytes(2)),
  choice: choice(['a', 'b', 'c']),
  range: range(u8, 5, 9),
  ascending,
  vote,
  message,
};

/** Small and fast; equal seeds give equal sequences (mulberry32). */
function randomFrom(seed: number): Random {
  let state = seed;
  return (boundExclusive) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * boundExclusive);
  };
}

function decoded<T>(schema: Schema<T>, input: Uint8Array): T {
  const result = decode(schema, input);
  if (!result.ok) throw new Error(`${result.error.reason} at ${result.error.offset}`);
  return result.value;
}

function refusal(schema: Schema<unknown>, hex: string): string {
  const result = decode(schema, fromHex(hex)!);
  return result.ok ? 'accepted' : `${result.error.offset}: ${result.error.reason}`;
}

describe('byte layout', () => {
  const layouts: readonly [Schema<unknown>, unknown, string][] = [
    [u8, 255, 'ff'],
    [u16, 0x1234, '1234'],
    [u32, 0xfedcba98, 'fedcba98'],
    [u53, Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    [u53, 0x1_0000_0002, '0000000100000002'],
    [bool, true, '01'],
    [fixed(2), Uint8Array.of(1, 2), '0102'],
    [bytes(9), Uint8Array.of(7), '0000000107'],
    [bytes(9), new Uint8Array(), '00000000'],
    [text(9), 'é€', '00000005c3a9e282ac'],
    [text(9), '\ufeffa', '00000004efbbbf61'],
    [list(u16, 3), [1, 2], '0000000200010002'],
    [optional(u8), undefined, '00'],
    [optional(u8), 3, '0103'],
    [choice(['x', 'y']), 'y', '01'],
    [struct({ b: u8, a: u8 }), { a: 1, b: 2 }, '0201'],
    [message, { type: 'bye', reason: '9' }, 'ff09'],
    [
      message,
      { type: 'prepare', vote: { view: 1, sequenceNumber: 2, digest: fromHex('aabbccdd') }, replica: 30 },
      '0100000000000000010000000000000002aabbccdd001e',
    ],
  ];

  it.each(layouts)('%#: is pinned in both directions', (schema, value, hex) => {
    expect(toHex(encode(schema, value))).toBe(hex);
    expect(decoded(schema, fromHex(hex)!)).toEqual(value);
  });

  it('infers the type of a union of structs', () => {
    expectTypeOf<Extract<Message, { type: 'hello' }>>().toEqualTypeOf<{
      readonly type: 'hello';
      readonly name: string;
      readonly role: 'replica' | 'client';
      readonly versions: readonly number[];
      readonly port: number;
    }>();
  });
});

describe('canonical', () => {
  it.each(Object.entries(everySchema))('%s: decode inverts encode, within the stated bounds', (_, schema) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const value = schema.generate(randomFrom(seed));
        const encoded = encode(schema, value);
        expect(encoded.length).toBeGreaterThanOrEqual(schema.bytesMin);
        expect(encoded.length).toBeLessThanOrEqual(schema.bytesMax);
        expect(encoded.length).toBe(encoded.buffer.byteLength);
        expect(decoded(schema, encoded)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('100,000 damaged or random inputs never throw, and what is accepted encodes to the same bytes', () => {
    const random = randomFrom(1);
    const schemas = Object.values(everySchema);
    let accepted = 0;
    for (let i = 0; i < 100_000; i++) {
      const schema = schemas[i % schemas.length]!;
      const input = damaged(encode(schema, schema.generate(random)), random);
      const result = decode(schema, input);
      if (!result.ok) continue;
      accepted++;
      if (!equalBytes(encode(schema, result.value), input)) throw new Error(`two encodings: ${toHex(input)}`);
    }
    expect(accepted).toBeGreaterThan(5_000);
    expect(accepted).toBeLessThan(95_000);
  });

  it('every single byte for the schemas of one byte', () => {
    for (const schema of [
      bool,
      u8,
      choice(['a', 'b']),
      optional(fixed(0)),
      range(u8, 5, 9),
    ] as Schema<unknown>[]) {
      for (let byte = 0; byte < 256; byte++) {
        const result = decode(schema, Uint8Array.of(byte));
        if (result.ok) expect(encode(schema, result.value)).toEqual(Uint8Array.of(byte));
      }
    }
  });
});

function damaged(encoded: Uint8Array, random: Random): Uint8Array {
  switch (random(4)) {
    case 0:
      return encoded.subarray(0, random(encoded.length + 1));
    case 1:
      return Uint8Array.from({ length: random(40) }, () => (random(3) === 0 ? random(256) : random(4)));
    case 2:
      return Uint8Array.from([...encoded, random(256)]);
    default: {
      const copy = Uint8Array.from(encoded);
      if (copy.length > 0) copy[random(copy.length)]! ^= 1 << random(8);
      return copy;
    }
  }
}

describe('refused input', () => {
  it.each([
    [u16, '01', '0: input ends: 2 more bytes expected'],
    [u8, '0102', '1: 1 bytes after the end'],
    [u53, '0020000000000000', '0: integer above 2^53-1'],
    [bool, '02', '0: boolean is 2, not 0 or 1'],
    [bytes(3), '0000000401020304', '0: 4 bytes, at most 3 allowed'],
    [bytes(3), '000000030102', '4: input ends: 3 more bytes expected'],
    [text(3), '0000000461616161', '0: text of 4 bytes, at most 3 allowed'],
    [text(9), '00000002c080', '0: text is not well-formed UTF-8'],
    [text(9), '00000003eda080', '0: text is not well-formed UTF-8'],
    [text(9), '00000001ff', '0: text is not well-formed UTF-8'],
    [list(u8, 3), '0000000401020304', '0: list of 4 elements, 0…3 allowed'],
    [list(u8, 3, 1), '00000000', '0: list of 0 elements, 1…3 allowed'],
    [list(u16, 1e9), '3b9aca000000', '0: list of 1000000000 elements does not fit the 2 bytes left'],
    [optional(u8), '0201', '0: presence is 2, not 0 or 1'],
    [choice(['a', 'b']), '02', '0: choice 2, below 2 allowed'],
    [range(u8, 5, 9), '0a', '0: 10 is not in 5…9'],
    [message, '03', '0: unknown type 3'],
    [ascending, '0000000200010001', '0: not ascending'],
  ] as [Schema<unknown>, string, string][])('%#: %s', (schema, hex, expected) => {
    expect(refusal(schema, hex)).toBe(expected);
  });
});

describe('local misuse', () => {
  const path = (schema: Schema<unknown>, value: unknown): string => {
    try {
      encode(schema, value);
    } catch (error) {
      if (error instanceof EncodeError) return error.message;
      throw error;
    }
    return 'accepted';
  };

  it.each([
    [u8, 256, 'cannot encode value: expected u8, an integer in 0…255, got 256'],
    [
      u53,
      2 ** 53,
      'cannot encode value: expected u53, an integer in 0…9007199254740991, got 9007199254740992',
    ],
    [u32, 1.5, 'cannot encode value: expected u32, an integer in 0…4294967295, got 1.5'],
    [u32, Number.NaN, 'cannot encode value: expected u32, an integer in 0…4294967295, got NaN'],
    [fixed(4), new Uint8Array(3), 'cannot encode value: expected exactly 4 bytes, got 3 bytes'],
    [bytes(4), new Uint8Array(5), 'cannot encode value: expected at most 4 bytes, got 5 bytes'],
    [bytes(4), [1], 'cannot encode value: expected at most 4 bytes, got 1 elements'],
    [
      text(4),
      '€€',
      "cannot encode value: expected well-formed text of at most 4 UTF-8 bytes, got '€€' (2 characters)",
    ],
    [list(u8, 1), [1, 2], 'cannot encode value: expected a list of 0…1 elements, got 2 elements'],
    [list(u8, 3), [1, 2, -1], 'cannot encode value[2]: expected u8, an integer in 0…255, got -1'],
    [choice(['a', 'b']), 'c', "cannot encode value: expected one of a, b, got 'c' (1 characters)"],
    [range(u8, 5, 9), 4, 'cannot encode value: expected an integer in 5…9, got 4'],
    [bool, 1, 'cannot encode value: expected a boolean, got 1'],
    [vote, undefined, 'cannot encode value: expected a struct, got undefined'],
    [vote, { view: 1 }, /value\.sequenceNumber: expected u53.*got undefined/],
    [ascending, [2, 1], 'cannot encode value: expected strictly ascending (not ascending), got 2 elements'],
    [message, { type: 'toString' }, /expected type: one of prepare, request, hello, bye, got 'toString'/],
    [
      message,
      { type: 'request', operations: [new Uint8Array(1), new Uint8Array(301)], durable: true },
      'cannot encode value(request).operations[1]: expected at most 300 bytes, got 301 bytes',
    ],
  ] as [Schema<unknown>, unknown, string | RegExp][])(
    '%#: names the field and its limit',
    (schema, value, expected) => {
      if (typeof expected === 'string') expect(path(schema, value)).toBe(expected);
      else expect(path(schema, value)).toMatch(expected);
    },
  );

  it('lone surrogates have no encoding', () => {
    expect(path(text(9), 'a\ud800')).toMatch(/well-formed/);
    expect(path(text(9), '\udc00')).toMatch(/well-formed/);
  });

  it('an encoding that failed leaves nothing behind in the next one', () => {
    expect(() => encode(list(u8, 3), [1, 2, 300])).toThrow(EncodeError);
    expect(toHex(encode(u8, 9))).toBe('09');
  });

  it('declarations that cannot be canonical or bounded are refused', () => {
    const empty = struct({});
    expect(() => union('type', { a: [1, empty], b: [1, empty] })).toThrow('share the tag 1');
    expect(() => union('type', { a: [256, empty] })).toThrow('not 0…255');
    expect(() => list(empty, 9)).toThrow('a byte or more');
    expect(() => choice(['a', 'a'])).toThrow('different names');
    // @ts-expect-error an optional optional would have two encodings of undefined
    optional(optional(u8));
  });
});

describe('memory', () => {
  it('decoded byte strings are views of the input, and plain Uint8Arrays even of a Buffer', () => {
    const input = Buffer.from('0000000107', 'hex');
    const value = decoded(bytes(9), input);
    input[4] = 8;
    expect(value).toEqual(Uint8Array.of(8));
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
  });

  it('an encoding shares nothing with the next one, and may grow', () => {
    const first = encode(bytes(1e6), new Uint8Array(1e6).fill(1));
    encode(bytes(1e6), new Uint8Array(1e6).fill(2));
    expect(first.subarray(4).every((byte) => byte === 1)).toBe(true);
  });

  it('a schema may itself call encode', () => {
    const inner = struct({ a: u16 });
    const outer = mapped(
      bytes(9),
      (value) => decoded(inner, value),
      (value) => encode(inner, value),
    );
    expect(toHex(encode(struct({ x: u8, outer }), { x: 1, outer: { a: 2 } }))).toBe('01000000020002');
  });
});

it('describes itself for the documentation', () => {
  expect(struct({ a: list(bytes(9), 31), b: optional(range(u8, 1, 2)) }).describe()).toBe(
    'struct{a: list ≤ 31 of bytes ≤ 9, b: optional u8 in 1…2}',
  );
  expect(message.describe()).toMatch(/^union\{1 prepare: struct\{vote: struct\{view: u53, .* \| 255 bye: /);
});
