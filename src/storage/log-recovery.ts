/**
 * Opens a log after anything that may have happened to its files: reads both copies, tells an interrupted write
 * from damage, and leaves files in which every surviving record stands where it belongs.
 *
 * Repair replaces a file as a whole and atomically, because the other copy may be the last one. What cannot be
 * repaired stays visible: the counts in the neighbouring records show the gap at every later opening, so a
 * replica that lost a promise does not forget it by starting twice.
 */

import { equalBytes } from '../types/bytes.ts';
import { type FileLayer, readWhole, replaceFile, TEMPORARY_SUFFIX } from './file-layer.ts';
import type { Damage, LogRecord, Recovered } from './log.ts';
import { type Gap, type MergedLog, mergeSegments, type ScannedSegment, type Survivor } from './log-merge.ts';
import {
  decodeSegmentHeader,
  encodeRecord,
  encodeSegmentHeader,
  type LogPoint,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from './record-frame.ts';
import { type Copy, parseSegmentName, segmentName } from './segment-names.ts';
import { type DamagedStretch, type SegmentScan, scanSegment } from './segment-scan.ts';
import { StorageError } from './storage-error.ts';

export interface SegmentState {
  readonly number: number;
  /** Of its records; 0 if none has one. */
  greatestSequenceNumber: number;
  mainBytes: number;
  mirrorBytes: number;
}

export interface RecoveredLog {
  readonly recovered: Recovered;
  /** By increasing number; at least one. */
  readonly segments: SegmentState[];
  readonly end: LogPoint;
  readonly salt: number;
}

/** @throws StorageError NOT_FORMATTED without any segment; CORRUPT if no header of a segment is left */
export async function recoverLog(files: FileLayer, directory: string): Promise<RecoveredLog> {
  const numbers = await segmentNumbers(files, directory);
  const salt = await findSalt(files, directory, numbers);
  const scans: ScannedSegment[] = [];
  for (const number of numbers) {
    const scan = async (copy: Copy): Promise<SegmentScan> =>
      scanSegment(
        (await readWhole(files, `${directory}/${segmentName(copy, number)}`)) ?? new Uint8Array(0),
        salt,
      );
    scans.push({ number, main: await scan('main'), mirror: await scan('mirror') });
  }
  let tornBytes = 0;
  const merged = mergeSegments(scans);
  const survivors = groupBySegment(merged.survivors);
  const damage = merged.gaps.flatMap((gap) => describeGap(gap, scans));
  const segments: SegmentState[] = [];
  for (const segment of scans) {
    const state: SegmentState = {
      number: segment.number,
      greatestSequenceNumber: 0,
      mainBytes: 0,
      mirrorBytes: 0,
    };
    const inMain = survivors.get(segment.number) ?? [];
    for (const { header } of inMain) {
      state.greatestSequenceNumber = Math.max(state.greatestSequenceNumber, header.sequenceNumber);
    }
    const isLast = segment === scans.at(-1);
    const inMirror = inMain.filter((survivor) => survivor.header.mirrored);
    for (const [copy, wanted] of [
      ['main', inMain],
      ['mirror', inMirror],
    ] as const) {
      const view: FileView = {
        name: segmentName(copy, segment.number),
        scan: segment[copy],
        wanted,
        isLast,
        isNewborn: isLast && inMain.length === 0,
      };
      damage.push(...describeRepairs(view, merged));
      if (isLast) tornBytes += tornTail(view, merged);
      const size = await settleFile(files, directory, segment.number, view, merged, salt);
      if (copy === 'main') state.mainBytes = size;
      else state.mirrorBytes = size;
    }
    segments.push(state);
  }
  const records = merged.survivors.map(recordOf);
  return { recovered: { records, damage, tornBytes }, segments, end: merged.end, salt };
}

/** One of the two files of a segment, as it is and as it should be. */
interface FileView {
  readonly name: string;
  readonly scan: SegmentScan;
  /** By increasing position. */
  readonly wanted: readonly Survivor[];
  readonly isLast: boolean;
  /** The last segment, without records: a crash may have interrupted its creation. */
  readonly isNewborn: boolean;
}

async function segmentNumbers(files: FileLayer, directory: string): Promise<number[]> {
  if ((await files.status(directory)) === undefined) throw notFormatted(directory);
  let lowest = Number.POSITIVE_INFINITY;
  let highest = 0;
  for (const name of await files.list(directory)) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await files.unlink(`${directory}/${name}`);
    const number = parseSegmentName(name);
    if (number === undefined) continue;
    lowest = Math.min(lowest, number);
    highest = Math.max(highest, number);
  }
  if (highest === 0) throw notFormatted(directory);
  return Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
}

function notFormatted(directory: string): StorageError {
  return new StorageError(
    'NOT_FORMATTED',
    `there is no log in ${directory}: it was never created, or it is lost.`,
  );
}

async function findSalt(files: FileLayer, directory: string, numbers: readonly number[]): Promise<number> {
  for (const number of numbers) {
    for (const copy of ['main', 'mirror'] as const) {
      const path = `${directory}/${segmentName(copy, number)}`;
      if ((await files.status(path)) === undefined) continue;
      const file = await files.open(path, 'read');
      const header = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
      await file.close();
      if (header !== undefined) return header.salt;
    }
  }
  throw new StorageError('CORRUPT', `no file in ${directory} has a whole header: the log is lost.`);
}

/** One entry for each lost record whose header is whole, and one for all others of the gap. */
function describeGap(gap: Gap, scans: readonly ScannedSegment[]): Damage[] {
  const segment = scans.find(({ number }) => number === gap.segment)!;
  const known = new Map<number, Damage>();
  let unknownPromises = gap.promisesLost;
  for (const copy of ['main', 'mirror'] as const) {
    for (const { header, offset } of segment[copy].damaged) {
      if (header === undefined || known.has(header.position)) continue;
      if (header.position < gap.from.position || header.position >= gap.until) continue;
      const { kind, sequenceNumber, mirrored: promiseLost } = header;
      if (promiseLost) unknownPromises--;
      const name = segmentName(copy, gap.segment);
      known.set(header.position, {
        segment: name,
        offset,
        records: 1,
        promiseLost,
        kind,
        sequenceNumber,
        repaired: false,
      });
    }
  }
  const described = [...known.values()];
  const records = gap.until - gap.from.position - known.size;
  if (records > 0) {
    const offset = endBefore(segment.main, gap.from.position);
    const promiseLost = unknownPromises !== 0;
    described.push({
      segment: segmentName('main', gap.segment),
      offset,
      records,
      promiseLost,
      repaired: false,
    });
  }
  return described;
}

/** What this file lacks or has damaged, and the other has whole. */
function describeRepairs({ name, scan, wanted, isLast, isNewborn }: FileView, merged: MergedLog): Damage[] {
  const damage: Damage[] = [];
  if (scan.header === undefined && !isNewborn && !(isLast && scan.size === 0)) {
    damage.push({ segment: name, offset: 0, records: 0, promiseLost: false, repaired: true });
  }
  for (const { header } of missingFrom(scan, wanted)) {
    const offset = endBefore(scan, header.position);
    // A write to two files that a crash interrupted between them: a shorter file is no sign of damage.
    if (isLast && offset >= scan.size && header.position >= merged.durableBelow) continue;
    const { kind, sequenceNumber } = header;
    damage.push({
      segment: name,
      offset,
      records: 1,
      promiseLost: false,
      kind,
      sequenceNumber,
      repaired: true,
    });
  }
  return damage;
}

/** Bytes behind the last thing that stays in the file, unless a record from the other file takes their place. */
function tornTail({ scan, wanted }: FileView, merged: MergedLog): number {
  const missing = missingFrom(scan, wanted).at(-1);
  const keptEnd = endBefore(scan, merged.end.position);
  if (missing !== undefined && endBefore(scan, missing.header.position) === keptEnd) return 0;
  return Math.max(0, scan.size - keptEnd);
}

/** Makes the file durable as it should be. Answers its size. */
async function settleFile(
  files: FileLayer,
  directory: string,
  number: number,
  view: FileView,
  merged: MergedLog,
  salt: number,
): Promise<number> {
  const { name, scan, wanted } = view;
  const start = merged.starts.get(number);
  const clean =
    scan.header !== undefined && scan.damaged.length === 0 && scan.records.length === wanted.length;
  // Without knowing where a segment begins, a header would have to claim that nothing was lost before it.
  if (start === undefined || (clean && missingFrom(scan, wanted).length === 0)) return scan.size;
  const path = `${directory}/${name}`;
  const actual = (await readWhole(files, path)) ?? new Uint8Array(0);
  const header = scan.header ?? { ...start, number, salt };
  const expected = assembleFile(encodeSegmentHeader({ ...header, number, salt }), view, merged, actual, salt);
  if (equalBytes(actual, expected)) return expected.length;
  if (equalBytes(actual.subarray(0, expected.length), expected)) {
    const file = await files.open(path, 'write');
    try {
      await file.truncate(expected.length);
      await file.sync();
    } finally {
      await file.close();
    }
  } else {
    await replaceFile(files, path, expected);
  }
  return expected.length;
}

function assembleFile(
  segmentHeader: Uint8Array,
  { scan, wanted }: FileView,
  merged: MergedLog,
  actual: Uint8Array,
  salt: number,
): Uint8Array {
  const pieces: { position: number; bytes: () => Uint8Array }[] = wanted.map((survivor) => ({
    position: survivor.header.position,
    bytes: () => {
      const bytes = new Uint8Array(recordBytes(survivor.payload.length));
      encodeRecord(bytes, 0, recordOf(survivor), survivor.header, salt);
      return bytes;
    },
  }));
  for (const stretch of keptStretches(scan, wanted, merged)) {
    const { offset, bytes, header } = stretch;
    pieces.push({ position: header!.position, bytes: () => actual.subarray(offset, offset + bytes) });
  }
  pieces.sort((a, b) => a.position - b.position);
  const parts = [segmentHeader, ...pieces.map((piece) => piece.bytes())];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A lost record's whole header is kept: it says what was lost. */
function keptStretches(scan: SegmentScan, wanted: readonly Survivor[], merged: MergedLog): DamagedStretch[] {
  const found = new Set(wanted.map((survivor) => survivor.header.position));
  return scan.damaged.filter(
    ({ header }) =>
      header !== undefined && header.position < merged.end.position && !found.has(header.position),
  );
}

function missingFrom(scan: SegmentScan, wanted: readonly Survivor[]): Survivor[] {
  const present = new Set(scan.records.map((record) => record.header.position));
  return wanted.filter((survivor) => !present.has(survivor.header.position));
}

/** Where the last whole record before `position` ends in this file. */
function endBefore(scan: SegmentScan, position: number): number {
  const before = scan.records.findLast((record) => record.header.position < position);
  if (before === undefined) return Math.min(SEGMENT_HEADER_BYTES, scan.size);
  return before.offset + recordBytes(before.payload.length);
}

function groupBySegment(survivors: readonly Survivor[]): Map<number, Survivor[]> {
  const groups = new Map<number, Survivor[]>();
  for (const survivor of survivors) {
    const group = groups.get(survivor.segment);
    if (group === undefined) groups.set(survivor.segment, [survivor]);
    else group.push(survivor);
  }
  return groups;
}

function recordOf({ header, payload }: Survivor): LogRecord {
  const { kind, sequenceNumber, mirrored } = header;
  return { kind, sequenceNumber, mirrored, payload };
}
