/**
 * Cosignatures (C2SP tlog-cosignature, the Ed25519 kind): at this time, of this log, this was the largest head that the cosigner had seen, and
 * it held all that the cosigner had seen before. Witnesses make them; clients and tools for transparency logs check them.
 */

import type { Crypto, Signer } from '../../crypto/port.ts';
import { fromBase64, toBase64 } from '../../types/base64.ts';
import { concatBytes, equalBytes, toHex, u64Bytes, utf8 } from '../../types/bytes.ts';
import { type PublicKey, SIGNATURE_BYTES } from '../../types/identities.ts';
import { type NoteSignature, noteKeyId, type SignedNote } from './signed-note.ts';

/** Who cosigns. The signature does not say the name, so a key belongs to one name only. */
export interface Cosigner {
  /** Such as `witness.example.org/bft2f`. */
  readonly name: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: PublicKey;
}

/** Signed-note's byte for timestamped Ed25519 cosignatures. */
const COSIGNATURE_TYPE = Uint8Array.of(0x04);
const TIMESTAMP_BYTES = 8;
const PUBLIC_KEY_BYTES = 32;
const NAME_BYTES_MAX = 255;

/** Whether a cosigner can have this name in a signed note: 1…255 bytes without spaces, plus signs and control characters. */
export function isCosignerName(name: string): boolean {
  return /^[^\s+\p{Cc}]+$/u.test(name) && utf8(name).length <= NAME_BYTES_MAX;
}

function keyIdOf(crypto: Pick<Crypto, 'hash'>, { name, publicKey }: Cosigner): Uint8Array {
  return noteKeyId(crypto, name, COSIGNATURE_TYPE, publicKey);
}

/** Signed-note's verifier key: `<name>+<key ID, hexadecimal>+<base 64 of 0x04 and the public key>`. */
export function formatVerifierKey(crypto: Pick<Crypto, 'hash'>, cosigner: Cosigner): string {
  const material = toBase64(concatBytes(COSIGNATURE_TYPE, cosigner.publicKey));
  return `${cosigner.name}+${toHex(keyIdOf(crypto, cosigner))}+${material}`;
}

/** The cosigner whose verifier key this is, or undefined. */
export function parseVerifierKey(crypto: Pick<Crypto, 'hash'>, text: string): Cosigner | undefined {
  const [, name = '', , encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  const material = fromBase64(encoded);
  if (material?.length !== 1 + PUBLIC_KEY_BYTES || !isCosignerName(name)) return undefined;
  const cosigner = { name, publicKey: material.slice(1) };
  // The type and the key ID must be the right ones, and nothing spelled in another way.
  return formatVerifierKey(crypto, cosigner) === text ? cosigner : undefined;
}

/** What is signed: two lines, and the note's text to its last newline. `timeS` is in seconds since 1970. */
function cosignedMessage(text: string, timeS: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timeS}\n${text}`);
}

/** The signature line of the cosigner under a note's text. `timeS`: whole seconds since 1970. */
export function cosign(
  crypto: Pick<Crypto, 'hash'>,
  { name, signer }: { readonly name: string; readonly signer: Signer },
  text: string,
  timeS: number,
): NoteSignature {
  const keyId = keyIdOf(crypto, { name, publicKey: signer.publicKey });
  const signature = concatBytes(u64Bytes(timeS), signer.sign(cosignedMessage(text, timeS)));
  return { name, keyId, signature };
}

/** When the cosigner signed the note, in seconds since 1970; undefined if it did not. Other signatures are passed over. */
export function cosignedAt(crypto: Crypto, cosigner: Cosigner, note: SignedNote): number | undefined {
  const keyId = keyIdOf(crypto, cosigner);
  for (const each of note.signatures) {
    if (each.name !== cosigner.name || !equalBytes(each.keyId, keyId)) continue;
    if (each.signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) continue;
    const { buffer, byteOffset } = each.signature;
    const time = new DataView(buffer, byteOffset, TIMESTAMP_BYTES).getBigUint64(0);
    const timeS = Number(time);
    if (!Number.isSafeInteger(timeS)) continue;
    const message = cosignedMessage(note.text, timeS);
    if (crypto.verify(cosigner.publicKey, message, each.signature.slice(TIMESTAMP_BYTES))) return timeS;
  }
  return undefined;
}
