/** Small parts for tests of the simulator: a cluster's context, signed-looking messages, an observer that does nothing. */

import { sha256 } from '../../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../../src/crypto/simulated.ts';
import type { Context } from '../../src/protocol/context.ts';
import { DEFAULT_GENESIS_LIMITS, makeCluster } from '../../src/protocol/genesis.ts';
import type { Entry } from '../../src/protocol/messages/entry.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { tellAll } from '../../src/simulator/observer.ts';
import type { Report, Violation } from '../../src/simulator/violation.ts';

export function testContext(replicas: number): Context {
  const { crypto, signerFromSeed } = makeSimulatedCrypto(sha256);
  const genesis = {
    name: 'test',
    service: 'test',
    replicas: Array.from(
      { length: replicas },
      (_, i) => signerFromSeed(new Uint8Array(32).fill(i + 1)).publicKey,
    ),
    quorumSize: 2 * Math.floor((replicas - 1) / 3) + 1,
    listedOnly: false,
    listed: [],
    limits: DEFAULT_GENESIS_LIMITS,
  };
  return { cluster: makeCluster(genesis, crypto), crypto };
}

export const digest = (byte: number) => new Uint8Array(32).fill(byte);
export const signature = new Uint8Array(64);

export const prepare = (view: number, sequenceNumber: number, content: number, replica = 0): Message => ({
  type: 'prepare',
  view,
  sequenceNumber,
  batchDigest: digest(content),
  replica,
  signature,
});

export const commit = (view: number, sequenceNumber: number, content: number, replica = 0) =>
  ({
    type: 'commit',
    view,
    sequenceNumber,
    hashChainDigest: digest(content),
    replica,
    signature,
  }) as const;

export const entry = (sequenceNumber: number, content: number, replica = 0): Entry => ({
  view: 0,
  sequenceNumber,
  hashChainDigest: digest(content),
  repliesRoot: digest(content),
  logRoot: digest(content),
  replica,
  signature,
});

export const reply = (of: Entry): Message => ({
  type: 'reply',
  requestDigest: digest(9),
  status: 'OK',
  resultsRoot: digest(9),
  results: [],
  index: 0,
  size: 1,
  path: [],
  entry: of,
});

export const silent = tellAll([]);

/** Collects what is reported. */
export function collect(): { readonly report: Report; readonly found: Omit<Violation, 'atMs'>[] } {
  const found: Omit<Violation, 'atMs'>[] = [];
  return { found, report: (kind, property, text) => found.push({ kind, property, text }) };
}
