import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { redialDelayMs } from '../../src/network/backoff.ts';
import { selfSignedCertificate } from '../../src/network/certificate.ts';
import { makeIdentity, rawPublicKey, verifySignature } from '../../src/network/identity.ts';
import { networkLimits } from '../../src/network/limits.ts';
import { fromHex, toHex, utf8 } from '../../src/types/bytes.ts';
import { seedOf } from './support.ts';

test('RFC 8032 §7.1, test 2: public key and signature from the seed', () => {
  const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')!;
  const identity = makeIdentity(seed);
  expect(toHex(identity.publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
  const signature = identity.sign(Uint8Array.of(0x72));
  expect(toHex(signature)).toBe(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  expect(verifySignature(identity.publicKey, Uint8Array.of(0x72), signature)).toBe(true);
  expect(verifySignature(identity.publicKey, Uint8Array.of(0x73), signature)).toBe(false);
});

test('the certificate is one that an independent parser reads, signed by its own key, the same every time', () => {
  const { publicKey, sign } = makeIdentity(seedOf(5));
  const pem = selfSignedCertificate(publicKey, sign);
  const certificate = new X509Certificate(pem);
  expect(rawPublicKey(certificate.publicKey)).toEqual(publicKey);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkIssued(certificate)).toBe(true);
  expect(certificate.subject).toBe('CN=bft2f');
  expect(certificate.validTo).toBe('Dec 31 23:59:59 9999 GMT');
  expect(selfSignedCertificate(publicKey, sign)).toBe(pem);
});

test('keys and signatures of wrong lengths or other kinds are refused, not thrown on', () => {
  const { publicKey, sign } = makeIdentity(seedOf(5));
  const message = utf8('m');
  expect(verifySignature(publicKey.slice(1), message, sign(message))).toBe(false);
  expect(verifySignature(publicKey, message, sign(message).slice(1))).toBe(false);
  expect(verifySignature(new Uint8Array(32).fill(0xff), message, sign(message))).toBe(false);
  const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  expect(rawPublicKey(createPublicKey(p256.privateKey))).toBeUndefined();
  expect(() => makeIdentity(new Uint8Array(31))).toThrow('32 bytes, not 31');
});

test('the pause before connecting again doubles up to its maximum, also after very many failures', () => {
  const delays = [0, 1, 2, 6, 7, 1e9].map((failures) => redialDelayMs(failures, 50, 5_000, 0));
  expect(delays).toEqual([50, 100, 200, 3_200, 5_000, 5_000]);
  expect(redialDelayMs(3, 50, 5_000, 0.999)).toBe(200);
});

test('a limit that is no positive integer, or no timer can hold, is named', () => {
  expect(() => networkLimits({ frameBytesMax: 0 })).toThrow('frameBytesMax is 0');
  expect(() => networkLimits({ idleTimeoutMs: 2 ** 31 })).toThrow('idleTimeoutMs');
  expect(networkLimits({ clientConnectionsMax: 2 }).clientConnectionsMax).toBe(2);
});
