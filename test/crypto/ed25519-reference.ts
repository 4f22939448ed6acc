/**
 * Ed25519 in big integers after RFC 8032, to make the signatures that no honest signer makes: with torsion in R or
 * A, with S above the group's order, under keys of small order. Slow and not secret-safe; for tests only.
 */

import { createHash } from 'node:crypto';
import { concatBytes } from '../../src/types/bytes.ts';

export const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));

export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

export const IDENTITY: Point = { x: 0n, y: 1n };
export const BASE: Point = pointAt(mod(4n * inverse(5n)), 0)!;

export function add(a: Point, b: Point): Point {
  const product = D * a.x * a.y * b.x * b.y;
  return {
    x: mod((a.x * b.y + a.y * b.x) * inverse(1n + product)),
    y: mod((a.y * b.y + a.x * b.x) * inverse(1n - product)),
  };
}

export function multiply(scalar: bigint, point: Point): Point {
  let result = IDENTITY;
  for (let rest = scalar, power = point; rest > 0n; rest >>= 1n, power = add(power, power)) {
    if (rest & 1n) result = add(result, power);
  }
  return result;
}

/** The point with this y whose x is even (0) or odd (1), if y belongs to the curve. */
export function pointAt(y: bigint, sign: 0 | 1): Point | undefined {
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(x * x) !== square) return undefined;
  return { x: Number(x & 1n) === sign ? x : mod(-x), y };
}

export function encodePoint({ x, y }: Point): Uint8Array {
  return encodeScalar(y | ((x & 1n) << 255n));
}

export function encodeScalar(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

export function decodeScalar(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** All eight points of order 1, 2, 4 and 8: the multiples of a point of order 8. */
export function smallOrderPoints(): readonly Point[] {
  for (let y = 2n; ; y++) {
    const point = pointAt(y, 0);
    const torsion = point && multiply(L, point);
    if (torsion && multiply(4n, torsion).y !== 1n) {
      return Array.from({ length: 8 }, (_, i) => multiply(BigInt(i), torsion));
    }
  }
}

/** The secret scalar of a seed. */
export function scalarOf(seed: Uint8Array): bigint {
  const scalar = decodeScalar(sha512(seed).subarray(0, 32));
  return (scalar & (2n ** 254n - 8n)) | (2n ** 254n);
}

/** The challenge k = H(R ‖ A ‖ M) mod L. */
export function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return decodeScalar(sha512(concatBytes(r, publicKey, message))) % L;
}

function sha512(bytes: Uint8Array): Uint8Array {
  return createHash('sha512').update(bytes).digest();
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function inverse(value: bigint): bigint {
  return power(mod(value), P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let rest = exponent, square = base; rest > 0n; rest >>= 1n, square = (square * square) % P) {
    if (rest & 1n) result = (result * square) % P;
  }
  return result;
}
