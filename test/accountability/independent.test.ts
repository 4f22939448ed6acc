/** The pinned files hold for the verifier that was written from docs/formats/, and no altered byte does. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { judgeOf, verifyEvidence, verifyHead, verifyReceipt } from './independent.ts';

interface Vectors {
  readonly genesis: string;
  readonly clusterId: string;
  readonly head: string;
  readonly laterHead: string;
  readonly receipt: string;
  readonly evidence: readonly { readonly name: string; readonly guilty: number[]; readonly file: string }[];
}
const path = new URL('vectors.json', import.meta.url);
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;
const bytes = (hex: string) => Buffer.from(hex, 'hex');
const judge = judgeOf(bytes(vectors.genesis));

/** Each at another place: bytes of every field, and hence of every signature. */
function* altered(file: Buffer): Generator<Buffer> {
  for (let at = 0; at < file.length; at += 7) {
    const copy = Buffer.from(file);
    copy[at]! ^= 1;
    yield copy;
  }
}

it('the cluster id follows from the canonical genesis', () => {
  expect(judge.id.toString('hex')).toBe(vectors.clusterId);
  expect(judge).toMatchObject({ quorum: 3, window: 16 });
});

it('heads hold', () => {
  expect([vectors.head, vectors.laterHead].map((note) => verifyHead(judge, note))).toEqual([5, 9]);
  expect(() => verifyHead(judge, vectors.head.replace('\n5\n', '\n6\n'))).toThrow('signature');
});

it('the receipt holds, and no altered one', () => {
  const file = bytes(vectors.receipt);
  expect(verifyReceipt(judge, file)).toEqual({ s: 5, result: Buffer.alloc(0) });
  // Bytes of `operation` choose another result of the same receipt.
  const [from, to] = [53 + 3, 53 + 4];
  for (const [i, copy] of [...altered(file)].entries()) {
    if (i * 7 < from || i * 7 >= to) expect(() => verifyReceipt(judge, copy)).toThrow();
  }
});

it.each(vectors.evidence)('evidence holds and names the guilty: $name', ({ guilty, file }) => {
  expect(verifyEvidence(judge, bytes(file))).toEqual(guilty);
});

it.each(vectors.evidence)('altered evidence is refused, or names fewer: $name', ({ guilty, file }) => {
  for (const copy of altered(bytes(file))) {
    let named: readonly number[] = [];
    try {
      named = verifyEvidence(judge, copy);
    } catch {
      continue;
    }
    // A VIEW-CHANGE of kind 6 may fail without the rest.
    expect(named.length).toBeLessThan(guilty.length);
    expect(guilty).toEqual(expect.arrayContaining([...named]));
  }
});
