import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  type EvidenceOf,
  evidenceSchema,
  judgeEvidence,
} from '../../src/protocol/accountability/evidence.ts';
import { chainOf } from '../../src/protocol/hash-chain.ts';
import {
  commitCertificate,
  digestOf,
  generated,
  makeTestCluster,
  signCheckpoint,
  signCommit,
  signEntry,
  signHeader,
  signPrepare,
} from './support.ts';

/** n = 7, f = 2, Q = 5. */
const test = makeTestCluster(7);
const { context } = test;
const { cluster, crypto } = context;
const [A, B, C] = [digestOf('A'), digestOf('B'), digestOf('C')];
const judge = (evidence: Evidence) => judgeEvidence(context, evidence);

const entry = (s: number, HCD = A, R = A, L = A) => ({
  sequenceNumber: s,
  hashChainDigest: HCD,
  repliesRoot: R,
  logRoot: L,
});
const checkpoint = (s: number, HCD = A, L = A, Σ = A) => ({
  sequenceNumber: s,
  hashChainDigest: HCD,
  logRoot: L,
  stateDigest: Σ,
});

describe('docs/protocol.md §9: two statements that no correct replica makes both', () => {
  const proofs: readonly (readonly [string, Evidence, number])[] = [
    ['headers', { type: 'headers', first: signHeader(test, 9, 4, A), second: signHeader(test, 9, 4, B) }, 2],
    [
      'PREPAREs',
      { type: 'prepares', first: signPrepare(test, 3, 9, 4, A), second: signPrepare(test, 3, 9, 4, B) },
      3,
    ],
    [
      'votes',
      { type: 'commits', first: signCommit(test, 4, 9, 4, A), second: signCommit(test, 4, 9, 4, B) },
      4,
    ],
    [
      'entries, HCD',
      { type: 'entries', first: signEntry(test, 5, 1, entry(4)), second: signEntry(test, 5, 2, entry(4, B)) },
      5,
    ],
    [
      'entries, R',
      {
        type: 'entries',
        first: signEntry(test, 5, 1, entry(4)),
        second: signEntry(test, 5, 1, entry(4, A, B)),
      },
      5,
    ],
    [
      'entries, L',
      {
        type: 'entries',
        first: signEntry(test, 5, 7, entry(4)),
        second: signEntry(test, 5, 2, entry(4, A, A, B)),
      },
      5,
    ],
    [
      'checkpoints, Σ',
      {
        type: 'checkpoints',
        first: signCheckpoint(test, 6, checkpoint(4)),
        second: signCheckpoint(test, 6, checkpoint(4, A, A, B)),
      },
      6,
    ],
    [
      'checkpoints, L',
      {
        type: 'checkpoints',
        first: signCheckpoint(test, 6, checkpoint(4)),
        second: signCheckpoint(test, 6, checkpoint(4, A, B)),
      },
      6,
    ],
  ];

  it.each(proofs)('%s name their signer', (_, evidence, guilty) => {
    expect(judge(evidence)).toEqual({ guilty: [guilty], forked: false });
  });

  it.each(proofs)('%s prove nothing with either signature altered, or in another cluster', (_, evidence) => {
    const other = makeTestCluster(7, { name: 'other' });
    expect(judgeEvidence(other.context, evidence)).toBeUndefined();
    for (const side of ['first', 'second'] as const) {
      const altered = {
        ...evidence,
        [side]: { ...Reflect.get(evidence, side), signature: new Uint8Array(64) },
      };
      expect(judge(altered as Evidence)).toBeUndefined();
    }
  });

  it.each(proofs)('%s prove nothing if both sides say the same', (_, evidence) => {
    expect(judge({ ...evidence, second: Reflect.get(evidence, 'first') } as Evidence)).toBeUndefined();
  });

  it('no one is guilty of different content at another s, in another view or by another signer', () => {
    const harmless: readonly Evidence[] = [
      { type: 'headers', first: signHeader(test, 9, 4, A), second: signHeader(test, 9, 5, B) },
      { type: 'headers', first: signHeader(test, 2, 4, A), second: signHeader(test, 9, 4, B) },
      { type: 'prepares', first: signPrepare(test, 3, 8, 4, A), second: signPrepare(test, 3, 9, 4, B) },
      { type: 'prepares', first: signPrepare(test, 3, 9, 4, A), second: signPrepare(test, 3, 9, 5, B) },
      { type: 'prepares', first: signPrepare(test, 3, 9, 4, A), second: signPrepare(test, 4, 9, 4, B) },
      { type: 'commits', first: signCommit(test, 4, 8, 4, A), second: signCommit(test, 4, 9, 4, B) },
      { type: 'commits', first: signCommit(test, 4, 9, 4, A), second: signCommit(test, 4, 9, 5, B) },
      { type: 'commits', first: signCommit(test, 4, 9, 4, A), second: signCommit(test, 5, 9, 4, B) },
      { type: 'entries', first: signEntry(test, 5, 1, entry(4)), second: signEntry(test, 5, 1, entry(5, B)) },
      { type: 'entries', first: signEntry(test, 5, 1, entry(4)), second: signEntry(test, 6, 1, entry(4, B)) },
      { type: 'entries', first: signEntry(test, 5, 1, entry(4)), second: signEntry(test, 5, 3, entry(4)) },
      {
        type: 'checkpoints',
        first: signCheckpoint(test, 6, checkpoint(4)),
        second: signCheckpoint(test, 6, checkpoint(8, B)),
      },
      {
        type: 'checkpoints',
        first: signCheckpoint(test, 6, checkpoint(4)),
        second: signCheckpoint(test, 5, checkpoint(4, B)),
      },
    ];
    for (const evidence of harmless) expect(judge(evidence), evidence.type).toBeUndefined();
  });

  it('a replica cannot be framed with a statement of another kind', () => {
    // A PREPARE and a commit vote have the same fields; only the domain tag tells them apart.
    const vote = signCommit(test, 3, 9, 4, A);
    const disguised = { view: 9, sequenceNumber: 4, batchDigest: A, replica: 3, signature: vote.signature };
    expect(
      judge({ type: 'prepares', first: disguised, second: signPrepare(test, 3, 9, 4, B) }),
    ).toBeUndefined();
  });
});

describe('docs/protocol.md §9: two commit certificates on two chains', () => {
  const links = [B, C];
  const before = digestOf('HCD of the other fork at s = 4');
  const end = chainOf(crypto, before, links).at(-1)!;
  const first = commitCertificate(test, 9, 4, A, [0, 1, 2, 3, 4]);
  const second = commitCertificate(test, 9, 6, end, [2, 3, 4, 5, 6]);
  const fork: EvidenceOf<'fork'> = { type: 'fork', first, second, before, links, viewChanges: [] };

  it('in one view: the signers of both are guilty, at least 2Q−n = f+1', () => {
    expect(judge(fork)).toEqual({ guilty: [2, 3, 4], forked: true });
    expect(cluster.thresholds.beliefSize).toBe(3);
  });

  it('at one s, without links', () => {
    const other = commitCertificate(test, 9, 4, B, [0, 1, 2, 3, 6]);
    expect(judge({ type: 'fork', first, second: other, before: B, links: [], viewChanges: [] })).toEqual({
      guilty: [0, 1, 2, 3],
      forked: true,
    });
  });

  it('in two views: a fork, whose guilty this alone does not name', () => {
    const later = commitCertificate(test, 10, 6, end, [2, 3, 4, 5, 6]);
    expect(judge({ ...fork, second: later })).toEqual({ guilty: [], forked: true });
  });

  it('proves nothing if the links lead elsewhere, are too many or too few, or come from the first chain itself', () => {
    expect(judge({ ...fork, links: [C, B] })).toBeUndefined();
    expect(judge({ ...fork, links: [B] })).toBeUndefined();
    expect(judge({ ...fork, links: [B, C, C] })).toBeUndefined();
    expect(judge({ ...fork, before: digestOf('another') })).toBeUndefined();
    const honest = commitCertificate(test, 9, 6, chainOf(crypto, A, links).at(-1)!);
    expect(judge({ ...fork, second: honest, before: A })).toBeUndefined();
  });

  it('proves nothing without Q true votes on both sides, nor with the sides exchanged', () => {
    expect(judge({ ...fork, first: { ...first, votes: first.votes.slice(1) } })).toBeUndefined();
    expect(judge({ ...fork, second: { ...second, votes: second.votes.slice(1) } })).toBeUndefined();
    expect(judge({ ...fork, second: { ...second, view: 10 } })).toBeUndefined();
    expect(judge({ ...fork, first: second, second: first })).toBeUndefined();
  });
});

it('evidence from strangers never throws', () => {
  for (let seed = 0; seed < 300; seed++) {
    expect(judge(generated(evidenceSchema, seed))).toBeUndefined();
  }
});
