/** The fork in text and as a picture. */

import { describe, expect, it } from 'vitest';
import { drawText, type ForkTree } from '../../adversary/fork-tree.ts';
import { drawSvg } from '../../adversary/fork-tree-svg.ts';

const batch = (sequenceNumber: number, digit: string, operation: string) => ({
  sequenceNumber,
  hashChainDigest: digit.repeat(64),
  operations: [operation],
});

const tree: ForkTree = {
  trunk: [batch(2, 'a', 'alice: put a = 1')],
  branches: [
    { name: 'A', replicas: ['0a', '2'], batches: [batch(3, 'b', 'alice: put a = 2')] },
    { name: 'B', replicas: ['0b', '3'], batches: [batch(3, 'c', 'bob: get a → <1>')] },
  ],
  refused: [{ client: 'alice', from: 'A', to: 'B' }],
  guilty: [0],
};

describe('the fork', () => {
  it('in text has a line for each batch, and branches that hang on the last common one', () => {
    expect(drawText(tree).split('\n')).toEqual([
      'o  genesis',
      '│',
      '●   2  aaaaaaaa…  alice: put a = 1',
      '│',
      '├──┬── branch A: replicas 0a 2',
      '│  │',
      '│  ●   3  bbbbbbbb…  alice: put a = 2',
      '│',
      '└──┬── branch B: replicas 0b 3',
      '   │',
      '   ●   3  cccccccc…  bob: get a → <1>',
      '   │',
      '   ✗  alice, led here from branch A: FORKED',
      '',
      'on both branches, and guilty: 0',
    ]);
  });

  it('as a picture is XML in which nothing that clients wrote is markup, and no number is lost', () => {
    const svg = drawSvg(tree);
    expect(svg).toContain('get a → &lt;1&gt;');
    expect(svg).not.toContain('NaN');
    expect(svg.match(/<circle /g)).toHaveLength(6);
  });

  it('without batches on its branches or guilty replicas still has a picture', () => {
    const svg = drawSvg({
      trunk: [],
      branches: tree.branches.map((it) => ({ ...it, batches: [] })),
      refused: [],
      guilty: [],
    });
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
