/** Cosignatures, verifier keys and submissions: the forms of C2SP tlog-cosignature and tlog-witness, and hostile bytes in their place. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import {
  cosign,
  cosignedAt,
  formatSignature,
  formatSubmission,
  formatVerifierKey,
  isCosignerName,
  parseSubmission,
  parseVerifierKey,
} from '../../src/protocol/accountability/index.ts';
import { utf8 } from '../../src/types/bytes.ts';

const signer = signerFromSeed(new Uint8Array(32).fill(7));
const cosigner = { name: 'witness.example/w', publicKey: signer.publicKey };
const text = 'log.example\n1\nAAAA\n';

describe('a cosignature', () => {
  const line = cosign(sodiumCrypto, { name: cosigner.name, signer }, text, 1_700_000_000);
  const note = { text, signatures: [line] };

  it('has these bytes, computed by another implementation', () => {
    expect(formatSignature(line)).toBe(
      '— witness.example/w g3VaswAAAABlU/EAV354A94kGfxUodhvNby7IhIy15BIwuE+I5AFk+Vfmdza6rrf3ZwziBttH0pRd+p3M4+jMW5IQg3b4bxExGQaCw==\n',
    );
    expect(formatVerifierKey(sodiumCrypto, cosigner)).toBe(
      'witness.example/w+83755ab3+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs',
    );
  });

  it('holds for its text, name and key', () => {
    expect(cosignedAt(sodiumCrypto, cosigner, note)).toBe(1_700_000_000);
    const other = { name: cosigner.name, publicKey: signerFromSeed(new Uint8Array(32).fill(8)).publicKey };
    expect(cosignedAt(sodiumCrypto, other, note)).toBeUndefined();
    expect(cosignedAt(sodiumCrypto, { ...cosigner, name: 'x' }, note)).toBeUndefined();
    expect(cosignedAt(sodiumCrypto, cosigner, { ...note, text: `${text}x\n` })).toBeUndefined();
  });

  it('holds for its time, and no other bytes', () => {
    for (let i = 0; i < line.signature.length; i++) {
      const signature = line.signature.slice();
      signature[i]! ^= 1;
      expect(
        cosignedAt(sodiumCrypto, cosigner, { text, signatures: [{ ...line, signature }] }),
      ).toBeUndefined();
    }
    const short = { ...line, signature: line.signature.slice(1) };
    expect(cosignedAt(sodiumCrypto, cosigner, { text, signatures: [short, line] })).toBe(1_700_000_000);
  });
});

describe('a verifier key', () => {
  it('is read as it is written, and in no other way', () => {
    const key = formatVerifierKey(sodiumCrypto, cosigner);
    expect(key).toMatch(/^witness\.example\/w\+[0-9a-f]{8}\+BA?[A-Za-z0-9+/]{42,43}$/);
    expect(parseVerifierKey(sodiumCrypto, key)).toEqual(cosigner);
    for (let i = 0; i < key.length; i++) {
      const changed = `${key.slice(0, i)}${key[i] === 'x' ? 'y' : 'x'}${key.slice(i + 1)}`;
      expect(parseVerifierKey(sodiumCrypto, changed)).toBeUndefined();
    }
    for (const wrong of ['', 'a', '++', `${key}\n`, `${key}=`, ` ${key}`]) {
      expect(parseVerifierKey(sodiumCrypto, wrong)).toBeUndefined();
    }
  });

  it('has a name without spaces and plus signs', () => {
    expect(['w', 'wörld.example/1', 'a'.repeat(255)].every(isCosignerName)).toBe(true);
    expect(['', 'a b', 'a+b', 'a\u00a0b', 'a\u0000', 'a\n', 'a'.repeat(256)].some(isCosignerName)).toBe(
      false,
    );
  });
});

describe('a submission', () => {
  it('is read as it is written', () => {
    const submissions = fc.record({
      oldSize: fc.nat(),
      path: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
      note: fc.uint8Array({ maxLength: 200 }),
    });
    fc.assert(
      fc.property(submissions, (submission) => {
        const parsed = parseSubmission(formatSubmission(submission));
        expect(parsed).toEqual({ ok: true, value: submission });
      }),
    );
  });

  it('that is none is refused and never throws', () => {
    const lines = fc.array(fc.oneof(fc.constantFrom('old 1', '', `${'A'.repeat(43)}=`), fc.string()));
    fc.assert(
      fc.property(lines, fc.uint8Array(), (some, bytes) => {
        for (const each of [utf8(some.join('\n')), bytes]) {
          const parsed = parseSubmission(each);
          // What is taken is spelled in the one way.
          if (parsed.ok) expect(formatSubmission(parsed.value)).toEqual(each);
        }
      }),
    );
  });
});
