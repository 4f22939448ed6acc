import { describe, expect, it } from 'vitest';
import { assess } from '../../src/cli/promises.ts';
import type { ReplicaReport } from '../../src/cli/replica-status.ts';
import type { NodeStatus } from '../../src/node/index.ts';
import { thresholds } from '../../src/protocol/quorum.ts';

const CLUSTER = 'c1'.repeat(32);

function answers(index: number, more: Partial<NodeStatus> = {}): ReplicaReport {
  const status = {
    index,
    clusterId: CLUSTER,
    started: true,
    silence: 'none',
    executed: 7,
    hashChainDigest: 'aa',
    logRoot: 'bb',
    stateDigest: 'cc',
    guilty: [],
    ...more,
  } as unknown as NodeStatus;
  return { index, answers: true, status };
}

function silent(index: number): ReplicaReport {
  return { index, answers: false, asked: true, reason: 'silent' };
}

function unasked(index: number): ReplicaReport {
  return { index, answers: false, asked: false, reason: 'no status port' };
}

/** n replicas, the last `missing` of which are silent. */
function reports(n: number, missing: number): readonly ReplicaReport[] {
  return Array.from({ length: n }, (_, i) => (i < n - missing ? answers(i) : silent(i)));
}

describe('what the cluster promises now', () => {
  it.each([
    [4, 3, 0, 'all'],
    [4, 3, 1, 'all'],
    [4, 3, 2, 'fork*'],
    [4, 3, 3, 'nothing'],
    [4, 4, 0, 'all'],
    [4, 4, 1, 'linearizable'],
    [4, 4, 3, 'linearizable'],
    [4, 4, 4, 'nothing'],
    [7, 5, 2, 'all'],
    [7, 5, 4, 'fork*'],
    [7, 6, 1, 'all'],
    [7, 6, 2, 'linearizable'],
    [7, 6, 5, 'fork*'],
    [1, 1, 0, 'all'],
    [1, 1, 1, 'nothing'],
  ])('n = %i, q = %i, %i silent: %s', (n, q, missing, promised) => {
    const assessment = assess(reports(n, missing), CLUSTER, thresholds(n, q));
    expect(assessment.promised).toBe(promised);
    expect(assessment.good).toHaveLength(n - missing);
    expect(assessment.words).toContain(`${n - missing} of ${n} replicas answer and agree.`);
    expect(assessment.words.includes('No progress')).toBe(promised !== 'all');
  });

  const four = thresholds(4);

  it('says that it does not know where it depends on replicas that cannot be asked, and what would hold if they are well', () => {
    const two = assess([answers(0), answers(1), unasked(2), unasked(3)], CLUSTER, four);
    expect(two).toMatchObject({ promised: 'unknown', good: [0, 1] });
    expect(two.words).toMatch(
      /^Replicas 2, 3 cannot be asked from here.* If they are well: 4 of 4 replicas answer and agree\. Linearizable and live/,
    );
    const stuck = assess([answers(0), silent(1), silent(2), unasked(3)], CLUSTER, four);
    expect(stuck).toMatchObject({ promised: 'unknown' });
    expect(stuck.words).toMatch(
      /^Replica 3 cannot be asked from here.* If it is well: 2 of 4 .* No progress/,
    );
    const enough = assess([answers(0), answers(1), answers(2), unasked(3)], CLUSTER, four);
    expect(enough).toMatchObject({ promised: 'all', doubts: [{ index: 3, why: 'no status port' }] });
  });

  it('counts the smaller part as faulty when histories differ, and all when neither is larger', () => {
    const one = assess([answers(0), answers(1), answers(2), answers(3, { logRoot: 'xx' })], CLUSTER, four);
    expect(one).toMatchObject({
      promised: 'all',
      good: [0, 1, 2],
      forks: [{ sequenceNumber: 7, replicas: [0, 1, 2, 3] }],
    });
    const other = { hashChainDigest: 'xx' };
    const two = assess([answers(0), answers(1), answers(2, other), answers(3, other)], CLUSTER, four);
    expect(two).toMatchObject({ promised: 'nothing', good: [] });
    expect(two.words).toContain('differ at sequence number 7');
  });

  it('does not compare replicas that have executed more or less', () => {
    const behind = answers(3, { executed: 5, hashChainDigest: 'older' });
    expect(assess([answers(0), answers(1), answers(2), behind], CLUSTER, four)).toMatchObject({
      forks: [],
      doubts: [],
    });
  });

  it.each([
    [{ clusterId: 'd2'.repeat(32) }, 'belongs to another cluster'],
    [{ silence: 'learner' as const }, 'is a learner'],
    [{ silence: 'ordering' as const }, 'orders nothing'],
    [{ started: false }, 'has not heard from enough others'],
  ])('does not count a replica that says %j', (more, why) => {
    const { doubts } = assess([answers(0), answers(1), answers(2), answers(3, more)], CLUSTER, four);
    expect(doubts).toEqual([{ index: 3, why: expect.stringContaining(why) }]);
  });

  it('believes an accusation of f+1 replicas, not of f', () => {
    const accuses = { guilty: [3] };
    const once = assess([answers(0, accuses), answers(1), answers(2), answers(3)], CLUSTER, four);
    expect(once.doubts).toEqual([]);
    const twice = assess([answers(0, accuses), answers(1, accuses), answers(2), answers(3)], CLUSTER, four);
    expect(twice.good).toEqual([0, 1, 2]);
  });
});
