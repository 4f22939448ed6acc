import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entriesOfJson,
  entriesOfJsonLines,
  entriesOfText,
  jsonLine,
  textLine,
} from '../../src/cli/entry-lines.ts';
import { escapeBytes, unescapeText } from '../../src/cli/text-form.ts';
import { utf8 } from '../../src/types/bytes.ts';

/** Bytes of every kind: arbitrary ones, and text, which is mostly left as it is. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map(utf8),
  fc
    .string({ unit: fc.constantFrom('\\', '\t', '\n', '\r', 'x', '0', 't', '\ufeff'), maxLength: 20 })
    .map(utf8),
);
const anyEntries = fc.array(fc.record({ key: anyBytes, value: anyBytes }), { maxLength: 5 });

describe('entries as lines', () => {
  it('come back as the same bytes', () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        const plain = entries.map(({ key, value }) => ({ key: [...key], value: [...value] }));
        const read = [
          entriesOfText(entries.map(textLine).join(''), 'f'),
          entriesOfJsonLines(entries.map((it) => jsonLine({ ...it, version: 7 })).join(''), 'f'),
        ];
        for (const it of read) {
          expect(it.map(({ key, value }) => ({ key: [...key], value: [...value] }))).toEqual(plain);
        }
      }),
    );
  });

  it('show nothing that a terminal would obey', () => {
    fc.assert(fc.property(anyBytes, (bytes) => !/\p{Cc}/u.test(escapeBytes(bytes))));
  });

  it.each([
    ['plain é text', 'plain é text'],
    ['tab\t newline\n return\r backslash\\', 'tab\\t newline\\n return\\r backslash\\\\'],
    ['\u001b[31m', '\\x1b[31m'],
    ['\u009b', '\\xc2\\x9b'],
  ])('%j is written %j', (text, escaped) => {
    expect(escapeBytes(utf8(text))).toBe(escaped);
  });

  it('with bytes that are no text', () => {
    expect(escapeBytes(Uint8Array.of(0x41, 0xff, 0x0a, 0x5c))).toBe('A\\xff\\n\\\\');
    expect([...unescapeText('A\\xFF\\n\\\\')]).toEqual([0x41, 0xff, 0x0a, 0x5c]);
  });
});

describe('what is loaded', () => {
  const texts = (entries: ReturnType<typeof entriesOfText>) =>
    entries.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]);

  it('may be written by hand: tabs in values, CR LF, no newline at the end', () => {
    expect(texts(entriesOfText('a\t1\r\nb\t2\t3', 'f'))).toEqual([
      ['a', '1'],
      ['b', '2\t3'],
    ]);
    expect(entriesOfText('', 'f')).toEqual([]);
    expect(texts(entriesOfJson('{"a": "1"}', 'f'))).toEqual([['a', '1']]);
  });

  it.each([
    [entriesOfText, 'a\t1\nb', 'f, line 2: no tab; expected key, tab, value'],
    [entriesOfText, 'C:\\dir\tx', 'f, line 1: \\d is no escape; expected \\\\, \\t'],
    [entriesOfText, 'a\tx\\', 'f, line 1: \\ is no escape'],
    [entriesOfText, 'a\t\\x4', 'f, line 1: \\x is no escape'],
    [entriesOfText, `${'k'.repeat(1025)}\tv`, 'f, line 1: the key has 1025 bytes; a key has at most 1024'],
    [entriesOfText, `k\t${'v'.repeat(61_441)}`, 'the value has 61441 bytes; a value has at most 61440'],
    [entriesOfJsonLines, '{"key":"a"}', 'f, line 1: expected either "value", a string, or "valueBase64"'],
    [entriesOfJsonLines, '{"key":"a","keyBase64":"YQ==","value":""}', 'expected either "key"'],
    [entriesOfJsonLines, '{"keyBase64":"!","value":""}', 'expected either "key"'],
    [entriesOfJsonLines, '{', 'f, line 1: Expected property name'],
    [entriesOfJson, '[1]', 'f: expected a JSON object, such as {"key": "value"}, not [1]'],
    [entriesOfJson, '{"a": 1}', 'f, key "a": the value is 1; expected a string'],
    [entriesOfJson, '{', 'f: Expected property name'],
  ])('%o refuses %j', (read, text, complaint) => {
    expect(() => read(text, 'f')).toThrow(complaint);
  });
});
