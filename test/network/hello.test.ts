import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, encode } from '../../src/codec/index.ts';
import {
  checkGreeting,
  commonVersion,
  GREETING_BYTES_MAX,
  greetingSchema,
  helloFrame,
  type LocalParty,
  refusalFrame,
} from '../../src/network/hello.ts';
import { NetworkError } from '../../src/network/network-error.ts';
import { CLUSTER, identityOf, OTHER_CLUSTER } from './support.ts';

const exporter = new Uint8Array(32).fill(0xee);
const us: LocalParty = {
  identity: identityOf(1),
  clusterId: CLUSTER,
  epoch: 0,
  party: { role: 'replica', index: 0 },
  versions: [1, 3, 2],
};
const them: LocalParty = { ...us, identity: identityOf(2), party: { role: 'replica', index: 1 } };

function verdict(frame: Uint8Array, here = exporter): string {
  const result = checkGreeting(frame, us, them.identity.publicKey, here);
  return result.ok ? 'accepted' : result.error.code;
}

test('a HELLO is accepted on its connection only, for its cluster, epoch, key and a common version', () => {
  expect(verdict(helloFrame(them, exporter, 1_000))).toBe('accepted');
  expect(verdict(helloFrame(them, exporter, 1_000), new Uint8Array(32))).toBe('BAD_SIGNATURE');
  expect(verdict(helloFrame({ ...them, clusterId: OTHER_CLUSTER }, exporter, 1_000))).toBe('WRONG_CLUSTER');
  expect(verdict(helloFrame({ ...them, epoch: 1 }, exporter, 1_000))).toBe('WRONG_EPOCH');
  expect(verdict(helloFrame({ ...them, versions: [7] }, exporter, 1_000))).toBe('NO_COMMON_VERSION');
  expect(verdict(helloFrame({ ...them, identity: identityOf(3) }, exporter, 1_000))).toBe('WRONG_KEY');
});

test('every field is under the signature', () => {
  const greeting = decode(greetingSchema, helloFrame(them, exporter, 1_000));
  if (!greeting.ok || greeting.value.type !== 'hello') throw new Error('no HELLO');
  const hello = greeting.value;
  const altered = [
    { ...hello, versions: [1] },
    { ...hello, versions: [1, 3, 4] },
    { ...hello, frameBytesMax: 1_001 },
    { ...hello, party: { role: 'replica', index: 2 } as const },
    { ...hello, party: { role: 'client' } as const },
    { ...hello, signature: hello.signature.map((byte, i) => (i === 9 ? byte ^ 1 : byte)) },
  ];
  for (const forged of altered) expect(verdict(encode(greetingSchema, forged))).toBe('BAD_SIGNATURE');
});

test('any bytes as first frame get a reason, never a throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => verdict(bytes) !== 'accepted'));
  const genuine = helloFrame(them, exporter, 1_000);
  for (let i = 0; i < genuine.length; i++) {
    const flipped = genuine.map((byte, j) => (i === j ? byte ^ 0x40 : byte));
    expect(verdict(flipped)).not.toBe('accepted');
    expect(verdict(genuine.slice(0, i))).toBe('MALFORMED');
  }
});

test('every greeting fits the limit before HELLO', () => {
  expect(greetingSchema.bytesMax).toBeLessThanOrEqual(GREETING_BYTES_MAX);
});

test('a refusal carries its reason to the other side, long or odd as it may be, without control characters', () => {
  const told = checkGreeting(
    refusalFrame(new NetworkError('WRONG_CLUSTER', 'ours a1, theirs b2')),
    us,
    them.identity.publicKey,
    exporter,
  );
  expect(!told.ok && told.error.code).toBe('REFUSED');
  expect(!told.ok && told.error.message).toContain('WRONG_CLUSTER: ours a1, theirs b2');
  expect(verdict(refusalFrame(new NetworkError('BUSY', '\u{1f600}\u0007…'.repeat(900))))).toBe('REFUSED');
  const rude = encode(greetingSchema, { type: 'refused', code: 'BUSY', reason: 'a\u001b[2Jb' });
  const heard = checkGreeting(rude, us, them.identity.publicKey, exporter);
  expect(!heard.ok && heard.error.message).toContain('a [2Jb');
});

test('the highest common version, whoever computes it', () => {
  const versions = fc.uniqueArray(fc.nat(6), { minLength: 1 });
  fc.assert(
    fc.property(versions, versions, (a, b) => {
      const both = a.filter((version) => b.includes(version)).sort((x, y) => y - x);
      expect(commonVersion(a, b)).toBe(both[0]);
      expect(commonVersion(b, a)).toBe(both[0]);
    }),
  );
});
