/** The fork as a picture: time runs to the right, a dot is a batch, and the branches part where replicas began to tell two histories. */

import { element, text, textWidth, title as titleOf } from '../src/simulator/diagram/svg.ts';
import type { ForkTree, TreeBatch, TreeBranch } from './fork-tree.ts';

const INK = '#0f172a';
const FAINT = '#64748b';
const GUILTY = '#b91c1c';
const TRUNK = '#334155';
const BRANCHES = ['#0f766e', '#7c3aed', '#c2410c', '#0369a1'];
const SANS = 'Inter, Helvetica, Arial, sans-serif';
const MONO = 'ui-monospace, Menlo, DejaVu Sans Mono, monospace';

const HEADING = 'A fork, and who made it';

const MARGIN = 40;
/** Of the first branch. */
const TOP = 148;
const ROW = 190;
/** Below the last branch. */
const BELOW = 158;
const RADIUS = 14;
const FORK_WIDTH = 96;
const COLUMN_MIN = 112;
const LABEL_SIZE = 12.5;

export function drawSvg(tree: ForkTree): string {
  const { trunk, branches, guilty } = tree;
  const batches = [trunk, ...branches.map((branch) => branch.batches)].flat();
  const column = Math.max(COLUMN_MIN, ...batches.map(labelWidth));
  const middle = TOP + (ROW * (branches.length - 1)) / 2;
  const startX = MARGIN + 24;
  const forkX = startX + (trunk.length + 0.5) * column;
  const beginX = forkX + FORK_WIDTH;
  const longest = Math.max(1, ...branches.map((it) => it.batches.length + crossersTo(tree, it).length));
  const width = Math.ceil(Math.max(beginX + longest * column + MARGIN / 2, 860));
  const height = TOP + ROW * (branches.length - 1) + BELOW;
  const parts = [
    titleOf(HEADING),
    element('rect', { width, height, fill: '#ffffff' }),
    text(MARGIN, 44, HEADING, { 'font-size': 22, 'font-weight': 700, fill: INK }),
    text(
      MARGIN,
      68,
      'What two clients were shown. Each dot is a batch that a quorum signed; below it, the digest of all history up to it.',
      { 'font-size': 13, fill: FAINT },
    ),
    line(startX, middle, forkX, middle, TRUNK),
    element('circle', { cx: startX, cy: middle, r: 6, fill: '#ffffff', stroke: TRUNK, 'stroke-width': 3 }),
    text(startX, middle + 34, 'genesis', { ...centred, fill: FAINT }),
    ...trunk.map((batch, i) => dot(batch, startX + (i + 1) * column, middle, TRUNK)),
    ...branches.map((branch, i) => drawBranch(tree, branch, i, { middle, forkX, beginX, column })),
    ...(guilty.length > 0 ? [drawVerdict(guilty, forkX, middle, height)] : []),
  ];
  const size = { viewBox: `0 0 ${width} ${height}`, width, height };
  const attributes = { xmlns: 'http://www.w3.org/2000/svg', ...size, 'font-family': SANS };
  return `${element('svg', attributes, `\n${parts.join('\n')}\n`)}\n`;
}

interface Layout {
  readonly middle: number;
  readonly forkX: number;
  readonly beginX: number;
  readonly column: number;
}

function drawBranch(tree: ForkTree, branch: TreeBranch, i: number, layout: Layout): string {
  const { middle, forkX, beginX, column } = layout;
  const { name, replicas, batches } = branch;
  const y = TOP + i * ROW;
  const color = BRANCHES[i % BRANCHES.length]!;
  const xOf = (place: number): number => beginX + (place + 0.4) * column;
  const lastX = batches.length === 0 ? beginX : xOf(batches.length - 1);
  const bend = (forkX + beginX) / 2;
  const title = `branch ${name}`;
  return [
    element('path', {
      d: `M ${forkX} ${middle} C ${bend} ${middle} ${bend} ${y} ${beginX} ${y}`,
      ...stroke(color),
    }),
    line(beginX, y, lastX, y, color),
    text(beginX, y - 30, title, { 'font-size': 14, 'font-weight': 700, fill: color }),
    text(beginX + textWidth(title, 14) + 12, y - 30, `replicas ${replicas.join(', ')}`, {
      'font-size': 13,
      fill: FAINT,
    }),
    ...batches.map((batch, place) => dot(batch, xOf(place), y, color)),
    ...crossersTo(tree, branch).map(({ client, from }, place) =>
      drawRefusal(`${client}, from ${from}`, lastX, xOf(batches.length + place), y),
    ),
  ].join('\n');
}

function crossersTo({ refused }: ForkTree, { name }: TreeBranch): ForkTree['refused'] {
  return refused.filter(({ to }) => to === name);
}

function drawRefusal(who: string, fromX: number, x: number, y: number): string {
  const dashes = { stroke: GUILTY, 'stroke-width': 2, 'stroke-dasharray': '3 6', 'stroke-linecap': 'round' };
  return [
    element('line', { x1: fromX + RADIUS + 6, y1: y, x2: x - RADIUS - 6, y2: y, ...dashes }),
    element('circle', { cx: x, cy: y, r: RADIUS - 1, fill: '#fef2f2', stroke: GUILTY, 'stroke-width': 2 }),
    element('path', {
      ...stroke(GUILTY),
      d: `M ${x - 4.5} ${y - 4.5} l 9 9 m 0 -9 l -9 9`,
      'stroke-width': 2.5,
    }),
    text(x, y + 34, who, { ...centred, fill: INK }),
    text(x, y + 52, 'FORKED', { ...centred, fill: GUILTY, 'font-weight': 700 }),
  ].join('\n');
}

function dot(batch: TreeBatch, x: number, y: number, color: string): string {
  const labels = batch.operations.flatMap((operation) => operation.split(': '));
  const digestY = y + 36 + 17 * labels.length;
  return [
    element('circle', { cx: x, cy: y, r: RADIUS, fill: color, stroke: '#ffffff', 'stroke-width': 3 }),
    text(x, y + 4.5, String(batch.sequenceNumber), { ...centred, 'font-weight': 700, fill: '#ffffff' }),
    ...labels.map((label, i) =>
      text(x, y + 34 + 17 * i, label, {
        ...centred,
        fill: INK,
        'font-weight': i % 2 === 0 ? 600 : undefined,
      }),
    ),
    text(x, digestY, batch.hashChainDigest.slice(0, 8), {
      ...centred,
      'font-size': 11,
      'font-family': MONO,
      fill: FAINT,
    }),
  ].join('\n');
}

function drawVerdict(guilty: readonly number[], x: number, y: number, height: number): string {
  const words = `replicas ${guilty.join(', ')} signed both branches: they are guilty, and the two heads prove it`;
  const width = textWidth(words, 13);
  const top = height - 60;
  const left = x - width / 2;
  const dashes = {
    stroke: GUILTY,
    'stroke-width': 1.5,
    'stroke-dasharray': '2 5',
    'stroke-linecap': 'round',
  };
  return [
    element('line', { x1: x, y1: y + 12, x2: x, y2: top, ...dashes }),
    element('circle', { cx: x, cy: y, r: 7, fill: '#ffffff', stroke: GUILTY, 'stroke-width': 3 }),
    element('rect', { x: left, y: top, width, height: 32, rx: 16, fill: '#fef2f2', stroke: GUILTY }),
    text(x, top + 21, words, { ...centred, 'font-size': 13, 'font-weight': 600, fill: GUILTY }),
  ].join('\n');
}

const centred = { 'font-size': LABEL_SIZE, 'text-anchor': 'middle' };

function labelWidth({ operations }: TreeBatch): number {
  const labels = operations.flatMap((operation) => operation.split(': '));
  return 16 + Math.max(...labels.map((label) => textWidth(label, LABEL_SIZE)));
}

function stroke(color: string) {
  return { stroke: color, 'stroke-width': 4, fill: 'none', 'stroke-linecap': 'round' };
}

function line(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return element('line', { x1, y1, x2, y2, ...stroke(color) });
}
