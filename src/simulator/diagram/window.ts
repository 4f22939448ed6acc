/**
 * Which part of a run a diagram shows, and where each instant of it stands. Time is drawn to scale where something happens; stretches in which nothing
 * does are shortened, so that a heartbeat's wait takes no more room than it has to tell.
 */

import type { Picture } from './picture.ts';

export interface Window {
  /** Microseconds. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** More arrows than these cannot be told apart on one picture. */
const ARROWS_MAX = 170;

/** The run up to the violation; or a change of view, from a little before; or the beginning. */
export function chooseWindow(
  { arrows, violations, spans, endAt }: Picture,
  isShown: (kind: string) => boolean,
): Window {
  const times = arrows.filter((arrow) => isShown(arrow.kind)).map((arrow) => arrow.sentAt);
  const [violation] = violations;
  if (violation !== undefined) {
    const last = times.findLastIndex((at) => at <= violation.at);
    return { fromUs: times[Math.max(0, last - ARROWS_MAX)] ?? 0, toUs: violation.at + 1_000 };
  }
  const leaving = spans.find((span) => span.type === 'leaving');
  const start = Math.max(
    0,
    leaving === undefined ? 0 : times.findIndex((at) => at >= leaving.from) - ARROWS_MAX / 4,
  );
  return { fromUs: times[Math.floor(start)] ?? 0, toUs: times[Math.floor(start) + ARROWS_MAX] ?? endAt };
}

export interface TimeScale {
  readonly width: number;
  /** Pixels from the left edge; outside the window too. */
  x(us: number): number;
  /** Where time was shortened: the middle of each such stretch. */
  readonly breaks: readonly number[];
  /** Round instants that stand far enough apart for their labels. */
  readonly ticks: readonly number[];
}

/** A message of ordinary slowness leans so far. */
const TYPICAL_PX = 46;
/** Nothing happening takes so much room at most. */
const GAP_MAX_PX = 34;
const TICK_GAP_PX = 78;
/** A picture wider than this is drawn narrower, within reason. */
const WIDTH_MAX_PX = 1_500;
const SHRINK_MIN = 0.4;
/** Arrows from and to outside the window lean no further than this, lest they lie flat across the whole picture. */
const OUTSIDE_MAX_PX = 60;

export function makeTimeScale(
  { arrows, commits, operations, notes }: Picture,
  { fromUs, toUs }: Window,
  isShown: (kind: string) => boolean,
): TimeScale {
  const shown = arrows.filter(
    (arrow) => isShown(arrow.kind) && (arrow.endAt ?? arrow.sentAt) >= fromUs && arrow.sentAt <= toUs,
  );
  const durations = shown
    .filter((arrow) => arrow.lost === undefined && arrow.endAt !== undefined)
    .map((arrow) => arrow.endAt! - arrow.sentAt)
    .sort((a, b) => a - b);
  const typicalUs = Math.max(50, durations[Math.floor(durations.length / 2)] ?? 1_000);
  const pxPerUs = TYPICAL_PX / typicalUs;

  const instants = [
    fromUs,
    toUs,
    ...shown.flatMap((arrow) => [arrow.sentAt, arrow.endAt ?? arrow.sentAt]),
    ...commits.map((dot) => dot.at),
    ...notes.map((note) => note.at),
    ...operations.flatMap((operation) => [operation.from, operation.to]),
  ]
    .filter((at) => at >= fromUs && at <= toUs)
    .sort((a, b) => a - b);
  // Knots of a piecewise linear map from instants to pixels.
  const knots = [{ us: fromUs, px: 0 }];
  const breaks: number[] = [];
  for (const us of instants) {
    const last = knots.at(-1)!;
    if (us === last.us) continue;
    const full = (us - last.us) * pxPerUs;
    const px = Math.min(full, GAP_MAX_PX);
    if (full > 2 * GAP_MAX_PX) breaks.push(last.px + px / 2);
    knots.push({ us, px: last.px + px });
  }
  const drawn = knots.at(-1)!.px;
  const shrink = Math.max(SHRINK_MIN, Math.min(1, WIDTH_MAX_PX / drawn));
  const width = drawn * shrink;

  function x(us: number): number {
    if (us <= fromUs) return Math.max(-OUTSIDE_MAX_PX, (us - fromUs) * pxPerUs);
    if (us >= toUs) return width + Math.min(OUTSIDE_MAX_PX, (us - toUs) * pxPerUs);
    let low = 0;
    let high = knots.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (knots[middle]!.us <= us) low = middle;
      else high = middle;
    }
    const a = knots[low]!;
    const b = knots[high]!;
    return shrink * (a.px + ((us - a.us) / (b.us - a.us)) * (b.px - a.px));
  }
  const ticks = roundInstants(fromUs, toUs, TICK_GAP_PX / pxPerUs / shrink, x);
  return { width, x, breaks: breaks.map((px) => px * shrink), ticks };
}

/** Multiples of 1, 2 or 5 times a power of ten, about `apartUs` apart and never closer than their labels. */
function roundInstants(
  fromUs: number,
  toUs: number,
  apartUs: number,
  x: (us: number) => number,
): readonly number[] {
  const power = 10 ** Math.floor(Math.log10(apartUs));
  const step = Math.max(
    1,
    power * (apartUs > 5 * power ? 10 : apartUs > 2 * power ? 5 : apartUs > power ? 2 : 1),
  );
  const ticks: number[] = [];
  let lastPx = Number.NEGATIVE_INFINITY;
  // Long waits hold many multiples of a small step, all in one place.
  const count = Math.min(200_000, Math.floor((toUs - fromUs) / step) + 2);
  const first = Math.ceil(fromUs / step) * step;
  for (let i = 0; i < count; i++) {
    const us = first + i * step;
    if (us > toUs) break;
    const px = x(us);
    if (px - lastPx < 0.8 * TICK_GAP_PX) continue;
    ticks.push(us);
    lastPx = px;
  }
  return ticks;
}
