/**
 * Signed notes (C2SP signed-note): a text, an empty line, and signature lines, as transparency logs, their witnesses and monitors exchange
 * them. Here only the form; what a signature is over, its type decides.
 */

import type { Crypto } from '../../crypto/port.ts';
import { fromBase64, toBase64 } from '../../types/base64.ts';
import { concatBytes, utf8 } from '../../types/bytes.ts';
import type { PublicKey } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';

export interface NoteSignature {
  /** Not empty; no spaces and no plus. */
  readonly name: string;
  /** 4 bytes. With the name it tells key and type apart; it is no proof of either. */
  readonly keyId: Uint8Array;
  /** What the type of the signature says; not empty. */
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** With its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Larger notes are refused unread: room for 31 replicas that sign twice, and for many witnesses. */
export const NOTE_BYTES_MAX = 64 * 1024;
const SIGNATURES_MAX = 256;
const KEY_ID_BYTES = 4;
const NEWLINE = 0x0a;

/** The key ID that the specification recommends: the first 4 bytes of SHA-256(name ‖ LF ‖ type ‖ public key). */
export function noteKeyId(
  crypto: Pick<Crypto, 'hash'>,
  name: string,
  type: Uint8Array,
  publicKey: PublicKey,
): Uint8Array {
  return crypto.hash(utf8(`${name}\n`), type, publicKey).slice(0, KEY_ID_BYTES);
}

export function formatNote({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(formatSignature).join('')}`;
}

/** One signature line, with its newline. */
export function formatSignature({ name, keyId, signature }: NoteSignature): string {
  return `— ${name} ${toBase64(concatBytes(keyId, signature))}\n`;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LINE = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/u;

/** The note, or what is wrong with its form. */
export function parseNote(bytes: Uint8Array): Result<SignedNote, string> {
  if (bytes.length > NOTE_BYTES_MAX) {
    return fail(`it has ${bytes.length} bytes; a note has at most ${NOTE_BYTES_MAX}`);
  }
  let whole: string;
  try {
    whole = decoder.decode(bytes);
  } catch {
    return fail('it is not UTF-8 text');
  }
  if (bytes.some((byte) => byte < 0x20 && byte !== NEWLINE)) return fail('it holds control characters');
  const split = whole.lastIndexOf('\n\n');
  if (split < 0) return fail('it has no empty line between text and signatures');
  const lines = whole.slice(split + 2).split('\n');
  if (lines.pop() !== '') return fail('its last line does not end in a newline');
  if (lines.length === 0) return fail('it has no signature');
  if (lines.length > SIGNATURES_MAX) {
    return fail(`it has ${lines.length} signatures; at most ${SIGNATURES_MAX} are read`);
  }
  const signatures: NoteSignature[] = [];
  for (const [i, line] of lines.entries()) {
    const [, name, encoded] = LINE.exec(line) ?? [];
    const payload = encoded === undefined ? undefined : fromBase64(encoded);
    if (name === undefined || payload === undefined || payload.length <= KEY_ID_BYTES) {
      return fail(`signature line ${i + 1} is not "— <name> <base 64>"`);
    }
    signatures.push({
      name,
      keyId: payload.slice(0, KEY_ID_BYTES),
      signature: payload.slice(KEY_ID_BYTES),
    });
  }
  return ok({ text: whole.slice(0, split + 1), signatures });
}
