/** Parts for tests of the pure rules: a cluster whose keys are all known, everything it can sign, and small random choices. */

import type { Schema } from '../../src/codec/index.ts';
import type { Signer } from '../../src/crypto/port.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../../src/crypto/simulated.ts';
import type { Context } from '../../src/protocol/context.ts';
import {
  DEFAULT_GENESIS_LIMITS,
  type Genesis,
  type GenesisLimits,
  makeCluster,
  primaryOf,
} from '../../src/protocol/genesis.ts';
import type { Batch } from '../../src/protocol/messages/batch.ts';
import type {
  CheckpointCertificate,
  CommitCertificate,
  PreparedCertificate,
} from '../../src/protocol/messages/certificates.ts';
import {
  type Checkpoint,
  type CheckpointContent,
  checkpointStatement,
} from '../../src/protocol/messages/checkpoint.ts';
import {
  type Entry,
  type EntryContent,
  entryStatement,
  type Head,
} from '../../src/protocol/messages/entry.ts';
import {
  type Commit,
  commitStatement,
  type Header,
  headerStatement,
  type Prepare,
  prepareStatement,
} from '../../src/protocol/messages/ordering.ts';
import {
  type Open,
  type Request,
  requestStatement,
  type Seen,
  type SessionNumber,
} from '../../src/protocol/messages/request.ts';
import {
  type NewView,
  newViewStatement,
  type PreparedClaim,
  type Proofs,
  type Suspect,
  suspectStatement,
  type ViewChange,
  type ViewChangeBase,
  viewChangeStatement,
} from '../../src/protocol/messages/view-change.ts';
import { u32Bytes, utf8 } from '../../src/types/bytes.ts';

const backend = makeSimulatedCrypto(sha256);

export function signerOf(name: string): Signer {
  return backend.signerFromSeed(sha256(utf8(name)));
}

/** 32 bytes that stand for the digest of something named. */
export function digestOf(name: string | number): Uint8Array {
  return sha256(utf8(`digest ${name}`));
}

export interface TestCluster {
  readonly context: Context;
  readonly signers: readonly Signer[];
}

export function makeTestCluster(
  replicaCount = 4,
  options: Partial<Omit<Genesis, 'limits' | 'replicas'>> & { readonly limits?: Partial<GenesisLimits> } = {},
): TestCluster {
  const signers = Array.from({ length: replicaCount }, (_, i) => signerOf(`replica ${i}`));
  const genesis: Genesis = {
    name: 'test',
    service: 'test/1',
    replicas: signers.map(({ publicKey }) => publicKey),
    quorumSize: (2 * (replicaCount - 1)) / 3 + 1,
    listedOnly: false,
    listed: [],
    ...options,
    limits: { ...DEFAULT_GENESIS_LIMITS, ...options.limits },
  };
  return { context: { cluster: makeCluster(genesis, backend.crypto), crypto: backend.crypto }, signers };
}

/** Small and fast; equal seeds give equal sequences (mulberry32). `random(bound)` is in 0…bound−1. */
export function randomFrom(seed: number): (boundExclusive: number) => number {
  let state = seed;
  return (boundExclusive) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * boundExclusive);
  };
}

/** A value of the schema from a seed. */
export function generated<T>(schema: Schema<T>, seed: number): T {
  return schema.generate(randomFrom(seed));
}

// What replicas sign. Each takes the signer's index beside the content.

export function signHeader(test: TestCluster, view: number, s: number, batchDigest: Uint8Array): Header {
  const unsigned = { view, sequenceNumber: s, batchDigest };
  const signer = test.signers[primaryOf(test.context.cluster, view)]!;
  return { ...unsigned, signature: signer.sign(headerStatement(test.context.cluster, unsigned)) };
}

export function signPrepare(
  test: TestCluster,
  replica: number,
  view: number,
  s: number,
  batchDigest: Uint8Array,
): Prepare {
  const unsigned = { view, sequenceNumber: s, batchDigest, replica };
  return {
    ...unsigned,
    signature: test.signers[replica]!.sign(prepareStatement(test.context.cluster, unsigned)),
  };
}

export function signCommit(
  test: TestCluster,
  replica: number,
  view: number,
  s: number,
  hashChainDigest: Uint8Array,
): Commit {
  const unsigned = { view, sequenceNumber: s, hashChainDigest, replica };
  return {
    ...unsigned,
    signature: test.signers[replica]!.sign(commitStatement(test.context.cluster, unsigned)),
  };
}

export function signEntry(test: TestCluster, replica: number, view: number, content: EntryContent): Entry {
  const { sequenceNumber, hashChainDigest, repliesRoot, logRoot } = content;
  const unsigned = { view, sequenceNumber, hashChainDigest, repliesRoot, logRoot };
  const signature = test.signers[replica]!.sign(entryStatement(test.context.cluster, unsigned));
  return { ...unsigned, replica, signature };
}

export function signCheckpoint(test: TestCluster, replica: number, content: CheckpointContent): Checkpoint {
  const { sequenceNumber, hashChainDigest, logRoot, stateDigest } = content;
  const unsigned = { sequenceNumber, hashChainDigest, logRoot, stateDigest };
  const signature = test.signers[replica]!.sign(checkpointStatement(test.context.cluster, unsigned));
  return { ...unsigned, replica, signature };
}

export function signSuspect(test: TestCluster, replica: number, view: number): Suspect {
  return {
    view,
    replica,
    signature: test.signers[replica]!.sign(suspectStatement(test.context.cluster, { view })),
  };
}

export function signViewChange(
  test: TestCluster,
  replica: number,
  view: number,
  base: ViewChangeBase,
  prepared: readonly PreparedClaim[],
): ViewChange {
  const { cluster, crypto } = test.context;
  const unsigned = { view, base, prepared: [...prepared], replica };
  return {
    ...unsigned,
    signature: test.signers[replica]!.sign(viewChangeStatement(cluster, crypto, unsigned)),
  };
}

export function signNewView(
  test: TestCluster,
  view: number,
  viewChanges: readonly ViewChange[],
  headers: readonly Header[],
  proofs: Proofs,
): NewView {
  const { cluster, crypto } = test.context;
  const unsigned = { view, viewChanges: [...viewChanges], headers: [...headers] };
  const signer = test.signers[primaryOf(cluster, view)]!;
  return { ...unsigned, proofs, signature: signer.sign(newViewStatement(cluster, crypto, unsigned)) };
}

// Certificates, by default of the first replicas that may be in them.

export function firstReplicas(test: TestCluster): readonly number[] {
  return test.signers.map((_, i) => i).slice(0, test.context.cluster.thresholds.quorumSize);
}

export function prepareCertificate(
  test: TestCluster,
  view: number,
  s: number,
  batchDigest: Uint8Array,
  backups?: readonly number[],
): PreparedCertificate {
  const { cluster } = test.context;
  const all = test.signers.map((_, i) => i).filter((i) => i !== primaryOf(cluster, view));
  const prepares = (backups ?? all.slice(0, cluster.thresholds.quorumSize - 1)).map((replica) => ({
    replica,
    signature: signPrepare(test, replica, view, s, batchDigest).signature,
  }));
  return { header: signHeader(test, view, s, batchDigest), prepares };
}

export function commitCertificate(
  test: TestCluster,
  view: number,
  s: number,
  hashChainDigest: Uint8Array,
  replicas = firstReplicas(test),
): CommitCertificate {
  const votes = replicas.map((replica) => ({
    replica,
    signature: signCommit(test, replica, view, s, hashChainDigest).signature,
  }));
  return { view, sequenceNumber: s, hashChainDigest, votes };
}

export function checkpointCertificate(
  test: TestCluster,
  content: CheckpointContent,
  replicas = firstReplicas(test),
): CheckpointCertificate {
  const votes = replicas.map((replica) => ({
    replica,
    signature: signCheckpoint(test, replica, content).signature,
  }));
  return { ...content, votes };
}

/** Each replica's view is its index, since views may differ in a head. */
export function headOfReplicas(
  test: TestCluster,
  content: EntryContent,
  replicas = firstReplicas(test),
): Head {
  const votes = replicas.map((replica) => ({
    replica,
    view: replica,
    signature: signEntry(test, replica, replica, content).signature,
  }));
  return { ...content, votes };
}

// What clients sign.

export function genesisSeen(test: TestCluster): Seen {
  return { sequenceNumber: 0, hashChainDigest: test.context.cluster.id };
}

export function signOpen(test: TestCluster, client: string, nonce: number, seen = genesisSeen(test)): Open {
  const signer = signerOf(client);
  const { cluster, crypto } = test.context;
  const bytes = new Uint8Array(16);
  bytes.set(u32Bytes(nonce));
  const unsigned = { type: 'open', client: signer.publicKey, nonce: bytes, seen } as const;
  return { ...unsigned, signature: signer.sign(requestStatement(cluster, crypto, unsigned)) };
}

export function signRequest(
  test: TestCluster,
  client: string,
  session: SessionNumber,
  timestamp: number,
  seen: Seen,
  operations: readonly Uint8Array[] = [utf8(`operation ${timestamp}`)],
): Request {
  const signer = signerOf(client);
  const { cluster, crypto } = test.context;
  const unsigned = {
    type: 'request',
    client: signer.publicKey,
    session,
    timestamp,
    operations: [...operations],
    seen,
  } as const;
  return { ...unsigned, signature: signer.sign(requestStatement(cluster, crypto, unsigned)) };
}

export function batchOf(timeMs: number, ...requests: readonly (Open | Request)[]): Batch {
  return { timeMs, requests: [...requests] };
}
