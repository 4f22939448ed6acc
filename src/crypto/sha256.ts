/**
 * SHA-256 (FIPS 180-4) in plain TypeScript, for browsers: there the platform's own is asynchronous, which the protocol
 * cannot use, and the WebAssembly build of libsodium leaves it out. On short inputs it is about as fast as a call
 * into native code.
 */

import { writeU64 } from '../types/bytes.ts';

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of 8. */
const ROUND_CONSTANTS = Int32Array.from(primes(64), (prime) => fraction32(Math.cbrt(prime)));
const INITIAL_STATE = Int32Array.from(primes(8), (prime) => fraction32(Math.sqrt(prime)));

const BLOCK_BYTES = 64;

// Reused by every call: nothing here can be interrupted by another one.
const schedule = new Int32Array(64);
const state = new Int32Array(8);
const block = new Uint8Array(BLOCK_BYTES);

/** SHA-256 of the concatenation of the parts; 32 bytes, a new array. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  state.set(INITIAL_STATE);
  let filled = 0;
  let total = 0;
  for (const part of parts) {
    total += part.length;
    let offset = 0;
    while (offset < part.length) {
      if (filled === 0 && part.length - offset >= BLOCK_BYTES) {
        compress(part, offset);
        offset += BLOCK_BYTES;
        continue;
      }
      const end = Math.min(part.length, offset + BLOCK_BYTES - filled);
      while (offset < end) block[filled++] = part[offset++]!;
      if (filled === BLOCK_BYTES) {
        compress(block, 0);
        filled = 0;
      }
    }
  }
  return finish(filled, total);
}

/** Pads the last block: a one bit, zeros, and the length in bits as 64 bits. */
function finish(filled: number, total: number): Uint8Array {
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled + 1 > BLOCK_BYTES - 8) {
    compress(block, 0);
    block.fill(0);
  }
  writeU64(block, BLOCK_BYTES - 8, total * 8);
  compress(block, 0);
  const digest = new Uint8Array(32);
  for (let i = 0; i < 8; i++) {
    const word = state[i]!;
    digest[4 * i] = word >>> 24;
    digest[4 * i + 1] = word >>> 16;
    digest[4 * i + 2] = word >>> 8;
    digest[4 * i + 3] = word;
  }
  return digest;
}

/** Folds the 64 bytes at `offset` into the state; names as in FIPS 180-4 §6.2.2. */
function compress(bytes: Uint8Array, offset: number): void {
  const w = schedule;
  for (let t = 0, i = offset; t < 16; t++, i += 4) {
    w[t] = (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!;
  }
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15]!;
    const y = w[t - 2]!;
    const sigma0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const sigma1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (sigma1 + w[t - 7]! + sigma0 + w[t - 16]!) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let t = 0; t < 64; t++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[t]! + w[t]!) | 0;
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function fraction32(root: number): number {
  return Math.floor((root % 1) * 0x1_0000_0000);
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}
