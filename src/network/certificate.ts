/**
 * The certificate that TLS wants around an Ed25519 key. Nobody reads anything but the key in it: keys are pinned,
 * there is no authority, no name and no date to check. So it is one fixed template with the key and the signature
 * filled in; the same key always gives the same bytes. A general X.509 library would bring an ASN.1 stack and an
 * asynchronous API for these thirty lines.
 */

import { concatBytes, fromHex, utf8 } from '../types/bytes.ts';
import { PUBLIC_KEY_BYTES, type PublicKey, type Signature } from '../types/identities.ts';

const SEQUENCE = 0x30;
const SET = 0x31;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** RFC 8410: the algorithm identifier 1.3.101.112, without parameters. */
const ED25519 = hex('300506032b6570');
const VERSION_3 = hex('a003020102');
const SERIAL_1 = hex('020101');
const COMMON_NAME = hex('0603550403');

const NAME = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, utf8('bft2f')))));
/** RFC 5280 §4.1.2.5: the last date there is stands for "no expiry". */
const VALIDITY = der(
  SEQUENCE,
  der(UTC_TIME, utf8('700101000000Z')),
  der(GENERALIZED_TIME, utf8('99991231235959Z')),
);

/** A self-signed X.509 certificate in PEM. `sign` signs with the private key of `publicKey` (32 bytes). */
export function selfSignedCertificate(
  publicKey: PublicKey,
  sign: (message: Uint8Array) => Signature,
): string {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new Error(`Ed25519 public key of ${publicKey.length} bytes, not 32`);
  const keyInfo = der(SEQUENCE, ED25519, bitString(publicKey));
  const content = der(SEQUENCE, VERSION_3, SERIAL_1, ED25519, NAME, VALIDITY, NAME, keyInfo);
  const certificate = der(SEQUENCE, content, ED25519, bitString(sign(content)));
  const base64 = Buffer.from(certificate).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

/** The first content byte of a BIT STRING is the number of unused bits. */
function bitString(bytes: Uint8Array): Uint8Array {
  return der(BIT_STRING, Uint8Array.of(0), bytes);
}

/** One DER element: tag, length, contents. Everything here is shorter than 65,536 bytes. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts);
  const length = content.length;
  const header = length < 0x80 ? [tag, length] : [tag, 0x82, length >>> 8, length & 0xff];
  if (length >= 0x80 && length < 0x100) header.splice(1, 3, 0x81, length);
  return concatBytes(Uint8Array.from(header), content);
}

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}
