/**
 * A scripted cluster for tests of the client: it "executes" what it is told with the status and results it is told, and signs replies as n
 * replicas would. A second one from the same keys and another history is a fork.
 */

import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree } from '../../src/crypto/log-tree.ts';
import type { Signer } from '../../src/crypto/port.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../../src/crypto/simulated.ts';
import type { Context } from '../../src/protocol/context.ts';
import { DEFAULT_GENESIS_LIMITS, type GenesisLimits, makeCluster } from '../../src/protocol/genesis.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import { type Entry, type EntryContent, entryStatement } from '../../src/protocol/messages/entry.ts';
import type { MessageOf } from '../../src/protocol/messages/index.ts';
import { logLeaf, replyLeaf, resultsRootOf, type Status } from '../../src/protocol/messages/reply.ts';
import {
  type ClientRequest,
  encodeSessionNumber,
  requestDigest,
} from '../../src/protocol/messages/request.ts';
import { treeWithPaths } from '../../src/protocol/reply-tree.ts';
import { utf8 } from '../../src/types/bytes.ts';
import type { ReplicaIndex } from '../../src/types/identities.ts';

const backend = makeSimulatedCrypto(sha256);

/** A key pair by name. */
export function fakeSigner(name: string): Signer {
  return backend.signerFromSeed(sha256(utf8(name)));
}

/** What one request was answered in an executed batch. */
export interface FakeReply {
  readonly request: ClientRequest;
  readonly status: Status;
  readonly results: readonly Uint8Array[];
  readonly index: number;
  readonly size: number;
  readonly path: readonly Uint8Array[];
  readonly content: EntryContent;
}

export interface FakeCluster {
  readonly context: Context;
  readonly signers: readonly Signer[];
  /** Executes a batch with this one request among `others` more; the result of OPEN is its session number. */
  execute(
    request: ClientRequest,
    options?: { status?: Status; results?: readonly Uint8Array[]; others?: number },
  ): FakeReply;
  /** Executes `count` batches that concern nobody here. */
  idle(count: number): EntryContent;
  entry(replica: ReplicaIndex, content: EntryContent, view?: number): Entry;
  reply(
    replica: ReplicaIndex,
    executed: FakeReply,
    options?: { view?: number; hashOnly?: boolean },
  ): MessageOf<'reply'>;
  readReply(
    replica: ReplicaIndex,
    read: MessageOf<'read'>,
    content: EntryContent,
    result: Uint8Array,
    options?: { status?: 'OK' | 'FORKED' | 'STALE'; hashOnly?: boolean },
  ): MessageOf<'read-reply'>;
  /** The consistency proof between two sizes of this history's log. */
  proof(from: number, to: number): readonly Uint8Array[];
  /** L at a size. */
  rootAt(size: number): Uint8Array;
  newest(): EntryContent;
}

/** `history` names the fork, by the number of batches before: while names are equal, so are histories. */
export function makeFakeCluster(
  replicaCount = 4,
  options: {
    history?: string | ((size: number) => string);
    limits?: Partial<GenesisLimits>;
    quorumSize?: number;
  } = {},
): FakeCluster {
  const { crypto } = backend;
  const signers = Array.from({ length: replicaCount }, (_, i) => fakeSigner(`replica ${i}`));
  const cluster = makeCluster(
    {
      name: 'fake',
      service: 'none',
      replicas: signers.map(({ publicKey }) => publicKey),
      quorumSize: options.quorumSize ?? (2 * (replicaCount - 1)) / 3 + 1,
      listedOnly: false,
      listed: [],
      limits: { ...DEFAULT_GENESIS_LIMITS, ...options.limits },
    },
    crypto,
  );
  const context = { cluster, crypto };
  const log = createLogTree(crypto.hash, memoryLeafStore());
  let hashChainDigest = cluster.id;
  let newest: EntryContent | undefined;

  function append(repliesRoot: Uint8Array): EntryContent {
    const { history = 'main' } = options;
    const name = typeof history === 'string' ? history : history(log.size);
    const batch = crypto.hash(utf8(`${name} ${log.size}`), repliesRoot);
    hashChainDigest = extendHashChain(crypto, hashChainDigest, batch);
    log.append(logLeaf(crypto, hashChainDigest, repliesRoot));
    newest = { sequenceNumber: log.size, hashChainDigest, repliesRoot, logRoot: log.root() };
    return newest;
  }

  const fake: FakeCluster = {
    context,
    signers,
    execute(request, { status = 'OK', results, others = 2 } = {}) {
      const opened = () => [encodeSessionNumber({ sequenceNumber: log.size + 1, index: 1 })];
      const all = status !== 'OK' ? [] : (results ?? (request.type === 'open' ? opened() : echo(request)));
      const digest = requestDigest(cluster, crypto, request);
      const leaf = replyLeaf(crypto, digest, status, resultsRootOf(crypto, all));
      const leaves = Array.from({ length: others }, (_, i) => crypto.hash(utf8(`other ${i}`)));
      const index = Math.min(1, others);
      leaves.splice(index, 0, leaf);
      const { root, paths } = treeWithPaths(crypto.hash, leaves);
      const content = append(root);
      return { request, status, results: all, index, size: leaves.length, path: paths[index]!, content };
    },
    idle(count) {
      for (let i = 0; i < count; i++) append(crypto.hash());
      return fake.newest();
    },
    entry(replica, content, view = 0) {
      const { sequenceNumber, repliesRoot, logRoot } = content;
      const unsigned = {
        view,
        sequenceNumber,
        hashChainDigest: content.hashChainDigest,
        repliesRoot,
        logRoot,
      };
      const signature = signers[replica]!.sign(entryStatement(cluster, unsigned));
      return { ...unsigned, replica, signature };
    },
    reply(replica, executed, { view = 0, hashOnly = false } = {}) {
      const { request, status, results, index, size, path, content } = executed;
      return {
        type: 'reply',
        requestDigest: requestDigest(cluster, crypto, request),
        status,
        resultsRoot: resultsRootOf(crypto, results),
        results: hashOnly ? undefined : results,
        index,
        size,
        path,
        entry: fake.entry(replica, content, view),
      };
    },
    readReply(replica, read, content, result, { status = 'OK', hashOnly = false } = {}) {
      return {
        type: 'read-reply',
        nonce: read.nonce,
        status,
        result: hashOnly ? undefined : result,
        resultDigest: crypto.hash(result),
        entry: fake.entry(replica, content),
      };
    },
    proof: (from, to) => log.consistencyPath(from, to),
    rootAt: (size) => log.rootAt(size),
    newest() {
      if (newest === undefined)
        throw new Error('the fake cluster has executed nothing: call idle or execute');
      return newest;
    },
  };
  return fake;
}

/** The results of a request by default: each operation with a mark, so that they differ from what was asked. */
function echo(request: ClientRequest): readonly Uint8Array[] {
  if (request.type === 'open') return [];
  return request.operations.map((operation) => Uint8Array.of(...operation, 0x21));
}
