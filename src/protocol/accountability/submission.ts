/**
 * A checkpoint together with the proof that it extends an earlier one, as C2SP tlog-witness has it handed to `add-checkpoint`: an old size, the
 * consistency proof from there, an empty line, and the signed note. Here only the form.
 */

import { fromBase64, toBase64 } from '../../types/base64.ts';
import { concatBytes, utf8 } from '../../types/bytes.ts';
import { DIGEST_BYTES, type Digest } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import { NOTE_BYTES_MAX } from './signed-note.ts';

export interface Submission {
  readonly oldSize: number;
  /** RFC 6962, from `oldSize` to the note's size; at most 63 hashes of 32 bytes. */
  readonly path: readonly Digest[];
  /** Not parsed. */
  readonly note: Uint8Array;
}

const PATH_LENGTH_MAX = 63;
const PROOF_BYTES_MAX = 'old 9007199254740991\n'.length + PATH_LENGTH_MAX * 45 + 1;
export const SUBMISSION_BYTES_MAX = PROOF_BYTES_MAX + NOTE_BYTES_MAX;
const NEWLINE = 0x0a;

export function formatSubmission({ oldSize, path, note }: Submission): Uint8Array {
  const lines = path.map((digest) => `${toBase64(digest)}\n`).join('');
  return concatBytes(utf8(`old ${oldSize}\n${lines}\n`), note);
}

/** The submission, or what is wrong with its form. A size above 2^53−1 is refused. */
export function parseSubmission(bytes: Uint8Array): Result<Submission, string> {
  if (bytes.length > SUBMISSION_BYTES_MAX) {
    return fail(`it has ${bytes.length} bytes; at most ${SUBMISSION_BYTES_MAX} are read`);
  }
  const end = bytes.findIndex((byte, i) => byte === NEWLINE && bytes[i + 1] === NEWLINE);
  if (end < 0 || end > PROOF_BYTES_MAX) return fail('no empty line ends the consistency proof');
  const [first = '', ...proof] = String.fromCharCode(...bytes.subarray(0, end)).split('\n');
  const oldSize = Number(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1]);
  if (!Number.isSafeInteger(oldSize)) return fail('the first line is not "old <size>"');
  if (proof.length > PATH_LENGTH_MAX) {
    return fail(`the proof has ${proof.length} lines; at most ${PATH_LENGTH_MAX} are allowed`);
  }
  const path: Digest[] = [];
  for (const [i, line] of proof.entries()) {
    const digest = fromBase64(line);
    if (digest?.length !== DIGEST_BYTES) return fail(`line ${i + 1} of the proof is not 32 bytes in base 64`);
    path.push(digest);
  }
  return ok({ oldSize, path, note: bytes.slice(end + 2) });
}
