import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { formatHead, headText, originOf, verifyHead } from '../../src/protocol/accountability/index.ts';
import { noteKeyId, parseNote } from '../../src/protocol/accountability/signed-note.ts';
import { fromBase64, toBase64 } from '../../src/types/base64.ts';
import { equalBytes, utf8 } from '../../src/types/bytes.ts';
import { digestOf, headOfReplicas, makeTestCluster } from '../protocol/support.ts';

/** n = 7, Q = 5. */
const test = makeTestCluster(7);
const { context } = test;
const content = {
  sequenceNumber: 4711,
  hashChainDigest: digestOf('hcd'),
  repliesRoot: digestOf('replies'),
  logRoot: digestOf('log'),
};
const head = headOfReplicas(test, content, [0, 2, 3, 5, 6]);
const note = formatHead(context, head);
const verify = (text: string) => verifyHead(context, utf8(text));
const codeOf = (text: string) => {
  const result = verify(text);
  return result.ok ? 'ok' : result.error.code;
};
const lines = note.split('\n');
const signatures = lines.filter((line) => line.startsWith('— '));

describe('a head as a C2SP checkpoint', () => {
  it('is origin, size, root, two extension lines, an empty line and a signature of each replica', () => {
    expect(lines.slice(0, 6)).toEqual([
      originOf(context.cluster),
      '4711',
      toBase64(content.logRoot),
      `hcd ${toBase64(content.hashChainDigest)}`,
      `replies ${toBase64(content.repliesRoot)}`,
      '',
    ]);
    expect(signatures).toHaveLength(5);
    expect(signatures[1]).toMatch(new RegExp(`^— ${originOf(context.cluster)}/2 `));
  });

  it('verifies to the head that it was made of', () => {
    expect(verify(note)).toEqual({ ok: true, value: head });
  });

  it('carries signatures of others, which are passed over', () => {
    const other = `— witness.example/w ${toBase64(new Uint8Array(76).fill(7))}\n`;
    expect(verify(note + other)).toEqual({ ok: true, value: head });
    expect(verify(note.replace('— ', `${other}— `))).toEqual({ ok: true, value: head });
    // Our name with another key ID is another key.
    const stranger = `— ${originOf(context.cluster)}/1 ${toBase64(new Uint8Array(76))}\n`;
    expect(codeOf(note + stranger)).toBe('ok');
  });

  it('with more than a quorum of signatures gives the first of them', () => {
    const extra = headOfReplicas(test, content, [1, 2, 3, 4, 5]);
    const more = formatHead(context, extra)
      .split('\n')
      .filter((line) => /\/(?:1|4) /.test(line));
    const verified = verify(`${note}${more.join('\n')}\n`);
    expect(verified.ok && verified.value.votes.map(({ replica }) => replica)).toEqual([0, 1, 2, 3, 4]);
  });

  it('is refused with the first thing that is wrong', () => {
    expect(codeOf('')).toBe('MALFORMED');
    expect(codeOf(note.slice(0, -1))).toBe('MALFORMED');
    expect(codeOf(note.replace('4711', '04711'))).toBe('MALFORMED');
    expect(codeOf(note.replace('4711', '0'))).toBe('MALFORMED');
    expect(codeOf(note.replace('\n\n', '\nmore\n\n'))).toBe('MALFORMED');
    expect(codeOf(note.replace('hcd ', 'hcd  '))).toBe('MALFORMED');
    expect(codeOf(note.replace(originOf(context.cluster), 'example.org/log'))).toBe('OTHER_CLUSTER');
    expect(codeOf(`${note}${signatures[0]}\n`)).toBe('DOUBLE_SIGNATURE');
    expect(codeOf(note.replace('4711', '4712'))).toBe('BAD_SIGNATURE');
    expect(codeOf(note.replace(`${signatures[4]}\n`, ''))).toBe('TOO_FEW_SIGNATURES');
    const otherLog = toBase64(digestOf('another log'));
    expect(codeOf(note.replace(toBase64(content.logRoot), otherLog))).toBe('BAD_SIGNATURE');
    const other = makeTestCluster(7, { name: 'other' });
    expect(verifyHead(other.context, utf8(note))).toMatchObject({ error: { code: 'OTHER_CLUSTER' } });
  });

  it('with any one byte altered is refused, or the byte was not in what is signed', () => {
    const bytes = utf8(note);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const altered = bytes.slice();
        altered[at]! ^= difference;
        const result = verifyHead(context, altered);
        // An altered name or key ID makes it a stranger's signature, so one too few is left.
        expect(result.ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws on bytes from strangers, and reads no note that is too large', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(verifyHead(context, bytes).ok).toBe(false);
      }),
    );
    const huge = utf8(`${headText(context.cluster, content)}\n${'— a AAAAAAAA\n'.repeat(10_000)}`);
    expect(verifyHead(context, huge)).toMatchObject({ error: { code: 'MALFORMED' } });
  });
});

describe('signed-note', () => {
  it('reads the example of the specification', () => {
    const example =
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n' +
      '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    const parsed = parseNote(utf8(example));
    if (!parsed.ok) throw new Error(parsed.error);
    expect(parsed.value.text.endsWith('ed è subito sera.\n')).toBe(true);
    expect(parsed.value.signatures).toHaveLength(1);
    expect(parsed.value.signatures[0]!.signature).toHaveLength(64);
  });

  it('computes key IDs as an Ed25519 verifier key of the Go tools shows them', () => {
    // golang.org/x/mod/sumdb/note: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".
    const material = fromBase64('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')!;
    const id = noteKeyId(sodiumCrypto, 'PeterNeumann', material.slice(0, 1), material.slice(1));
    expect(equalBytes(id, Uint8Array.of(0xc7, 0x4f, 0x20, 0xa3))).toBe(true);
  });
});

describe('base 64', () => {
  it('is that of RFC 4648 and has one text for each byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = toBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(text)).toEqual(bytes);
      }),
    );
    for (const bad of ['A', 'AA', 'AA=', 'AB==', 'AAB=', 'AA==AAAA', 'A===', '====', 'AA-_', ' AAA']) {
      expect(fromBase64(bad), bad).toBeUndefined();
    }
  });
});
