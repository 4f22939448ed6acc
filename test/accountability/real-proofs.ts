/**
 * A head, a receipt and a piece of evidence of every kind under real Ed25519 keys from fixed seeds: the same bytes on every run. Replicas 0…2f
 * sign one history, and f+1 of them, the guilty ones, another as well.
 */

import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree } from '../../src/crypto/log-tree.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import type { Evidence, Receipt } from '../../src/protocol/accountability/index.ts';
import { DEFAULT_GENESIS_LIMITS, type Genesis, makeCluster } from '../../src/protocol/genesis.ts';
import { chainOf, extendHashChain } from '../../src/protocol/hash-chain.ts';
import type { EntryContent } from '../../src/protocol/messages/entry.ts';
import { logLeaf, replyLeaf, resultsRootOf } from '../../src/protocol/messages/reply.ts';
import { requestDigest, requestStatement } from '../../src/protocol/messages/request.ts';
import { treeWithPaths } from '../../src/protocol/reply-tree.ts';
import { utf8 } from '../../src/types/bytes.ts';
import {
  checkpointCertificate,
  commitCertificate,
  digestOf,
  headOfReplicas,
  signCheckpoint,
  signCommit,
  signEntry,
  signHeader,
  signPrepare,
  signViewChange,
  type TestCluster,
} from '../protocol/support.ts';

/** The seed of replica i is the byte i+1, 32 times; the client's is 0xc1. */
const signers = [1, 2, 3, 4].map((byte) => signerFromSeed(new Uint8Array(32).fill(byte)));
const client = signerFromSeed(new Uint8Array(32).fill(0xc1));

export const genesis: Genesis = {
  name: 'vectors',
  service: 'kv/1',
  replicas: signers.map(({ publicKey }) => publicKey),
  quorumSize: 3,
  listedOnly: false,
  listed: [],
  limits: DEFAULT_GENESIS_LIMITS,
};
const cluster = makeCluster(genesis, sodiumCrypto);
export const context = { cluster, crypto: sodiumCrypto };
const test: TestCluster = { context, signers };

const request = (() => {
  const unsigned = {
    type: 'request',
    client: client.publicKey,
    session: { sequenceNumber: 1, index: 0 },
    timestamp: 7,
    operations: [utf8('first'), utf8('second')],
    seen: { sequenceNumber: 0, hashChainDigest: cluster.id },
  } as const;
  return { ...unsigned, signature: client.sign(requestStatement(cluster, sodiumCrypto, unsigned)) };
})();
const results = [utf8('done'), new Uint8Array(0)];
const leaves = [
  digestOf('a reply before'),
  replyLeaf(
    sodiumCrypto,
    requestDigest(cluster, sodiumCrypto, request),
    'OK',
    resultsRootOf(sodiumCrypto, results),
  ),
  digestOf('a reply behind'),
];
const replies = treeWithPaths(sodiumCrypto.hash, leaves);

/** 9 batches, of which the first 4 are the same in every history; the request is in the fifth. */
function makeHistory(name: string) {
  const tree = createLogTree(sodiumCrypto.hash, memoryLeafStore());
  const links: Uint8Array[] = [];
  const contents: EntryContent[] = [];
  let hashChainDigest = cluster.id;
  for (let s = 1; s <= 9; s++) {
    const batchDigest = digestOf(s <= 4 ? `batch ${s}` : `batch ${s} of ${name}`);
    links.push(batchDigest);
    hashChainDigest = extendHashChain(sodiumCrypto, hashChainDigest, batchDigest);
    const repliesRoot = s === 5 ? replies.root : sodiumCrypto.hash();
    tree.append(logLeaf(sodiumCrypto, hashChainDigest, repliesRoot));
    contents.push({ sequenceNumber: s, hashChainDigest, repliesRoot, logRoot: tree.root() });
  }
  return { tree, links, at: (s: number) => contents[s - 1]! };
}

const [one, other] = [makeHistory('one'), makeHistory('other')];
const checkpointAt = (history: typeof one, s: number, state = 'state') => {
  const { sequenceNumber, hashChainDigest, logRoot } = history.at(s);
  return { sequenceNumber, hashChainDigest, logRoot, stateDigest: digestOf(state) };
};

export const head = headOfReplicas(test, one.at(5), [0, 1, 2]);
/** Of batch 6, in the other history. */
export const rival = headOfReplicas(test, other.at(6), [0, 1, 3]);
export const laterHead = headOfReplicas(test, one.at(9), [0, 1, 2]);
export const proofToLater = { root: one.tree.rootAt(5), path: [...one.tree.consistencyPath(5, 9)] };
export const receipt: Receipt = {
  operation: 1,
  request,
  status: 'OK',
  results,
  index: 1,
  size: 3,
  path: [...replies.paths[1]!],
  head,
};

const [A, B] = [digestOf('A'), digestOf('B')];
const fork = {
  before: chainOf(sodiumCrypto, cluster.id, other.links).at(4)!,
  links: other.links.slice(5, 7),
};
const firstCommitted = (view: number) =>
  commitCertificate(test, view, 5, one.at(5).hashChainDigest, [0, 1, 2]);
const secondCommitted = (view: number) =>
  commitCertificate(test, view, 7, other.at(7).hashChainDigest, [0, 1, 3]);
const base = {
  kind: 'commit',
  view: 1,
  sequenceNumber: 4,
  hashChainDigest: one.at(4).hashChainDigest,
} as const;
const historyProof = { root: other.tree.rootAt(6), path: [...other.tree.consistencyPath(6, 9)] };

/** By name: the evidence and who it names. */
export const evidence: Readonly<Record<string, readonly [Evidence, readonly number[]]>> = {
  headers: [{ type: 'headers', first: signHeader(test, 5, 3, A), second: signHeader(test, 5, 3, B) }, [1]],
  prepares: [
    { type: 'prepares', first: signPrepare(test, 2, 5, 3, A), second: signPrepare(test, 2, 5, 3, B) },
    [2],
  ],
  commits: [
    { type: 'commits', first: signCommit(test, 3, 5, 3, A), second: signCommit(test, 3, 5, 3, B) },
    [3],
  ],
  entries: [
    {
      type: 'entries',
      first: signEntry(test, 1, 2, one.at(6)),
      second: signEntry(test, 1, 4, other.at(6)),
    },
    [1],
  ],
  checkpoints: [
    {
      type: 'checkpoints',
      first: signCheckpoint(test, 0, checkpointAt(one, 8)),
      second: signCheckpoint(test, 0, checkpointAt(one, 8, 'another state')),
    },
    [0],
  ],
  'fork in one view': [
    { type: 'fork', first: firstCommitted(2), second: secondCommitted(2), ...fork, viewChanges: [] },
    [0, 1],
  ],
  'fork across views': [
    {
      type: 'fork',
      first: firstCommitted(2),
      second: secondCommitted(3),
      ...fork,
      viewChanges: [signViewChange(test, 0, 3, base, []), signViewChange(test, 1, 3, base, [])],
    },
    [0, 1],
  ],
  'histories, two entries': [
    {
      type: 'histories',
      first: { type: 'entry', ...signEntry(test, 1, 2, one.at(6)) },
      second: { type: 'entry', ...signEntry(test, 1, 2, other.at(9)) },
      ...historyProof,
    },
    [1],
  ],
  'histories, a checkpoint and an entry': [
    {
      type: 'histories',
      first: { type: 'checkpoint', ...signCheckpoint(test, 0, checkpointAt(one, 6)) },
      second: { type: 'entry', ...signEntry(test, 0, 2, other.at(9)) },
      ...historyProof,
    },
    [0],
  ],
  'histories, two heads': [
    {
      type: 'histories',
      first: { type: 'head', ...headOfReplicas(test, one.at(6), [0, 1, 2]) },
      second: { type: 'head', ...headOfReplicas(test, other.at(9), [0, 1, 3]) },
      ...historyProof,
    },
    [0, 1],
  ],
  'histories, a stable checkpoint and a head': [
    {
      type: 'histories',
      first: { type: 'stable', ...checkpointCertificate(test, checkpointAt(one, 6), [0, 1, 2]) },
      second: { type: 'head', ...headOfReplicas(test, other.at(9), [0, 1, 3]) },
      ...historyProof,
    },
    [0, 1],
  ],
  withheld: [
    {
      type: 'withheld',
      vote: signCommit(test, 2, 2, 5, one.at(5).hashChainDigest),
      viewChange: signViewChange(test, 2, 3, base, [{ view: 1, sequenceNumber: 5, batchDigest: A }]),
    },
    [2],
  ],
};
