/**
 * Keys and values as text: any bytes on one line, without a tab, and back to the same bytes. What is plain UTF-8 stays as it is, so that
 * people can read and write it.
 */

import { utf8 } from '../types/bytes.ts';

const NAMED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Whatever a terminal would obey instead of showing, and the byte order mark, which readers of text drop. */
const UNPRINTABLE = /[\\\p{Cc}\ufeff]/gu;

/** Backslash, tab, newline and carriage return as `\\`, `\t`, `\n` and `\r`; other bytes that are no printable text as `\xHH`. */
export function escapeBytes(bytes: Uint8Array): string {
  const text = textOf(bytes);
  // Of what is no UTF-8 at least the ASCII part can be read.
  if (text === undefined)
    return Buffer.from(bytes)
      .toString('latin1')
      .replace(/[^ -[\]-~]/g, escapeLatin1);
  return text.replace(UNPRINTABLE, (char) => NAMED[char] ?? hexOf(utf8(char)));
}

function escapeLatin1(char: string): string {
  return NAMED[char] ?? hexOf([char.charCodeAt(0)]);
}

function hexOf(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The inverse. @throws Error naming the escape that is none */
export function unescapeText(text: string): Uint8Array {
  const parts = Array.from(text.matchAll(/[^\\]+|\\(?:x[0-9a-f]{2}|.?)/gis), ([piece]) => {
    if (!piece.startsWith('\\')) return utf8(piece);
    if (piece.length === 4) return Uint8Array.of(Number.parseInt(piece.slice(2), 16));
    const char = Object.keys(NAMED).find((it) => NAMED[it] === piece);
    if (char !== undefined) return utf8(char);
    throw new Error(`${piece} is no escape; expected \\\\, \\t, \\n, \\r or \\x and two hexadecimal digits`);
  });
  return Buffer.concat(parts);
}

/** Undefined if it is not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
