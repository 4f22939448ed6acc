/**
 * docs/protocol.md §9: no correct replica is ever named. From simulated runs with crashes, restarts, damaged disks, transfers, view changes and
 * up to 2f faulty replicas, all that was signed is put together in every way that evidence knows, by someone who has heard everything.
 */

import { describe, expect, it } from 'vitest';
import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree, type LogTree } from '../../src/crypto/log-tree.ts';
import { type Evidence, judgeEvidence } from '../../src/protocol/accountability/index.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import { logLeaf } from '../../src/protocol/messages/reply.ts';
import type { AttackName } from '../../src/simulator/byzantine/attacks.ts';
import { runSimulation } from '../../src/simulator/run.ts';
import { equalBytes } from '../../src/types/bytes.ts';
import { type Harvest, harvest, type Point } from './harvest.ts';

interface Tally {
  tried: number;
  proved: number;
}

function judgeAll(found: Harvest, faulty: readonly number[], tally: Tally): void {
  const context = found.context!;
  const accuse = (evidence: Evidence): void => {
    tally.tried++;
    const verdict = judgeEvidence(context, evidence);
    if (verdict === undefined) return;
    tally.proved++;
    const framed = verdict.guilty.filter((replica) => !faulty.includes(replica));
    if (framed.length > 0) expect({ framed, evidence }).toEqual({ framed: [] });
  };
  for (const [first, second] of pairsAt(found.headers.values())) accuse({ type: 'headers', first, second });
  for (const [first, second] of pairsAt(found.prepares.values())) accuse({ type: 'prepares', first, second });
  for (const [first, second] of pairsAt(found.commits.values())) accuse({ type: 'commits', first, second });
  for (const [first, second] of pairsAt(found.entries.values())) accuse({ type: 'entries', first, second });
  for (const [first, second] of pairsAt(found.checkpoints.values())) {
    accuse({ type: 'checkpoints', first, second });
  }
  for (const vote of found.commits.values()) {
    for (const viewChange of found.viewChanges.values()) {
      if (vote.replica === viewChange.replica) accuse({ type: 'withheld', vote, viewChange });
    }
  }
  const histories = [...found.executed.values()].map((executed) => historyOf(found, executed));
  accuseHistories(found, histories, accuse);
  accuseForks(found, histories, accuse);
}

/** Each two of one s. */
function* pairsAt<T extends { readonly sequenceNumber: number }>(
  all: Iterable<T>,
): Generator<readonly [T, T]> {
  const places = new Map<number, T[]>();
  for (const each of all) {
    const place = places.get(each.sequenceNumber) ?? [];
    for (const other of place) yield [other, each];
    places.set(each.sequenceNumber, [...place, each]);
  }
}

interface History {
  readonly tree: LogTree;
  /** HCD^s at s. */
  readonly chain: readonly Uint8Array[];
}

/** As far as it is known without a gap: a replica's own records; what a transfer left out, others recorded. */
function historyOf(
  found: Harvest,
  own: ReadonlyMap<number, { hashChainDigest: Uint8Array; repliesRoot: Uint8Array }>,
): History {
  const { crypto, cluster } = found.context!;
  const tree = createLogTree(crypto.hash, memoryLeafStore());
  const chain = [cluster.id];
  while (true) {
    const s = tree.size + 1;
    const others = [...found.executed.values()].map((executed) => executed.get(s));
    const content = own.get(s) ?? others.find((each) => each !== undefined);
    if (content === undefined) return { tree, chain };
    tree.append(logLeaf(crypto, content.hashChainDigest, content.repliesRoot));
    chain.push(content.hashChainDigest);
  }
}

type Accuse = (evidence: Evidence) => void;

/** Each two points, with the proofs that the later one's log and every other one give. */
function accuseHistories(found: Harvest, histories: readonly History[], accuse: Accuse): void {
  const points: Point[] = [
    ...[...found.entries.values()].map((entry): Point => ({ type: 'entry', ...entry })),
    ...[...found.checkpoints.values()].map((checkpoint): Point => ({ type: 'checkpoint', ...checkpoint })),
    ...found.quorumPoints.values(),
  ];
  for (const second of points) {
    const s2 = second.sequenceNumber;
    const logs = histories.filter(
      ({ tree }) => tree.size >= s2 && s2 > 0 && equalBytes(tree.rootAt(s2), second.logRoot),
    );
    for (const first of points) {
      const s1 = first.sequenceNumber;
      if (s1 === s2) accuse({ type: 'histories', first, second, root: second.logRoot, path: [] });
      // What one log proves of s1, another with the same root at s2 proves as well.
      const { tree } = logs[0] ?? {};
      if (tree === undefined || s1 >= s2 || s1 === 0) continue;
      accuse({
        type: 'histories',
        first,
        second,
        root: tree.rootAt(s1),
        path: [...tree.consistencyPath(s1, s2)],
      });
    }
  }
}

/** Each two commit certificates of which the later one's history has another HCD at the earlier one's s; with every VIEW-CHANGE. */
function accuseForks(found: Harvest, histories: readonly History[], accuse: Accuse): void {
  const certificates = [...found.certificates.values()];
  for (const second of certificates) {
    const history = histories.find(({ chain }) => isAt(chain, second));
    if (history === undefined) continue;
    for (const first of certificates) {
      const s = first.sequenceNumber;
      if (s > second.sequenceNumber || isAt(history.chain, first)) continue;
      const links = linksOf(found, history, s, second.sequenceNumber);
      if (links === undefined) continue;
      const fork = { type: 'fork' as const, first, second, before: history.chain[s]!, links };
      accuse({ ...fork, viewChanges: [] });
      for (const viewChange of found.viewChanges.values()) accuse({ ...fork, viewChanges: [viewChange] });
    }
  }
}

function isAt(chain: readonly Uint8Array[], { sequenceNumber, hashChainDigest }: Harvested): boolean {
  const known = chain[sequenceNumber];
  return known !== undefined && equalBytes(known, hashChainDigest);
}

interface Harvested {
  readonly sequenceNumber: number;
  readonly hashChainDigest: Uint8Array;
}

/** The batch digests from s to t, each found among those that were proposed. */
function linksOf(found: Harvest, { chain }: History, s: number, t: number): Uint8Array[] | undefined {
  const { crypto, cluster } = found.context!;
  const links: Uint8Array[] = [];
  for (let i = s + 1; i <= t; i++) {
    const proposed = [...found.headers.values()].filter(({ sequenceNumber }) => sequenceNumber === i);
    const digests = [
      batchDigest(cluster, crypto, NULL_BATCH),
      ...proposed.map((header) => header.batchDigest),
    ];
    const link = digests.find((digest) =>
      equalBytes(extendHashChain(crypto, chain[i - 1]!, digest), chain[i]!),
    );
    if (link === undefined) return undefined;
    links.push(link);
  }
  return links;
}

/** Whatever the run broke otherwise is for others to judge. */
function run(seed: number, replicas: number, faulty: number, attack?: AttackName): Tally {
  const { harvest: found, observer } = harvest();
  const result = runSimulation({
    seed,
    replicas,
    faulty,
    attack,
    clients: 2,
    requests: 6,
    observers: [observer],
  });
  const tally = { tried: 0, proved: 0 };
  judgeAll(found, result.faulty, tally);
  return tally;
}

describe('all that was signed in a run names no correct replica', () => {
  it.each([0, 6])('when none is faulty, seeds from %i: there is nothing to prove', (from) => {
    let tried = 0;
    for (let seed = from; seed < from + 6; seed++) {
      const tally = run(seed, 4, 0);
      expect(tally.proved).toBe(0);
      tried += tally.tried;
    }
    expect(tried).toBeGreaterThan(1_000);
  });

  it.each([0, 6, 12])('when one of four is, seeds from %i', (from) => {
    let tried = 0;
    for (let seed = from; seed < from + 6; seed++) tried += run(seed, 4, 1).tried;
    expect(tried).toBeGreaterThan(1_000);
  });

  it.each(['twins', 'two votes', 'equivocating primary', 'random lies', 'lying view-change'] as const)(
    'when two of four are: %s',
    (attack) => {
      for (let seed = 0; seed < 4; seed++) run(seed, 4, 2, attack);
      if (attack === 'twins') expect(run(4, 4, 2, attack).proved).toBeGreaterThan(0);
    },
  );
});
