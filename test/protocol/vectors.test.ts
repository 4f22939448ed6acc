/**
 * Signed and hashed bytes, pinned in vectors.json. A changed layout makes every old signature worthless and splits old replicas from
 * new ones, so these may change only together with the version in the domain tags. REWRITE=1 writes the file anew.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { genesisSchema } from '../../src/protocol/genesis.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import { stateDigestOf } from '../../src/protocol/ledger.ts';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import { checkpointStatement } from '../../src/protocol/messages/checkpoint.ts';
import { entryStatement } from '../../src/protocol/messages/entry.ts';
import { commitStatement, headerStatement, prepareStatement } from '../../src/protocol/messages/ordering.ts';
import { logLeaf, replyLeaf, resultsRootOf } from '../../src/protocol/messages/reply.ts';
import { requestDigest, requestStatement } from '../../src/protocol/messages/request.ts';
import {
  newViewStatement,
  suspectStatement,
  viewChangeStatement,
} from '../../src/protocol/messages/view-change.ts';
import { toHex, utf8 } from '../../src/types/bytes.ts';
import {
  batchOf,
  digestOf,
  genesisSeen,
  makeTestCluster,
  signHeader,
  signOpen,
  signRequest,
  signViewChange,
} from './support.ts';

const test = makeTestCluster();
const { cluster, crypto } = test.context;
const [D, HCD, R, L, Σ] = ['D', 'HCD', 'R', 'L', 'Σ'].map(digestOf) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const at = { view: 5, sequenceNumber: 0x1_0000_0002 };
const open = signOpen(test, 'alice', 7);
const request = signRequest(test, 'alice', { sequenceNumber: 3, index: 1 }, 9, genesisSeen(test), [
  utf8('put'),
  new Uint8Array(0),
]);
const batch = batchOf(1_700_000_000_000, open, request);
const base = { kind: 'commit', view: 4, sequenceNumber: 10, hashChainDigest: HCD } as const;
const claims = [
  { view: 2, sequenceNumber: 11, batchDigest: D },
  { view: 4, sequenceNumber: 13, batchDigest: L },
];
const viewChange = signViewChange(test, 2, 5, base, claims);
const results = [utf8('one'), utf8('two')];
const commit = commitStatement(cluster, { ...at, hashChainDigest: HCD });
const signer = signerFromSeed(new Uint8Array(32).fill(1));

const vectors: Record<string, Uint8Array> = {
  genesis: encode(genesisSchema, cluster.genesis),
  'cluster id': cluster.id,
  'request statement': requestStatement(cluster, crypto, request),
  'request digest': requestDigest(cluster, crypto, request),
  'open statement': requestStatement(cluster, crypto, open),
  'open digest': requestDigest(cluster, crypto, open),
  'null batch digest': batchDigest(cluster, crypto, NULL_BATCH),
  'batch digest': batchDigest(cluster, crypto, batch),
  'HCD^1': extendHashChain(crypto, cluster.id, batchDigest(cluster, crypto, batch)),
  'pre-prepare statement': headerStatement(cluster, { ...at, batchDigest: D }),
  'prepare statement': prepareStatement(cluster, { ...at, batchDigest: D }),
  'commit statement': commit,
  'entry statement': entryStatement(cluster, { ...at, hashChainDigest: HCD, repliesRoot: R, logRoot: L }),
  'checkpoint statement': checkpointStatement(cluster, {
    sequenceNumber: 512,
    hashChainDigest: HCD,
    logRoot: L,
    stateDigest: Σ,
  }),
  'suspect statement': suspectStatement(cluster, { view: 5 }),
  'view-change statement': viewChangeStatement(cluster, crypto, viewChange),
  'new-view statement': newViewStatement(cluster, crypto, {
    view: 5,
    viewChanges: [viewChange],
    headers: [signHeader(test, 5, 11, D)],
  }),
  'results root': resultsRootOf(crypto, results),
  'reply leaf': replyLeaf(crypto, D, 'GAP', resultsRootOf(crypto, results)),
  'log leaf': logLeaf(crypto, HCD, R),
  Σ: stateDigestOf(test.context, 512, {
    timeMs: 1_700_000_000_000,
    manifestRoot: D,
    chunks: 3,
    sessionChunks: 1,
    sessionsDigest: R,
    serviceDigest: L,
  }),
  'Ed25519 signature of the commit statement by the key of seed 0101…': signer.sign(commit),
};

const file = new URL('vectors.json', import.meta.url);
if (process.env.REWRITE === '1') {
  const hex = Object.fromEntries(Object.entries(vectors).map(([name, bytes]) => [name, toHex(bytes)]));
  writeFileSync(file, `${JSON.stringify(hex, undefined, 2)}\n`);
}
const pinned = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;

it.each(Object.keys(vectors))('docs/protocol.md §2: %s', (name) => {
  expect(toHex(vectors[name]!)).toBe(pinned[name]);
});

it('every pinned vector is still made', () => {
  expect(Object.keys(pinned)).toEqual(Object.keys(vectors));
});

it('statements of different kinds never begin alike, so none is a prefix of another', () => {
  const statements = Object.entries(vectors).filter(([name]) => name.endsWith(' statement'));
  expect(statements.length).toBeGreaterThan(8);
  for (const [name, bytes] of statements) {
    const tag = `bft2f/1/${name.replace(' statement', '')}`;
    expect(bytes[0]).toBe(tag.length);
    expect(bytes.subarray(1, 1 + tag.length)).toEqual(utf8(tag));
    expect(bytes.subarray(1 + tag.length, 33 + tag.length)).toEqual(cluster.id);
  }
});

it('the pinned signature verifies', () => {
  expect(sodiumCrypto.verify(signer.publicKey, commit, signer.sign(commit))).toBe(true);
});
