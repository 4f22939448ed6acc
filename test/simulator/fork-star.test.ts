/** The fork* checker on small histories that are easy to judge by eye: each property broken once, and what is allowed. */

import { describe, expect, it } from 'vitest';
import { checkForkLinearizable, type ForkBranch } from '../../src/simulator/fork-linearizability.ts';
import {
  type Accepted,
  type AppliedRequest,
  type HistoryNode,
  judgeForkStar,
  tipsOf,
} from '../../src/simulator/fork-star.ts';
import type { Operation } from '../../src/simulator/history.ts';
import { checkLinearizable, type Model } from '../../src/simulator/linearizability.ts';

/** `a:x` is request x of session a; a result of its own name. */
const request = (name: string): AppliedRequest => ({
  id: name,
  session: name.split(':')[0]!,
  results: [new TextEncoder().encode(name)],
});

/** Each line is a history from genesis: batches by name, with their requests. */
function treeOf(lines: readonly (readonly [id: string, ...requests: string[]][])[]) {
  const nodes = new Map<string, HistoryNode>();
  for (const line of lines) {
    let parent: HistoryNode | undefined;
    line.forEach(([id, ...requests], index) => {
      parent = nodes.get(id) ?? { id, sequenceNumber: index + 1, parent, requests: requests.map(request) };
      nodes.set(id, parent);
    });
  }
  return nodes;
}

const accept = (client: string, history: string, name?: string, acceptedAt = 10): Accepted => ({
  client,
  history,
  request: name === undefined ? undefined : request(name),
  acceptedAt,
});

function judge(
  lines: Parameters<typeof treeOf>[0],
  accepted: readonly Accepted[],
  issuedAt: (request: string) => number | undefined = () => 0,
) {
  const nodes = treeOf(lines);
  const run = {
    nodes,
    accepted,
    issuedAt,
    isCorrectSession: (session: string) => session !== 'z',
  };
  return {
    forks: tipsOf(run).length,
    broken: judgeForkStar(run).map(({ property }) => property),
  };
}

/** Two histories that part after s1; request b:1 was under way then and is in both. */
const FORKED: Parameters<typeof treeOf>[0] = [
  [
    ['1', 'a:1'],
    ['2', 'b:1'],
    ['3', 'a:2'],
  ],
  [
    ['1', 'a:1'],
    ['2x', 'b:1', 'c:1'],
    ['3x', 'c:2'],
  ],
];

describe('fork*', () => {
  it('allows forks whose clients never meet, and one request of a session in both', () => {
    const { forks, broken } = judge(FORKED, [
      accept('A', '1', 'a:1'),
      accept('B', '2', 'b:1'),
      accept('A', '3', 'a:2'),
      accept('C', '2x', 'c:1'),
      accept('C', '3x', 'c:2'),
    ]);
    expect({ forks, broken }).toEqual({ forks: 2, broken: [] });
  });

  it('a history of one client or of none is no fork', () => {
    expect(judge(FORKED, []).forks).toBe(0);
    expect(judge(FORKED, [accept('A', '1', 'a:1'), accept('A', '3', 'a:2')]).forks).toBe(1);
  });

  it('legitimate request: what nobody issued', () => {
    const nobody = (name: string) => (name === 'b:1' ? undefined : 0);
    expect(judge(FORKED, [accept('A', '3', 'a:2')], nobody).broken).toEqual(['legitimate request']);
    // It is no part of a history that ends before it, and a faulty client's requests are its own affair.
    expect(judge(FORKED, [accept('A', '1', 'a:1')], nobody).broken).toEqual([]);
    expect(judge([[['1', 'z:1']]], [accept('A', '1')], () => undefined).broken).toEqual([]);
  });

  it('legitimate request: what was issued after its history was accepted', () => {
    const late = (name: string) => (name === 'b:1' ? 11 : 0);
    expect(judge(FORKED, [accept('A', '3', 'a:2', 10)], late).broken).toEqual(['legitimate request']);
    expect(judge(FORKED, [accept('A', '3', 'a:2', 12)], late).broken).toEqual([]);
  });

  it('legitimate request: an unknown history, another result, a request applied twice', () => {
    expect(judge(FORKED, [accept('A', '9', 'a:2')]).broken).toEqual(['legitimate request']);
    expect(judge(FORKED, [accept('A', '1', 'a:2')]).broken).toEqual(['legitimate request']);
    const twice: Parameters<typeof treeOf>[0] = [
      [
        ['1', 'a:1'],
        ['2', 'a:1'],
      ],
    ];
    expect(judge(twice, [accept('A', '2')]).broken).toEqual(['legitimate request']);
  });

  it('self-consistency: a client that was shown one fork and then the other', () => {
    const moved = [accept('A', '3', 'a:2'), accept('A', '3x')];
    expect(judge(FORKED, moved).broken).toEqual(['self-consistency']);
    expect(judge(FORKED, [accept('A', '1', 'a:1'), accept('A', '3x')]).broken).toEqual([]);
    // Back in its own history is no better: it does not see what it saw.
    expect(judge(FORKED, [accept('A', '3', 'a:2'), accept('A', '1')]).broken).toEqual(['self-consistency']);
  });

  it('join at most once: two requests of one session in both forks', () => {
    const joined: Parameters<typeof treeOf>[0] = [
      [
        ['1', 'a:1'],
        ['2', 'b:1'],
        ['3', 'b:2'],
      ],
      [
        ['1', 'a:1'],
        ['2x', 'b:1', 'c:1'],
        ['3x', 'b:2'],
      ],
    ];
    expect(judge(joined, [accept('A', '3'), accept('C', '3x')]).broken).toEqual(['join at most once']);
    expect(judge(joined, [accept('A', '2'), accept('C', '3x')]).broken).toEqual([]);
  });
});

describe('linearizability with forks', () => {
  type Input = { readonly write?: number };
  const register: Model<number, Input, number> = {
    initial: 0,
    apply(state, input, output) {
      if (input.write !== undefined) return input.write;
      return output === undefined || output === state ? state : undefined;
    },
    keyOf: String,
    partOf: () => 'x',
  };
  const op = (client: string, input: Input, output: number, at: number, history: string, ordered = true) => ({
    client,
    input,
    output,
    invokedAt: at,
    completedAt: at + 1,
    place: { history, ordered },
  });
  type Branch = ForkBranch<Input, number>;
  const branch = (...histories: string[]): Branch => ({
    holds: (history: string) => histories.includes(history),
    mayHold: () => false,
  });
  const verdict = (operations: readonly Operation<Input, number>[], ...branches: Branch[]) =>
    checkForkLinearizable(register, operations, branches).type;

  it('judges each fork by itself', () => {
    const operations = [op('a', { write: 1 }, 0, 0, 'A'), op('b', {}, 0, 2, 'B'), op('a', {}, 1, 4, 'A')];
    expect(checkLinearizable(register, operations).type).toBe('violation');
    expect(verdict(operations, branch('A'), branch('B'))).toBe('linearizable');
    expect(verdict(operations, branch('A', 'B'))).toBe('violation');
  });

  it('what was accepted elsewhere may have been applied here', () => {
    const operations = [op('a', { write: 1 }, 0, 0, 'A'), op('b', {}, 1, 2, 'B')];
    expect(verdict(operations, branch('B'))).toBe('violation');
    const joined: Branch = { ...branch('B'), mayHold: ({ client }) => client === 'a' };
    expect(verdict(operations, joined)).toBe('linearizable');
  });

  it('a read that was not ordered may lie behind, but not behind its own client', () => {
    const write = op('a', { write: 1 }, 0, 0, 'A');
    expect(verdict([write, op('b', {}, 0, 2, 'A', false)], branch('A'))).toBe('linearizable');
    expect(verdict([write, op('b', {}, 0, 2, 'A', true)], branch('A'))).toBe('violation');
    const second = op('b', {}, 1, 2, 'A');
    expect(verdict([write, second, op('b', {}, 0, 4, 'A', false)], branch('A'))).toBe('violation');
  });
});
