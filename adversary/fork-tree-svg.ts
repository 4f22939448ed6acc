/** The fork as a picture: time runs to the right, a dot is a batch, and the branches part where the replicas began to tell two histories. */

import { element, escapeText, text, textWidth } from '../src/simulator/diagram/svg.ts';
import type { ForkTree, TreeBatch, TreeBranch } from './fork-tree.ts';

const INK = '#0f172a';
const FAINT = '#64748b';
const GUILTY = '#b91c1c';
const TRUNK = '#334155';
const BRANCHES = ['#0f766e', '#7c3aed', '#c2410c', '#0369a1'];
const SANS = 'Inter, Helvetica, Arial, sans-serif';
const MONO = 'ui-monospace, Menlo, DejaVu Sans Mono, monospace';

const MARGIN = 40;
const TOP = 112;
const ROW = 168;
const RADIUS = 13;
const FORK_WIDTH = 96;

export function drawSvg(tree: ForkTree): string {
  const { trunk, branches, refused, guilty } = tree;
  const column = Math.max(150, ...[trunk, ...branches.map((it) => it.batches)].flat().map(widthOf));
  const middle = TOP + (ROW * (branches.length - 1)) / 2;
  const trunkXs = [undefined, ...trunk].map((_, i) => MARGIN + 24 + i * column);
  const forkX = trunkXs.at(-1)! + column / 2;
  const beginX = forkX + FORK_WIDTH;
  const longest = Math.max(
    1,
    ...branches.map(
      ({ batches }, i) => batches.length + refused.filter(({ to }) => to === branches[i]!.name).length,
    ),
  );
  const width = Math.max(beginX + longest * column + MARGIN, 860);
  const height = TOP + ROW * (branches.length - 1) + 150;
  const parts = [
    element('rect', { width, height, fill: '#ffffff' }),
    text(MARGIN, 40, 'A fork, and who made it', { 'font-size': 22, 'font-weight': 700, fill: INK }),
    text(
      MARGIN,
      64,
      'What two clients were shown. Each dot is a batch, signed by a quorum; the digest is that of all history up to it.',
      {
        'font-size': 13,
        fill: FAINT,
      },
    ),
    line(trunkXs[0]!, middle, forkX, middle, TRUNK),
    element('circle', {
      cx: trunkXs[0]!,
      cy: middle,
      r: 6,
      fill: '#ffffff',
      stroke: TRUNK,
      'stroke-width': 3,
    }),
    text(trunkXs[0]!, middle + 30, 'genesis', { 'font-size': 12, fill: FAINT, 'text-anchor': 'middle' }),
    ...trunk.map((batch, i) => dot(batch, trunkXs[i + 1]!, middle, TRUNK)),
    ...branches.map((branch, i) => drawBranch(branch, i, tree, { middle, forkX, beginX, column })),
  ];
  if (guilty.length > 0) parts.push(verdict(guilty, forkX + 6, middle, height));
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      'font-family': SANS,
    },
    parts.join('\n'),
  );
}

interface Layout {
  readonly middle: number;
  readonly forkX: number;
  readonly beginX: number;
  readonly column: number;
}

function drawBranch(branch: TreeBranch, i: number, { refused }: ForkTree, layout: Layout): string {
  const { middle, forkX, beginX, column } = layout;
  const y = TOP + i * ROW;
  const color = BRANCHES[i % BRANCHES.length]!;
  const crossers = refused.filter(({ to }) => to === branch.name);
  const xs = [...branch.batches, ...crossers].map((_, k) => beginX + column / 2 + k * column);
  const lastX = xs[branch.batches.length - 1] ?? beginX;
  const bend = (forkX + beginX) / 2;
  const parts = [
    element('path', {
      d: `M ${forkX} ${middle} C ${bend} ${middle} ${bend} ${y} ${beginX} ${y}`,
      ...stroke(color),
    }),
    line(beginX, y, lastX, y, color),
    text(beginX - 4, y - 34, `branch ${branch.name}`, { 'font-size': 14, 'font-weight': 700, fill: color }),
    text(beginX + 70, y - 34, `replicas ${branch.replicas.join(' ')}`, { 'font-size': 13, fill: FAINT }),
    ...branch.batches.map((batch, k) => dot(batch, xs[k]!, y, color)),
  ];
  for (const [k, { client, from }] of crossers.entries()) {
    const x = xs[branch.batches.length + k]!;
    parts.push(
      element('line', {
        x1: lastX + RADIUS,
        y1: y,
        x2: x - RADIUS - 2,
        y2: y,
        stroke: GUILTY,
        'stroke-width': 2,
        'stroke-dasharray': '3 5',
      }),
      element('circle', { cx: x, cy: y, r: RADIUS, fill: '#fef2f2', stroke: GUILTY, 'stroke-width': 2 }),
      element('path', {
        d: `M ${x - 5} ${y - 5} l 10 10 m 0 -10 l -10 10`,
        ...stroke(GUILTY),
        'stroke-width': 2.5,
      }),
      text(x, y + 34, `${client}, from branch ${from}`, { ...label, fill: INK }),
      text(x, y + 52, 'FORKED', { ...label, fill: GUILTY, 'font-weight': 700 }),
    );
  }
  return parts.join('\n');
}

function dot(
  { sequenceNumber, hashChainDigest, operations }: TreeBatch,
  x: number,
  y: number,
  color: string,
): string {
  return [
    element('circle', { cx: x, cy: y, r: RADIUS, fill: color, stroke: '#ffffff', 'stroke-width': 3 }),
    text(x, y + 4, String(sequenceNumber), {
      'font-size': 12,
      'font-weight': 700,
      fill: '#ffffff',
      'text-anchor': 'middle',
    }),
    ...operations.map((operation, i) => text(x, y + 34 + 17 * i, operation, { ...label, fill: INK })),
    text(x, y + 34 + 17 * operations.length, hashChainDigest.slice(0, 10), {
      'font-size': 11,
      'font-family': MONO,
      fill: FAINT,
      'text-anchor': 'middle',
    }),
  ].join('\n');
}

function verdict(guilty: readonly number[], x: number, y: number, height: number): string {
  const words = `replicas ${guilty.join(' and ')} signed both branches: guilty`;
  const width = textWidth(words, 13) + 36;
  const top = height - 52;
  return [
    element('line', {
      x1: x - 6,
      y1: y + 10,
      x2: x - 6,
      y2: top,
      stroke: GUILTY,
      'stroke-width': 1.5,
      'stroke-dasharray': '2 4',
    }),
    element('circle', { cx: x - 6, cy: y, r: 7, fill: '#ffffff', stroke: GUILTY, 'stroke-width': 3 }),
    element('rect', { x: x - width / 2, y: top, width, height: 30, rx: 15, fill: '#fef2f2', stroke: GUILTY }),
    text(x, top + 20, words, { 'font-size': 13, 'font-weight': 600, fill: GUILTY, 'text-anchor': 'middle' }),
  ].join('\n');
}

const label = { 'font-size': 12.5, 'text-anchor': 'middle' };

function widthOf({ operations }: TreeBatch): number {
  return 24 + Math.max(...operations.map((operation) => textWidth(escapeText(operation), 11)));
}

function stroke(color: string) {
  return { stroke: color, 'stroke-width': 4, fill: 'none', 'stroke-linecap': 'round' };
}

function line(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return element('line', { x1, y1, x2, y2, ...stroke(color) });
}
