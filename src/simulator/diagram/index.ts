/**
 * A run as a space–time diagram in SVG: a line for each client and replica, time from left to right, an arrow for each message. It is text made of text and
 * needs nothing, so it runs in a browser as well.
 */

import type { TraceLine } from '../trace-format.ts';
import {
  ACCEPTED,
  DOWN,
  FAINT_INK,
  FAULT,
  historyColour,
  INK,
  LINE,
  MESSAGE_ORDER,
  messageColour,
  PAUSED,
  PAUSED_INK,
  UNKNOWN,
  viewColour,
} from './colours.ts';
import { type Arrow, type CommitDot, gatherPicture, type Note, type Picture } from './picture.ts';
import { element, escapeText, text, textWidth, title } from './svg.ts';
import { chooseWindow, makeTimeScale, type TimeScale, type Window } from './window.ts';

export interface DiagramOptions {
  /** The part of the run that is shown, in virtual milliseconds; chosen if left out (window.ts). */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Kinds of messages that are left out; STATUS if left out, since it tells little and is everywhere. */
  readonly hidden?: readonly string[];
}

const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const MARGIN = 20;
const GUTTER = 92;
const LANE_GAP = 82;
const CLIENT_GAP = 54;
const BAND = 7;
const ROW = 18;
/** Room for the last arrowheads and labels. */
const RIGHT = 30;
const WIDTH_MIN = 760;

interface Canvas {
  readonly picture: Picture;
  readonly window: Window;
  readonly scale: TimeScale;
  /** The middle of each endpoint's lane. */
  readonly y: (endpoint: number) => number;
  readonly isShown: (kind: string) => boolean;
  readonly top: number;
  readonly bottom: number;
}

/** @throws Error if the lines are no trace, or if the window is empty. */
export function drawDiagram(lines: Iterable<TraceLine>, options: DiagramOptions = {}): string {
  const picture = gatherPicture(lines);
  const hidden = options.hidden ?? ['status'];
  const isShown = (kind: string) => !hidden.includes(kind);
  const chosen = chooseWindow(picture, isShown);
  const window: Window = {
    fromUs: options.fromMs === undefined ? chosen.fromUs : options.fromMs * 1000,
    toUs: options.toMs === undefined ? chosen.toUs : options.toMs * 1000,
  };
  if (window.fromUs >= window.toUs) {
    throw new Error(
      `a diagram must end after it begins; got ${window.fromUs / 1000} to ${window.toUs / 1000} ms`,
    );
  }
  const scale = makeTimeScale(picture, window, isShown);
  const disturbances = layOutDisturbances(picture, window, scale);
  const { replicas, clients } = picture.header;
  const top = 58 + ROW * disturbances.rows + (disturbances.rows > 0 ? 14 : 0);
  const clientsEnd = top + 12 + clients * CLIENT_GAP;
  const y = (endpoint: number) =>
    endpoint >= replicas
      ? top + 30 + (endpoint - replicas) * CLIENT_GAP
      : clientsEnd + 34 + endpoint * LANE_GAP;
  const bottom = y(replicas - 1) + 40;
  const width = Math.max(WIDTH_MIN, MARGIN + GUTTER + scale.width + RIGHT);
  const canvas: Canvas = { picture, window, scale, y, isShown, top, bottom };
  const legend = drawLegend(canvas, width, bottom + 52);
  const plot = [
    drawGrid(canvas),
    drawLanes(canvas),
    drawOperations(canvas),
    drawArrows(canvas),
    drawCommits(canvas),
    drawNotes(canvas),
    disturbances.drawn,
    drawViolations(canvas),
  ].join('\n');
  const height = legend.bottom + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" role="img" aria-label="A simulated run as a space-time diagram" font-family="${escapeText(FONT)}" font-size="11" fill="${INK}">`,
    '<style>.halo{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}</style>',
    drawDefinitions(canvas),
    element('rect', { width: '100%', height: '100%', fill: '#fff' }),
    drawTitle(canvas, width),
    drawLaneNames(canvas),
    element(
      'g',
      { transform: `translate(${MARGIN + GUTTER} 0)` },
      element('g', { 'clip-path': 'url(#bft2f-plot)' }, plot),
    ),
    legend.drawn,
    '</svg>\n',
  ].join('\n');
}

/** Labels may stand out a little to both sides. */
function drawDefinitions({ scale, bottom, picture, isShown }: Canvas): string {
  const clip = element(
    'clipPath',
    { id: 'bft2f-plot' },
    element('rect', { x: -6, y: 0, width: scale.width + RIGHT + 6, height: bottom + 40 }),
  );
  const heads = kindsOf(picture, isShown).map((kind) =>
    element(
      'marker',
      {
        ...{
          id: `bft2f-${kind}`,
          viewBox: '0 0 8 8',
          refX: 7.5,
          refY: 4,
          markerWidth: 6.5,
          markerHeight: 6.5,
        },
        orient: 'auto',
      },
      element('path', { d: 'M0 0.8 L8 4 L0 7.2 z', fill: messageColour(kind) }),
    ),
  );
  return element('defs', {}, [clip, ...heads].join(''));
}

function kindsOf({ arrows }: Picture, isShown: (kind: string) => boolean): readonly string[] {
  const kinds = new Set(arrows.map((arrow) => arrow.kind).filter(isShown));
  const known = MESSAGE_ORDER.filter((kind) => kinds.has(kind));
  return [...known, ...[...kinds].filter((kind) => !known.includes(kind)).sort()];
}

function drawTitle({ picture, window }: Canvas, width: number): string {
  const { replicas, clients, quorum, scenario } = picture.header;
  const { seed, bug, attack } = scenario as { seed?: number; bug?: string; attack?: string };
  const extra = [bug === undefined ? '' : `bug “${bug}”`, attack === undefined ? '' : `attack “${attack}”`];
  const words = [
    ...extra.filter((word) => word !== ''),
    `${replicas} replicas, Q = ${quorum}`,
    `${clients} ${clients === 1 ? 'client' : 'clients'}`,
    `${milliseconds(window.fromUs)} to ${milliseconds(window.toUs)} ms`,
  ].join('  ·  ');
  return [
    text(MARGIN, 30, `Seed ${seed}`, { 'font-size': 17, 'font-weight': 600 }),
    text(MARGIN + GUTTER, 30, words, { 'font-size': 12, fill: FAINT_INK }),
    ...picture.violations.slice(0, 1).map((violation) =>
      text(MARGIN + GUTTER, 47, cutShort(`Violation of ${violation.text}`, width - 2 * MARGIN - GUTTER, 12), {
        'font-size': 12,
        'font-weight': 600,
        fill: FAULT,
      }),
    ),
  ].join('\n');
}

function cutShort(words: string, width: number, size: number): string {
  const room = Math.floor(width / textWidth('n', size));
  return words.length <= room ? words : `${words.slice(0, room - 1)}…`;
}

function milliseconds(us: number): string {
  return String(Math.round(us / 10) / 100);
}

function drawLaneNames({ picture, y }: Canvas): string {
  const { replicas, clients } = picture.header;
  return Array.from({ length: replicas + clients }, (_, endpoint) =>
    text(
      MARGIN,
      y(endpoint) + 4,
      endpoint < replicas ? `replica ${endpoint}` : `client c${endpoint - replicas}`,
      {
        'font-size': 12,
        'font-weight': 600,
      },
    ),
  ).join('\n');
}

/** The time axis, and where time was shortened. */
function drawGrid({ scale, top, bottom }: Canvas): string {
  return [
    ...scale.ticks.map((us) => {
      const x = scale.x(us);
      return (
        element('line', { x1: x, x2: x, y1: top, y2: bottom, stroke: '#f1f5f9' }) +
        text(x, bottom + 15, `${milliseconds(us)} ms`, {
          'text-anchor': 'middle',
          'font-size': 10,
          fill: FAINT_INK,
        })
      );
    }),
    element('line', { x1: 0, x2: scale.width, y1: bottom, y2: bottom, stroke: LINE }),
    ...scale.breaks.map((x) =>
      element(
        'g',
        { stroke: FAINT_INK, fill: 'none' },
        title('nothing happens: time is shortened here') +
          element('path', { d: `M${x - 4} ${bottom} l2.5 -5 l3 10 l2.5 -5`, 'stroke-width': 1.2 }) +
          element('line', {
            ...{ x1: x, x2: x, y1: top, y2: bottom - 6 },
            stroke: LINE,
            'stroke-dasharray': '1 5',
          }),
      ),
    ),
  ].join('\n');
}

/** Bands of views, and times in which a replica does not run. */
function drawLanes({ picture, window, scale, y }: Canvas): string {
  const { replicas, clients } = picture.header;
  const parts: string[] = [];
  for (let endpoint = replicas; endpoint < replicas + clients; endpoint++) {
    parts.push(element('line', { x1: 0, x2: scale.width, y1: y(endpoint), y2: y(endpoint), stroke: LINE }));
  }
  const clipped = picture.spans
    .filter((span) => span.to >= window.fromUs && span.from <= window.toUs)
    .map((span) => ({
      span,
      left: Math.max(0, scale.x(span.from)),
      right: Math.min(scale.width, scale.x(span.to)),
      middle: y(span.lane),
    }));
  for (const { span, left, right, middle } of clipped) {
    const width = Math.max(1, right - left);
    if (span.type === 'view' || span.type === 'leaving') {
      const isLeaving = span.type === 'leaving';
      parts.push(
        element(
          'rect',
          {
            ...{ x: left, y: middle - BAND, width, height: 2 * BAND, rx: 2 },
            fill: isLeaving ? '#fff' : viewColour(span.view),
            stroke: isLeaving ? FAINT_INK : undefined,
            'stroke-dasharray': isLeaving ? '3 3' : undefined,
          },
          title(isLeaving ? `waits for view ${span.view}` : `view ${span.view}`),
        ),
      );
    } else {
      const isDown = span.type === 'down';
      parts.push(
        element('rect', {
          ...{ x: left, y: middle - 20, width, height: 40, rx: 3 },
          fill: isDown ? DOWN : PAUSED,
          'fill-opacity': isDown ? 0.75 : 0.55,
        }),
      );
      if (width > 40) {
        parts.push(
          text(left + 5, middle - 9, span.type, {
            'font-size': 10,
            fill: isDown ? FAULT : PAUSED_INK,
            'font-weight': 600,
          }),
        );
      }
    }
  }
  for (let replica = 0; replica < replicas; replica++) {
    parts.push(
      element('line', { x1: 0, x2: scale.width, y1: y(replica), y2: y(replica), stroke: '#94a3b8' }),
    );
  }
  for (const { span, left, right, middle } of clipped) {
    if (span.type !== 'view' && span.type !== 'leaving') continue;
    const words = span.type === 'view' ? `v${span.view}` : `→ v${span.view}`;
    if (right - left < textWidth(words, 10) + 6) continue;
    parts.push(
      text(left + 3, middle - BAND - 4, words, {
        ...{ class: 'halo', 'font-size': 10, 'font-weight': 700 },
        fill: span.type === 'view' ? INK : FAINT_INK,
      }),
    );
  }
  return parts.join('\n');
}

function drawOperations({ picture, window, scale, y }: Canvas): string {
  /** Where the last label of each client ends: several operations may be under way at once. */
  const labelEnds = new Map<number, number>();
  return picture.operations
    .filter((operation) => operation.to >= window.fromUs && operation.from <= window.toUs)
    .map(({ lane, token, read, from, to, outcome }) => {
      const left = Math.max(0, scale.x(from));
      const right = Math.min(scale.width, scale.x(to));
      const words = `${read ? 'read' : 'op'} ${token}`;
      const hasRoom = left >= (labelEnds.get(lane) ?? 0) && right - left > textWidth(words, 9.5) + 8;
      if (hasRoom) labelEnds.set(lane, left + textWidth(words, 9.5) + 8);
      const isSettled = outcome === 'accepted' || outcome === 'read' || outcome === undefined;
      return (
        element(
          'rect',
          {
            ...{ x: left, y: y(lane) - 8, width: Math.max(3, right - left), height: 16, rx: 4 },
            fill: isSettled ? ACCEPTED : UNKNOWN,
            'fill-opacity': 0.55,
            stroke: isSettled ? '#2dd4bf' : '#fb923c',
            'stroke-width': 0.7,
          },
          title(`${words}: ${outcome ?? 'under way'}`),
        ) +
        (hasRoom
          ? text(left + 5, y(lane) - 11, words, { 'font-size': 9.5, fill: FAINT_INK, class: 'halo' })
          : '')
      );
    })
    .join('\n');
}

function drawArrows({ picture, window, scale, y, isShown }: Canvas): string {
  return (
    picture.arrows
      .filter(
        (arrow) =>
          isShown(arrow.kind) &&
          (arrow.endAt ?? arrow.sentAt) >= window.fromUs &&
          arrow.sentAt <= window.toUs &&
          // One that is under way all the time would only cross out the picture.
          (arrow.sentAt >= window.fromUs || arrow.endAt! <= window.toUs),
      )
      // Two that go the same way hide one another: the rarer one is on top.
      .sort((a, b) => MESSAGE_ORDER.indexOf(a.kind) - MESSAGE_ORDER.indexOf(b.kind))
      .map((arrow) => drawArrow(arrow, scale, y))
      .join('\n')
  );
}

/** One that is lost ends in a cross on its way; one that arrives later than the trace ends has no head. */
function drawArrow(arrow: Arrow, scale: TimeScale, y: Canvas['y']): string {
  const { kind, from, to, sentAt, endAt, lost } = arrow;
  const x1 = scale.x(sentAt);
  const y1 = y(from);
  const arrives = endAt !== undefined && lost === undefined;
  const reach = arrives ? 1 : 0.4;
  // Lost at once: it still leans, to be seen.
  const x2 = arrives
    ? scale.x(endAt)
    : Math.max(x1 + 14, endAt === undefined ? 0 : x1 + (scale.x(endAt) - x1) * reach);
  const y2 = y1 + (y(to) - y1) * reach;
  const colour = messageColour(kind);
  const line = element('line', {
    ...{ x1, y1, x2, y2 },
    'stroke-dasharray': arrow.isCopy ? '4 3' : undefined,
    'marker-end': arrives ? `url(#bft2f-${kind})` : undefined,
  });
  const cross =
    lost === undefined
      ? ''
      : element('path', {
          d: `M${tenths(x2 - 3)} ${tenths(y2 - 3)} l6 6 m0 -6 l-6 6`,
          'stroke-width': 1.6,
        });
  const fate = lost === undefined ? '' : ` — ${lost}`;
  return element(
    'g',
    { stroke: colour, 'stroke-opacity': 0.8, 'stroke-width': 1.1, fill: 'none' },
    title(`${arrow.text}${fate}`) + line + cross,
  );
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Dots on the lane; several at one place share a label. */
function drawCommits({ picture, window, scale, y }: Canvas): string {
  const dots = picture.commits.filter((dot) => dot.at >= window.fromUs && dot.at <= window.toUs);
  const parts = dots.map((dot) =>
    element(
      'circle',
      {
        ...{ cx: scale.x(dot.at), cy: y(dot.lane), r: 4.2 },
        fill: historyColour(dot.history),
        stroke: '#fff',
        'stroke-width': 1.2,
      },
      title(`commits s${dot.sequenceNumber}, chain ${dot.hashChainDigest}`),
    ),
  );
  for (let lane = 0; lane < picture.header.replicas; lane++) {
    let group: CommitDot[] = [];
    const flush = () => {
      const [first] = group;
      if (first === undefined) return;
      parts.push(
        text(scale.x(first.at), y(lane) + BAND + 12, sequenceNumbers(group), {
          ...{ class: 'halo', 'font-size': 10, 'font-weight': 600, 'text-anchor': 'middle' },
          fill: historyColour(first.history),
        }),
      );
      group = [];
    };
    for (const dot of dots.filter((each) => each.lane === lane)) {
      const [first] = group;
      const room = textWidth('s0–00000', 10);
      if (
        first !== undefined &&
        (scale.x(dot.at) - scale.x(first.at) > room || dot.history !== first.history)
      ) {
        flush();
      }
      group.push(dot);
    }
    flush();
  }
  return parts.join('\n');
}

function sequenceNumbers(group: readonly CommitDot[]): string {
  const first = group[0]!.sequenceNumber;
  const last = group.at(-1)!.sequenceNumber;
  return first === last ? `s${first}` : `s${first}–${last}`;
}

/** Words below the lane, as far as there is room for them. */
function drawNotes({ picture, window, scale, y }: Canvas): string {
  const ends = new Map<number, number>();
  return picture.notes
    .filter((note) => note.at >= window.fromUs && note.at <= window.toUs)
    .map((note: Note) => {
      const x = scale.x(note.at);
      const tick = element(
        'line',
        { x1: x, x2: x, y1: y(note.lane) - BAND, y2: y(note.lane) + BAND + 4, stroke: FAULT },
        title(note.text),
      );
      if (x < (ends.get(note.lane) ?? Number.NEGATIVE_INFINITY)) return tick;
      ends.set(note.lane, x + textWidth(note.text, 9.5) + 6);
      return (
        tick + text(x - 1, y(note.lane) + 33, note.text, { 'font-size': 9.5, fill: FAULT, class: 'halo' })
      );
    })
    .join('\n');
}

/** What is done to the cluster, above the lanes, in as few rows as it fits in. */
function layOutDisturbances(
  { disturbances, endAt }: Picture,
  window: Window,
  scale: TimeScale,
): { readonly rows: number; readonly drawn: string } {
  const ends: number[] = [];
  const parts: string[] = [];
  for (const { from, to, text: words } of disturbances) {
    const until = Math.min(to ?? from, endAt);
    if (until < window.fromUs || from > window.toUs) continue;
    const left = Math.max(0, scale.x(from));
    const right = Math.min(scale.width, scale.x(until));
    const room = textWidth(words, 10) + 10;
    let row = ends.findIndex((end) => end < left);
    if (row < 0) row = ends.length;
    ends[row] = Math.max(right, left + room) + 6;
    const top = 60 + row * ROW;
    parts.push(
      element('rect', {
        ...{ x: left, y: top, width: Math.max(2, right - left), height: 14, rx: 2 },
        fill: '#fee2e2',
        stroke: '#fca5a5',
      }),
      text(left + 4, top + 10.5, words, { 'font-size': 10, fill: FAULT, class: 'halo' }),
    );
  }
  return { rows: ends.length, drawn: parts.join('\n') };
}

function drawViolations({ picture, window, scale, top, bottom }: Canvas): string {
  return picture.violations
    .filter((violation) => violation.at >= window.fromUs && violation.at <= window.toUs)
    .map((violation) => {
      const x = scale.x(violation.at);
      return element(
        'g',
        {},
        title(violation.text) +
          element('line', { x1: x, x2: x, y1: top - 4, y2: bottom, stroke: FAULT, 'stroke-width': 2 }) +
          element('path', { d: `M${tenths(x - 6)} ${top - 12} h12 l-6 9 z`, fill: FAULT }),
      );
    })
    .join('\n');
}

function drawLegend(
  canvas: Canvas,
  width: number,
  top: number,
): { readonly drawn: string; readonly bottom: number } {
  const { picture, window, isShown } = canvas;
  const inside = picture.arrows.filter(
    (arrow) => (arrow.endAt ?? arrow.sentAt) >= window.fromUs && arrow.sentAt <= window.toUs,
  );
  const entries: (readonly [draw: (x: number, y: number) => string, words: string])[] = kindsOf(
    { ...picture, arrows: inside },
    isShown,
  ).map((kind) => [
    (x, y) =>
      element('line', {
        ...{ x1: x, x2: x + 20, y1: y, y2: y },
        stroke: messageColour(kind),
        'stroke-width': 1.6,
        'marker-end': `url(#bft2f-${kind})`,
      }),
    kind,
  ]);
  const dot = (history: number) => (x: number, y: number) =>
    element('circle', { cx: x + 12, cy: y, r: 4.2, fill: historyColour(history) });
  const box = (fill: string, stroke?: string) => (x: number, y: number) =>
    element('rect', {
      ...{ x: x + 2, y: y - 5, width: 18, height: 10, rx: 2, fill, stroke },
      'stroke-dasharray': stroke === undefined ? undefined : '3 3',
    });
  const histories = Math.max(0, ...picture.commits.map((commit) => commit.history));
  entries.push([dot(0), 'commits s']);
  for (let history = 1; history <= histories; history++) entries.push([dot(history), `fork ${history}`]);
  const has = (type: string) =>
    picture.spans.some((span) => span.type === type && span.to >= window.fromUs && span.from <= window.toUs);
  if (has('leaving')) entries.push([box('#fff', FAINT_INK), 'between views']);
  if (has('down')) entries.push([box(DOWN), 'down']);
  if (has('paused')) entries.push([box(PAUSED), 'paused']);
  if (inside.some((arrow) => arrow.lost !== undefined && isShown(arrow.kind))) {
    entries.push([
      (x, y) =>
        element('path', { d: `M${x + 9} ${y - 3} l6 6 m0 -6 l-6 6`, stroke: INK, 'stroke-width': 1.6 }),
      'lost',
    ]);
  }
  const parts: string[] = [];
  let x = MARGIN + GUTTER;
  let y = top;
  for (const [draw, words] of entries) {
    const size = 30 + textWidth(words, 11) + 12;
    if (x + size > width - MARGIN) {
      x = MARGIN + GUTTER;
      y += 20;
    }
    parts.push(draw(x, y), text(x + 27, y + 4, words, { fill: '#334155' }));
    x += size;
  }
  return { drawn: parts.join('\n'), bottom: y };
}
