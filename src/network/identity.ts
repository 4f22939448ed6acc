/**
 * A party's Ed25519 key as TLS and HELLO use it. TLS proves that the other side holds the private key of the
 * certificate it showed; which key that must be, is decided here and not by certificate authorities.
 */

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signWith,
  verify as verifyWith,
} from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { concatBytes, fromHex } from '../types/bytes.ts';
import { PUBLIC_KEY_BYTES, type PublicKey, SIGNATURE_BYTES, type Signature } from '../types/identities.ts';
import { selfSignedCertificate } from './certificate.ts';

export const SEED_BYTES = 32;

/** RFC 8410: what stands before the 32 bytes in the DER of a private and of a public Ed25519 key. */
const PRIVATE_KEY_PREFIX = fromHex('302e020100300506032b657004220420')!;
const PUBLIC_KEY_PREFIX = fromHex('302a300506032b6570032100')!;

export interface Identity {
  /** 32 bytes. */
  readonly publicKey: PublicKey;
  readonly sign: (message: Uint8Array) => Signature;
  /** For the server side. */
  readonly tlsOptions: SecureContextOptions;
  /** The same for the client side, made once: every attempt to connect uses it. */
  readonly secureContext: SecureContext;
}

/** @throws Error if `seed` is not 32 bytes. */
export function makeIdentity(seed: Uint8Array): Identity {
  if (!(seed instanceof Uint8Array) || seed.length !== SEED_BYTES) {
    throw new Error(`the seed of an Ed25519 key is ${SEED_BYTES} bytes, not ${seed?.length}`);
  }
  const privateKey = createPrivateKey({
    key: Buffer.from(concatBytes(PRIVATE_KEY_PREFIX, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = rawPublicKey(createPublicKey(privateKey))!;
  const sign = (message: Uint8Array): Signature => new Uint8Array(signWith(null, message, privateKey));
  const tlsOptions: SecureContextOptions = {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: selfSignedCertificate(publicKey, sign),
    minVersion: 'TLSv1.3',
    // Other kinds of key fail inside TLS already: nobody makes us verify a signature of a 16,384-bit RSA key.
    sigalgs: 'ed25519',
  };
  return { publicKey, sign, tlsOptions, secureContext: createSecureContext(tlsOptions) };
}

/** Never throws: a key or signature that is none answers false. */
export function verifySignature(publicKey: PublicKey, message: Uint8Array, signature: Signature): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  try {
    const key = createPublicKey({
      key: Buffer.from(concatBytes(PUBLIC_KEY_PREFIX, publicKey)),
      format: 'der',
      type: 'spki',
    });
    return verifyWith(null, message, key, signature);
  } catch {
    return false;
  }
}

/**
 * The key that the other side of a finished TLS handshake proved to hold; undefined if it showed no certificate
 * or one for another kind of key.
 */
export function provenKeyOf(socket: TLSSocket): PublicKey | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate && rawPublicKey(certificate.publicKey);
  } catch {
    // A key that OpenSSL cannot even represent.
    return undefined;
  }
}

/** The 32 bytes of an Ed25519 public key; undefined for another kind. */
export function rawPublicKey(key: KeyObject): PublicKey | undefined {
  if (key.asymmetricKeyType !== 'ed25519') return undefined;
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(-PUBLIC_KEY_BYTES));
}
