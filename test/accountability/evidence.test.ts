/** Rows of docs/protocol.md §9 that compare histories and views; those of two statements at one place are in test/protocol/evidence.test.ts. */

import { describe, expect, it } from 'vitest';
import { evidenceSchema } from '../../src/protocol/accountability/evidence.ts';
import {
  type Evidence,
  encodeEvidence,
  explainEvidence,
  judgeEvidence,
  verifyEvidence,
} from '../../src/protocol/accountability/index.ts';
import { chainOf } from '../../src/protocol/hash-chain.ts';
import { utf8 } from '../../src/types/bytes.ts';
import {
  checkpointCertificate,
  commitCertificate,
  digestOf,
  generated,
  makeTestCluster,
  signCheckpoint,
  signCommit,
  signViewChange,
} from '../protocol/support.ts';
import { headAt, historyOf, proofOf } from './support.ts';

/** n = 7, f = 2, Q = 5: two histories of equal first 10 batches. */
const [one, other] = [historyOf('one', 10, 40), historyOf('other', 10, 40)];
const { context, signers } = one.cluster;
const test = { context, signers };
const judge = (evidence: Evidence) => judgeEvidence(context, evidence);

const entryAt = (history: typeof one, s: number, replica: number) =>
  ({ type: 'entry', ...history.cluster.entry(replica, history.contents[s - 1]!, replica) }) as const;
function stateAt(history: typeof one, s: number, stateDigest: Uint8Array) {
  const { sequenceNumber, hashChainDigest, logRoot } = history.contents[s - 1]!;
  return { sequenceNumber, hashChainDigest, logRoot, stateDigest };
}
const checkpointAt = (history: typeof one, s: number, replica: number, Σ = digestOf('state')) =>
  ({
    type: 'checkpoint',
    ...signCheckpoint(test, replica, stateAt(history, s, Σ)),
  }) as const;
const stableAt = (history: typeof one, s: number, replicas: readonly number[]) =>
  ({
    type: 'stable',
    ...checkpointCertificate(test, stateAt(history, s, digestOf('state')), replicas),
  }) as const;
const head = (history: typeof one, s: number, replicas: readonly number[]) =>
  ({ type: 'head', ...headAt(history, s, replicas) }) as const;

describe('two signed points of different histories', () => {
  const proof = proofOf(other, 16, 33);

  it.each([
    ['two entries', entryAt(one, 16, 3), entryAt(other, 33, 3), [3], false],
    ['an entry and a checkpoint', entryAt(one, 16, 3), checkpointAt(other, 33, 3), [3], false],
    ['a checkpoint and an entry', checkpointAt(one, 16, 6), entryAt(other, 33, 6), [6], false],
    ['a head and an entry', head(one, 16, [0, 1, 2, 3, 4]), entryAt(other, 33, 4), [4], false],
    ['two heads', head(one, 16, [0, 1, 2, 3, 4]), head(other, 33, [1, 3, 4, 5, 6]), [1, 3, 4], true],
    [
      'a stable checkpoint and a head',
      stableAt(one, 16, [0, 1, 2, 3, 4]),
      head(other, 33, [2, 3, 4, 5, 6]),
      [2, 3, 4],
      true,
    ],
  ] as const)('%s at different s, with the proof: who signed both', (_, first, second, guilty, forked) => {
    const evidence: Evidence = { type: 'histories', first, second, ...proof };
    expect(judge(evidence)).toEqual({ guilty, forked });
    const file = encodeEvidence(context.cluster, evidence);
    expect(verifyEvidence(context, file)).toEqual({
      ok: true,
      value: { evidence, verdict: { guilty, forked } },
    });
  });

  it('at one s: entry against checkpoint in HCD and L, head against stable checkpoint', () => {
    const at = { root: other.contents[19]!.logRoot, path: [] };
    for (const [first, second] of [
      [entryAt(one, 20, 3), checkpointAt(other, 20, 3)],
      [head(one, 20, [0, 1, 2, 3, 4]), entryAt(other, 20, 3)],
      [checkpointAt(one, 20, 3), stableAt(other, 20, [2, 3, 4, 5, 6])],
    ] as const) {
      expect(judge({ type: 'histories', first, second, ...at })?.guilty).toContain(3);
    }
    const lie = { ...one.contents[19]!, hashChainDigest: digestOf('another chain, the same log') };
    const first = { type: 'entry', ...one.cluster.entry(3, lie) } as const;
    const same = { root: one.contents[19]!.logRoot, path: [] };
    const second = checkpointAt(one, 20, 3);
    expect(judge({ type: 'histories', first, second, ...same })?.guilty).toEqual([3]);
    // The state after s is no part of an entry, so an entry cannot contradict it.
    expect(judge({ type: 'histories', first: entryAt(one, 20, 3), second, ...same })).toBeUndefined();
  });

  it('no one is guilty who signed one history only', () => {
    const harmless: readonly Evidence[] = [
      // One replica, one history, in any order, with any proof.
      { type: 'histories', first: entryAt(one, 16, 3), second: entryAt(one, 33, 3), ...proofOf(one, 16, 33) },
      { type: 'histories', first: entryAt(one, 16, 3), second: entryAt(one, 33, 3), ...proof },
      { type: 'histories', first: entryAt(one, 33, 3), second: entryAt(one, 16, 3), ...proof },
      {
        type: 'histories',
        first: entryAt(one, 20, 3),
        second: checkpointAt(one, 20, 3),
        root: one.contents[19]!.logRoot,
        path: [],
      },
      // Before the fork there is one history.
      {
        type: 'histories',
        first: entryAt(one, 9, 3),
        second: entryAt(other, 33, 3),
        ...proofOf(other, 9, 33),
      },
      // Different replicas on different histories.
      { type: 'histories', first: entryAt(one, 16, 3), second: entryAt(other, 33, 4), ...proof },
      { type: 'histories', first: head(one, 16, [0, 1, 2, 3, 4]), second: entryAt(other, 33, 6), ...proof },
    ];
    for (const evidence of harmless) expect(judge(evidence)).toBeUndefined();
  });

  it('proves nothing without every signature of a quorum, nor with a root that the path does not start from', () => {
    const evidence = {
      type: 'histories',
      first: head(one, 16, [0, 1, 2, 3, 4]),
      second: head(other, 33, [1, 3, 4, 5, 6]),
      ...proof,
    } as const;
    const { first } = evidence;
    expect(judge({ ...evidence, root: digestOf('made up') })).toBeUndefined();
    expect(judge({ ...evidence, path: proof.path.slice(1) })).toBeUndefined();
    expect(judge({ ...evidence, first: { ...first, votes: first.votes.slice(1) } })).toBeUndefined();
    const votes = first.votes.map((vote, i) => (i === 0 ? { ...vote, view: vote.view + 1 } : vote));
    expect(judge({ ...evidence, first: { ...first, votes } })).toBeUndefined();
  });
});

const genesis = {
  kind: 'genesis',
  view: 0,
  sequenceNumber: 0,
  hashChainDigest: context.cluster.id,
} as const;
const baseAt = (s: number) =>
  ({ kind: 'commit', view: 1, sequenceNumber: s, hashChainDigest: digestOf(s) }) as const;
const claim = (view: number, s: number) => ({ view, sequenceNumber: s, batchDigest: digestOf('batch') });

describe('a vote and a VIEW-CHANGE that withholds what was prepared for it', () => {
  const vote = signCommit(test, 3, 4, 20, digestOf('HCD'));
  const withheld = (viewChange = signViewChange(test, 3, 6, baseAt(15), [])): Evidence => ({
    type: 'withheld',
    vote,
    viewChange,
  });

  it('name their signer', () => {
    expect(judge(withheld())).toEqual({ guilty: [3], forked: false });
    const older = signViewChange(test, 3, 6, baseAt(15), [claim(3, 20), claim(5, 21)]);
    expect(judge(withheld(older))).toEqual({ guilty: [3], forked: false });
  });

  it('no one is guilty who reported it, is past it, was not asked to, or left an earlier view', () => {
    const { pipelineWindow } = context.cluster.limits;
    for (const viewChange of [
      signViewChange(test, 3, 6, baseAt(15), [claim(4, 20)]),
      signViewChange(test, 3, 6, baseAt(15), [claim(5, 20)]),
      signViewChange(test, 3, 6, baseAt(20), []),
      signViewChange(test, 3, 6, baseAt(21), []),
      signViewChange(test, 3, 4, baseAt(15), []),
      signViewChange(test, 3, 3, baseAt(15), []),
      signViewChange(test, 2, 6, baseAt(15), []),
      { ...signViewChange(test, 3, 6, baseAt(15), []), signature: new Uint8Array(64) },
    ]) {
      expect(judge(withheld(viewChange))).toBeUndefined();
    }
    // Commit certificates were lost to damage: P does not reach so far.
    const far = signCommit(test, 3, 4, 2 * pipelineWindow + 1, digestOf('HCD'));
    const low = signViewChange(test, 3, 6, genesis, []);
    expect(judge({ type: 'withheld', vote: far, viewChange: low })).toBeUndefined();
    const near = signCommit(test, 3, 4, 2 * pipelineWindow, digestOf('HCD'));
    expect(judge({ type: 'withheld', vote: near, viewChange: low })?.guilty).toEqual([3]);
  });
});

describe('two commit certificates across views', () => {
  const links = [digestOf('B'), digestOf('C')];
  const before = digestOf('HCD of the other fork at s = 4');
  const end = chainOf(context.crypto, before, links).at(-1)!;
  const first = commitCertificate(test, 2, 4, digestOf('A'), [0, 1, 2, 3, 4]);
  const second = commitCertificate(test, 5, 6, end, [2, 3, 4, 5, 6]);

  it('name those voters of the lower view whose VIEW-CHANGEs withhold it', () => {
    const viewChanges = [
      signViewChange(test, 1, 5, baseAt(3), [claim(2, 4)]),
      signViewChange(test, 2, 3, genesis, []),
      signViewChange(test, 3, 5, baseAt(3), [claim(1, 4)]),
      { ...signViewChange(test, 4, 5, baseAt(3), []), signature: new Uint8Array(64) },
      // It has not voted.
      signViewChange(test, 6, 5, baseAt(3), []),
    ];
    const evidence: Evidence = { type: 'fork', first, second, before, links, viewChanges };
    expect(judge(evidence)).toEqual({ guilty: [2, 3], forked: true });
  });

  it('name them also if the certificate of the lower view is the longer one', () => {
    const later = commitCertificate(test, 9, 4, digestOf('A'), [0, 1, 2, 3, 4]);
    const viewChanges = [
      signViewChange(test, 6, 8, baseAt(5), []),
      signViewChange(test, 0, 8, baseAt(5), []),
    ];
    const evidence: Evidence = { type: 'fork', first: later, second, before, links, viewChanges };
    expect(judge(evidence)).toEqual({ guilty: [6], forked: true });
  });
});

describe('evidence as a file', () => {
  const evidence: Evidence = {
    type: 'histories',
    first: head(one, 16, [0, 1, 2, 3, 4]),
    second: head(other, 33, [1, 3, 4, 5, 6]),
    ...proofOf(other, 16, 33),
  };
  const file = encodeEvidence(context.cluster, evidence);
  const codeOf = (bytes: Uint8Array) => {
    const result = verifyEvidence(context, bytes);
    return result.ok ? 'ok' : result.error.code;
  };

  it('is refused with the first thing that is wrong', () => {
    expect(codeOf(utf8('evidence'))).toBe('NOT_SUCH_A_FILE');
    expect(codeOf(file.subarray(0, -1))).toBe('MALFORMED');
    expect(codeOf(new Uint8Array(2 ** 21))).toBe('TOO_LARGE');
    const altered = file.slice();
    altered[altered.length - 1]! ^= 1;
    expect(codeOf(altered)).toBe('PROVES_NOTHING');
    expect(verifyEvidence(makeTestCluster(7).context, file)).toMatchObject({
      error: { code: 'OTHER_CLUSTER' },
    });
  });

  it('has room for the largest piece', () => {
    expect(evidenceSchema.bytesMax + 100).toBeLessThanOrEqual(1024 * 1024);
  });

  it('is explained in sentences that name the guilty', () => {
    const verified = verifyEvidence(context, file);
    if (!verified.ok) throw new Error(verified.error.text);
    const text = explainEvidence(context.cluster, verified.value).join('\n');
    expect(text).toContain('A quorum (replicas 0, 1, 2, 3, 4) signed');
    expect(text).toContain('a log of 33 batches, whose first 16');
    expect(text).toMatch(/Guilty: replica 1 \(key [0-9a-f]{16}…\), replica 3 .*, replica 4 /);
    expect(text).toContain('This proves a fork: more than 2 replicas are faulty');
  });

  it('of every kind is explained', () => {
    for (let seed = 0; seed < 200; seed++) {
      const any = generated(evidenceSchema, seed);
      const verdict = { guilty: [1], forked: seed % 2 === 0 };
      const sentences = explainEvidence(context.cluster, { evidence: any, verdict });
      expect(sentences.length).toBeGreaterThan(1);
      for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*[.!]$/);
    }
  });
});
