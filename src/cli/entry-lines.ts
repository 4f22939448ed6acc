/** The entries of the key-value store as lines, in the two forms that `kv scan` writes and `kv load` reads; and JSON objects, read only. */

import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../services/kv/index.ts';
import { utf8 } from '../types/bytes.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { escapeBytes, textOf, unescapeText } from './text-form.ts';

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Key, tab, value, newline; both escaped. */
export function textLine({ key, value }: Entry): string {
  return `${escapeBytes(key)}\t${escapeBytes(value)}\n`;
}

/** What is no UTF-8 is in base64, under another name. */
export function jsonLine({ key, value, version }: Entry & { readonly version: number }): string {
  const line = JSON.stringify({ ...jsonField('key', key), ...jsonField('value', value), version });
  // JSON escapes only the first 32 of the characters that a terminal obeys.
  return `${line.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)}\n`;
}

function jsonField(name: string, bytes: Uint8Array): Record<string, string> {
  const text = textOf(bytes);
  return text === undefined ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') } : { [name]: text };
}

/** What `textLine` writes; a value may hold tabs as they are. @throws CommandError with the file and the line */
export function entriesOfText(text: string, file: string): readonly Entry[] {
  return linesOf(text).map((line, i) => {
    const place = `${file}, line ${i + 1}`;
    const tab = line.indexOf('\t');
    if (tab < 0) throw new CommandError(EXIT.usage, `${place}: no tab; expected key, tab, value`);
    return checked(place, () => ({
      key: unescapeText(line.slice(0, tab)),
      value: unescapeText(line.slice(tab + 1)),
    }));
  });
}

/** What `jsonLine` writes. @throws CommandError with the file and the line */
export function entriesOfJsonLines(text: string, file: string): readonly Entry[] {
  return linesOf(text).map((line, i) =>
    checked(`${file}, line ${i + 1}`, () => {
      const fields = objectOf(line);
      return { key: fieldOf(fields, 'key'), value: fieldOf(fields, 'value') };
    }),
  );
}

/** `{"key": "value", …}`. @throws CommandError with the file and the key */
export function entriesOfJson(text: string, file: string): readonly Entry[] {
  const fields = checkedParse(file, () => objectOf(text));
  return Object.entries(fields).map(([key, value]) =>
    checked(`${file}, key ${brief(key)}`, () => {
      if (typeof value !== 'string') throw new Error(`the value is ${brief(value)}; expected a string`);
      return { key: utf8(key), value: utf8(value) };
    }),
  );
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function objectOf(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`expected a JSON object, such as {"key": "value"}, not ${brief(value)}`);
}

function fieldOf(fields: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const text = fields[name];
  const base64 = fields[`${name}Base64`];
  if (typeof text === 'string' && base64 === undefined) return utf8(text);
  const bytes = Buffer.from(typeof base64 === 'string' ? base64 : '', 'base64');
  if (text === undefined && bytes.toString('base64') === base64) return bytes;
  throw new Error(`expected either "${name}", a string, or "${name}Base64", a string in base64`);
}

/** Found before anything is sent, so that nothing is left half done. */
function checked(place: string, read: () => Entry): Entry {
  const entry = checkedParse(place, read);
  for (const [name, bytes, bytesMax] of [
    ['key', entry.key, KEY_BYTES_MAX],
    ['value', entry.value, VALUE_BYTES_MAX],
  ] as const) {
    if (bytes.length > bytesMax) {
      throw new CommandError(
        EXIT.usage,
        `${place}: the ${name} has ${bytes.length} bytes; a ${name} has at most ${bytesMax}`,
      );
    }
  }
  return entry;
}

function checkedParse<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new CommandError(EXIT.usage, `${place}: ${error instanceof Error ? error.message : error}`);
  }
}

function brief(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
