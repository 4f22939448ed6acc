import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CryptoBackend } from '../../src/crypto/port.ts';
import { rejectPublicKey } from '../../src/crypto/small-order.ts';
import { generateSeed, randomBytes, signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { loadWasmCrypto } from '../../src/crypto/sodium-wasm.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../../src/types/bytes.ts';
import {
  add,
  BASE,
  challenge,
  decodeScalar,
  encodePoint,
  encodeScalar,
  IDENTITY,
  L,
  multiply,
  P,
  type Point,
  pointAt,
  scalarOf,
  smallOrderPoints,
} from './ed25519-reference.ts';

const wasm = await loadWasmCrypto();
const native: CryptoBackend = { crypto: sodiumCrypto, signerFromSeed };
const backends = { native, wasm };
const hex = (text: string): Uint8Array => fromHex(text)!;

/** The verdict that all backends share. */
function verdict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const answer = native.crypto.verify(publicKey, message, signature);
  expect(wasm.crypto.verify(publicKey, message, signature)).toBe(answer);
  return answer;
}

describe('RFC 8032 §7.1', () => {
  const vectors = [
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
  ] as const;

  for (const [name, backend] of Object.entries(backends)) {
    it.each(vectors)(`${name}: %s`, (seed, publicKey, message, signature) => {
      const signer = backend.signerFromSeed(hex(seed));
      expect(toHex(signer.publicKey)).toBe(publicKey);
      expect(toHex(signer.sign(hex(message)))).toBe(signature);
      expect(verdict(hex(publicKey), hex(message), hex(signature))).toBe(true);
    });
  }
});

it('both backends sign alike, and a change of any bit is refused', () => {
  const message = fc.uint8Array({ maxLength: 200 });
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(seed, message, fc.nat(), (seed, message, position) => {
      const signer = signerFromSeed(seed);
      const signature = signer.sign(message);
      expect(wasm.signerFromSeed(seed).publicKey).toEqual(signer.publicKey);
      expect(wasm.signerFromSeed(seed).sign(message)).toEqual(signature);
      expect(verdict(signer.publicKey, message, signature)).toBe(true);
      const parts = [signer.publicKey, message, signature].map((part) => Uint8Array.from(part));
      const changed = parts.filter((part) => part.length > 0)[
        position % parts.filter((p) => p.length).length
      ]!;
      changed[position % changed.length]! ^= 1 << (position % 8);
      expect(verdict(parts[0]!, parts[1]!, parts[2]!)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

describe('edge cases, on which other verifiers disagree', () => {
  const seed = new Uint8Array(32).fill(7);
  const signer = signerFromSeed(seed);
  const scalar = scalarOf(seed);
  const message = utf8('one criterion for all replicas');
  const signature = signer.sign(message);
  const torsion = smallOrderPoints();
  const nonce = 123456789n;

  /** S = r + k·a for an R and a public key of our choice. */
  function signWith(r: Point, publicKey: Uint8Array, text: Uint8Array): Uint8Array {
    const encodedR = encodePoint(r);
    const s = (nonce + challenge(encodedR, publicKey, text) * scalar) % L;
    return concatBytes(encodedR, encodeScalar(s));
  }

  it('the reference makes signatures that verify, so that what follows is refused for its own reason', () => {
    expect(encodePoint(multiply(scalar, BASE))).toEqual(signer.publicKey);
    expect(
      verdict(signer.publicKey, message, signWith(multiply(nonce, BASE), signer.publicKey, message)),
    ).toBe(true);
  });

  it('R with a component of small order is refused: verification is cofactorless', () => {
    for (const point of torsion.slice(1)) {
      const r = add(multiply(nonce, BASE), point);
      expect(verdict(signer.publicKey, message, signWith(r, signer.publicKey, message))).toBe(false);
    }
  });

  it('S + L is refused: a signature has one form', () => {
    for (const times of [1n, 2n, 8n, 15n]) {
      const s = encodeScalar(decodeScalar(signature.subarray(32)) + times * L);
      expect(verdict(signer.publicKey, message, concatBytes(signature.subarray(0, 32), s))).toBe(false);
    }
  });

  it('the bits of S above the order are refused', () => {
    for (const bit of [0x20, 0x40, 0x80]) {
      const changed = Uint8Array.from(signature);
      changed[63]! |= bit;
      expect(verdict(signer.publicKey, message, changed)).toBe(false);
    }
  });

  it('nothing verifies under a key of small order, whatever k is', () => {
    for (const point of torsion) {
      for (let i = 0; i < 32; i++) {
        const trivial = concatBytes(encodePoint(IDENTITY), encodeScalar(0n));
        expect(verdict(encodePoint(point), Uint8Array.of(i), trivial)).toBe(false);
      }
    }
  });

  it('R of small order is refused under an honest key, even when the equation holds', () => {
    for (const point of torsion) {
      const encodedR = encodePoint(point);
      const s = (challenge(encodedR, signer.publicKey, message) * scalar) % L;
      expect(verdict(signer.publicKey, message, concatBytes(encodedR, encodeScalar(s)))).toBe(false);
    }
  });

  it('under a key with a component of small order exactly the signatures with k ≡ 0 (mod 8) verify', () => {
    const publicKey = encodePoint(add(multiply(scalar, BASE), torsion[1]!));
    const r = multiply(nonce, BASE);
    const answers = new Set<boolean>();
    for (let i = 0; i < 64; i++) {
      const text = Uint8Array.of(i);
      const expected = challenge(encodePoint(r), publicKey, text) % 8n === 0n;
      expect(verdict(publicKey, text, signWith(r, publicKey, text))).toBe(expected);
      answers.add(expected);
    }
    expect(answers.size).toBe(2);
  });

  it('keys and R that are not canonical are refused', () => {
    for (let excess = 0n; excess < 19n; excess++) {
      for (const sign of [0n, 1n]) {
        const encoded = encodeScalar((P + excess) | (sign << 255n));
        expect(verdict(encoded, message, signature)).toBe(false);
        expect(verdict(signer.publicKey, message, concatBytes(encoded, signature.subarray(32)))).toBe(false);
      }
    }
  });

  it('wrong lengths are false, never a throw', () => {
    for (const length of [0, 1, 31, 33, 63, 65, 96]) {
      const other = new Uint8Array(length);
      expect(verdict(other, message, signature)).toBe(false);
      expect(verdict(signer.publicKey, message, other)).toBe(false);
    }
  });

  it('views into larger arrays are read where they begin', () => {
    const whole = concatBytes(Uint8Array.of(9), signer.publicKey, message, signature);
    const [a, b] = [33, 33 + message.length];
    expect(verdict(whole.subarray(1, a), whole.subarray(a, b), whole.subarray(b))).toBe(true);
  });

  it('configuration refuses keys of small order, not canonical, off the curve or of a wrong length', () => {
    for (const { x, y } of torsion) {
      for (const sign of [0n, 1n])
        expect(rejectPublicKey(encodeScalar(y | (sign << 255n)))).toMatch(/small order/);
      expect(x).toBeDefined();
    }
    for (let excess = 0n; excess < 19n; excess++) {
      expect(rejectPublicKey(encodeScalar(P + excess))).toMatch(/not canonical/);
    }
    expect(rejectPublicKey(new Uint8Array(31))).toMatch(/32 bytes.*31/);
    let offCurve = 0;
    for (let y = 2n; y < 60n; y++) {
      const expected = pointAt(y, 0) === undefined ? /not a point/ : undefined;
      if (expected) expect(rejectPublicKey(encodeScalar(y))).toMatch(expected);
      else expect(rejectPublicKey(encodeScalar(y))).toBeUndefined();
      offCurve += expected ? 1 : 0;
    }
    expect(offCurve).toBeGreaterThan(10);
    for (let i = 0; i < 50; i++)
      expect(rejectPublicKey(signerFromSeed(generateSeed()).publicKey)).toBeUndefined();
  });
});

describe('hash', () => {
  const naive = (...parts: readonly Uint8Array[]) => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  };

  it.each(Object.entries(backends))(
    '%s: equals SHA-256 of the parts at every length up to 300',
    (_, { crypto }) => {
      expect(toHex(crypto.hash(utf8('abc')))).toBe(
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      );
      for (let length = 0; length <= 300; length++) {
        const bytes = randomBytes(length);
        expect(crypto.hash(bytes)).toEqual(naive(bytes));
      }
    },
  );

  it.each(Object.entries(backends))('%s: the cuts between the parts do not matter', (_, { crypto }) => {
    const part = fc.uint8Array({ maxLength: 150 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        expect(crypto.hash(...parts)).toEqual(naive(...parts));
        expect(crypto.hash(concatBytes(...parts))).toEqual(naive(...parts));
      }),
    );
    for (const length of [4095, 4096, 4097, 100_000]) {
      const bytes = randomBytes(length);
      for (const parts of [[bytes], [bytes.subarray(0, 77), bytes.subarray(77)]]) {
        expect(crypto.hash(...parts)).toEqual(naive(bytes));
      }
    }
  });

  it.each(Object.entries(backends))('%s: digests are plain arrays of their own', (_, { crypto }) => {
    for (const parts of [
      [new Uint8Array(1)],
      [new Uint8Array(200)],
      [new Uint8Array(9), new Uint8Array(200)],
    ]) {
      for (const filler of [parts, [...parts, new Uint8Array(5000)]]) {
        const digest = crypto.hash(...filler);
        expect(digest.buffer.byteLength).toBe(32);
        expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
      }
    }
  });
});

describe('seeds', () => {
  it.each(Object.entries(backends))('%s: a seed of a wrong length is refused by name', (_, backend) => {
    expect(() => backend.signerFromSeed(new Uint8Array(31))).toThrow('a key seed must be 32 bytes, got 31');
  });

  it('differ from one another', () => {
    expect(generateSeed()).toHaveLength(32);
    expect(generateSeed()).not.toEqual(generateSeed());
    expect(randomBytes(0)).toHaveLength(0);
  });
});
