/**
 * What the two files of every segment say together: the surviving records in order, the gaps between them, and
 * where the log ends. Pure; the files are touched elsewhere.
 */

import type { LogPoint, RecordHeader } from './record-frame.ts';
import type { SegmentScan, WholeRecord } from './segment-scan.ts';

export interface ScannedSegment {
  readonly number: number;
  readonly main: SegmentScan;
  readonly mirror: SegmentScan;
}

export interface Survivor {
  readonly segment: number;
  readonly header: RecordHeader;
  /** Left out as in the scan. */
  readonly payload: Uint8Array | undefined;
}

/** Records that were written and of which no whole copy exists. */
export interface Gap {
  readonly segment: number;
  readonly from: LogPoint;
  /** Position of the first record after it. */
  readonly until: number;
  readonly promisesLost: number;
}

export interface MergedLog {
  readonly survivors: readonly Survivor[];
  readonly gaps: readonly Gap[];
  readonly end: LogPoint;
  /** Records at lower positions were certainly durable; of the others nobody knows. */
  readonly durableBelow: number;
  /** Where each segment begins; undefined if that is lost. */
  readonly starts: ReadonlyMap<number, LogPoint | undefined>;
}

/**
 * `segments` by increasing number without omission, the first being the oldest that was not discarded.
 *
 * A gap that contains a promise and that nothing shows to have been durable is an interrupted write: nobody has
 * been told of anything from there on, and the log ends there. (Damage to a synced promise would have to hit both
 * copies of the very last group to look the same.) Other gaps stay, and what follows them is kept.
 */
export function mergeSegments(segments: readonly ScannedSegment[]): MergedLog {
  const durableBelow = durablePosition(segments);
  const survivors: Survivor[] = [];
  const gaps: Gap[] = [];
  const starts = new Map<number, LogPoint | undefined>();
  let expected: LogPoint | undefined;
  const reach = (segment: number, point: LogPoint): void => {
    if (expected === undefined || point.position <= expected.position) return;
    const promisesLost = point.promises - expected.promises;
    gaps.push({ segment, from: expected, until: point.position, promisesLost });
  };
  for (const { number, main, mirror } of segments) {
    const header = main.header ?? mirror.header;
    if (header !== undefined) {
      reach(number - 1, header);
      if (expected === undefined || header.position > expected.position) expected = header;
    }
    starts.set(number, header ?? expected);
    for (const { header: record, payload } of mergeCopies(main.records, mirror.records)) {
      // Where the oldest segment begins is lost: so may be promises before the first record found.
      expected ??= { position: -1, promises: -1 };
      if (record.position < expected.position) continue;
      reach(number, record);
      survivors.push({ segment: number, header: record, payload });
      expected = { position: record.position + 1, promises: record.promises + (record.mirrored ? 1 : 0) };
    }
  }
  const interrupted = gaps.find((gap) => gap.from.position >= durableBelow && gap.promisesLost !== 0);
  const end = interrupted?.from ?? expected ?? { position: 0, promises: 0 };
  return {
    survivors: survivors.filter((survivor) => survivor.header.position < end.position),
    gaps: gaps.filter((gap) => gap.from.position < end.position),
    end,
    durableBelow,
    starts,
  };
}

/** A segment is begun, and a group written, only when what precedes it is durable. */
function durablePosition(segments: readonly ScannedSegment[]): number {
  let durableBelow = 0;
  for (const { main, mirror } of segments) {
    for (const { header, records, damaged } of [main, mirror]) {
      durableBelow = Math.max(durableBelow, header?.position ?? 0);
      for (const { header } of [...records, ...damaged]) {
        if (header) durableBelow = Math.max(durableBelow, header.position - header.unsyncedBefore);
      }
    }
  }
  return durableBelow;
}

/** Both inputs by increasing position; of two copies the first is taken. */
function mergeCopies(main: readonly WholeRecord[], mirror: readonly WholeRecord[]): WholeRecord[] {
  const merged: WholeRecord[] = [];
  let j = 0;
  for (const record of main) {
    for (; j < mirror.length && mirror[j]!.header.position <= record.header.position; j++) {
      if (mirror[j]!.header.position < record.header.position) merged.push(mirror[j]!);
    }
    merged.push(record);
  }
  return merged.concat(mirror.slice(j));
}
