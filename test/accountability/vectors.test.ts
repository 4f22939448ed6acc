/**
 * The files of docs/formats/, pinned in vectors.json with real signatures, so that a verifier can be written from the documents and held
 * against them. They may change only together with the version in their tags. REWRITE=1 writes the file anew.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import {
  compareHeads,
  encodeEvidence,
  encodeReceipt,
  explainEvidence,
  formatHead,
  verifyEvidence,
  verifyHead,
  verifyReceipt,
} from '../../src/protocol/accountability/index.ts';
import { genesisSchema } from '../../src/protocol/genesis.ts';
import { fromHex, toHex, utf8 } from '../../src/types/bytes.ts';
import { context, evidence, genesis, head, laterHead, proofToLater, receipt } from './real-proofs.ts';

const path = new URL('vectors.json', import.meta.url);

const vectors = {
  genesis: toHex(encode(genesisSchema, genesis)),
  clusterId: toHex(context.cluster.id),
  head: formatHead(context, head),
  laterHead: formatHead(context, laterHead),
  consistencyProof: { root: toHex(proofToLater.root), path: proofToLater.path.map(toHex) },
  receipt: toHex(encodeReceipt(context.cluster, receipt)),
  evidence: Object.entries(evidence).map(([name, [piece, guilty]]) => ({
    name,
    guilty,
    file: toHex(encodeEvidence(context.cluster, piece)),
  })),
};

if (process.env.REWRITE === '1') writeFileSync(path, `${JSON.stringify(vectors, undefined, 2)}\n`);
const pinned = JSON.parse(readFileSync(path, 'utf8')) as typeof vectors;

it('files have the pinned bytes', () => {
  expect(vectors).toEqual(pinned);
});

it('pinned heads and receipts verify, and the proof leads from one head to the other', () => {
  expect(verifyHead(context, utf8(pinned.head))).toEqual({ ok: true, value: head });
  expect(verifyReceipt(context, fromHex(pinned.receipt)!)).toEqual({ ok: true, value: receipt });
  const later = verifyHead(context, utf8(pinned.laterHead));
  if (!later.ok) throw new Error(later.error.text);
  const proof = {
    root: fromHex(pinned.consistencyProof.root)!,
    path: pinned.consistencyProof.path.map((node) => fromHex(node)!),
  };
  expect(compareHeads(context, head, later.value, proof).type).toBe('EXTENDS');
});

it.each(pinned.evidence)('pinned evidence "$name" names the guilty', ({ guilty, file }) => {
  const verified = verifyEvidence(context, fromHex(file)!);
  if (!verified.ok) throw new Error(verified.error.text);
  expect(verified.value.verdict.guilty).toEqual(guilty);
  expect(explainEvidence(context.cluster, verified.value).join(' ')).toContain(`replica ${guilty[0]} (key `);
});
