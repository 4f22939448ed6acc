/**
 * Which Ed25519 public keys a configuration may hold. Under a key of small order anyone can make signatures that some
 * verifiers accept, and one key with two encodings would be two identities; libsodium refuses both on every
 * signature, but an operator should learn of it when the key is configured, not when its replica is never heard.
 */

import { PUBLIC_KEY_BYTES } from '../types/identities.ts';

/** The field's prime, 2²⁵⁵ − 19, and the curve's −x² + y² = 1 + d·x²·y² (RFC 8032 §5.1). */
const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/** The y of the points whose order is 8; their negatives −y belong to it as well. */
const Y_OF_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

/** The y coordinates of all eight points of order 1, 2, 4 and 8; x has either sign. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, Y_OF_ORDER_8, P - Y_OF_ORDER_8]);

/** Why `publicKey` (32 bytes, RFC 8032 §5.1.2) must not be used, or undefined if it may. Never throws on bytes. */
export function rejectPublicKey(publicKey: Uint8Array): string | undefined {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    return `a public key has ${PUBLIC_KEY_BYTES} bytes, this one has ${publicKey.length}`;
  }
  const y = littleEndian(publicKey) % 2n ** 255n; // the highest bit is the sign of x
  if (y >= P) return 'the public key is not canonical: its y is not below 2^255 - 19';
  if (SMALL_ORDER_Y.has(y)) return 'the public key has small order: anyone could sign for it';
  if (!isOnCurve(y)) return 'the public key is not a point of the curve: a digit may be wrong';
  return undefined;
}

/** Whether x² = (y² − 1) / (d·y² + 1) has a solution. By Euler's criterion u/v is a square exactly when u·v is. */
function isOnCurve(y: bigint): boolean {
  const ySquared = (y * y) % P;
  const product = ((ySquared - 1n + P) * (D * ySquared + 1n)) % P;
  return product === 0n || power(product, (P - 1n) / 2n) === 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % P) {
    if (rest & 1n) result = (result * square) % P;
  }
  return result;
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}
