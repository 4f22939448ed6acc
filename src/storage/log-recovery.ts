/**
 * Opens a log after anything that may have happened to its files: reads both copies, tells an interrupted write
 * from damage, and leaves files in which every surviving record stands where it belongs.
 *
 * What cannot be repaired stays visible: the counts in the neighbouring records show the gap at every later opening,
 * so a replica that lost a promise does not forget it by starting twice.
 */

import { type FileLayer, readWhole, TEMPORARY_SUFFIX } from './file-layer.ts';
import { type Gap, type MergedLog, mergeSegments, type ScannedSegment, type Survivor } from './log-merge.ts';
import type { Damage, Recovered } from './log-record.ts';
import { type FileView, missingFrom, recordOf, settleFile } from './log-repair.ts';
import type { FoundRecord } from './readable-records.ts';
import { decodeSegmentHeader, type LogPoint, recordBytes, SEGMENT_HEADER_BYTES } from './record-frame.ts';
import { type Copy, parseSegmentName, segmentName } from './segment-names.ts';
import { type SegmentScan, scanSegment } from './segment-scan.ts';
import { StorageError } from './storage-error.ts';

export interface SegmentState {
  readonly number: number;
  /** Of its records; 0 if none has one. */
  greatestSequenceNumber: number;
  mainBytes: number;
  mirrorBytes: number;
}

export interface RecoveredLog {
  /** Without the records of the kind `readable`. */
  readonly recovered: Recovered;
  /** Those, in the order of their appending. */
  readonly readable: readonly FoundRecord[];
  /** By increasing number; at least one. */
  readonly segments: SegmentState[];
  readonly end: LogPoint;
  readonly salt: number;
}

/**
 * One file at a time is in memory, and of the records of the kind `readable`, which are never mirrored, only where they stand.
 *
 * @throws StorageError NOT_FORMATTED without any segment; CORRUPT if no header of a segment is left
 */
export async function recoverLog(
  files: FileLayer,
  directory: string,
  readable?: number,
): Promise<RecoveredLog> {
  const numbers = await segmentNumbers(files, directory);
  const salt = await findSalt(files, directory, numbers);
  const scans: ScannedSegment[] = [];
  for (const number of numbers) {
    const scan = async (copy: Copy): Promise<SegmentScan> =>
      scanSegment(
        (await readWhole(files, `${directory}/${segmentName(copy, number)}`)) ?? new Uint8Array(0),
        salt,
        readable,
      );
    scans.push({ number, main: await scan('main'), mirror: await scan('mirror') });
  }
  let tornBytes = 0;
  const merged = mergeSegments(scans);
  const survivors = groupBySegment(merged.survivors);
  const damage = merged.gaps.flatMap((gap) => describeGap(gap, scans));
  const segments: SegmentState[] = [];
  const found: FoundRecord[] = [];
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
      const settled = await settleFile(files, directory, segment.number, view, merged, salt);
      if (copy === 'mirror') {
        state.mirrorBytes = settled.size;
        continue;
      }
      state.mainBytes = settled.size;
      for (const { header } of wanted) {
        if (header.kind !== readable) continue;
        const { sequenceNumber, payloadBytes } = header;
        const offset = settled.offsets.get(header.position)!;
        found.push({ segment: segment.number, offset, sequenceNumber, payloadBytes });
      }
    }
    segments.push(state);
  }
  const records = merged.survivors.filter(({ header }) => header.kind !== readable).map(recordOf);
  return { recovered: { records, damage, tornBytes }, readable: found, segments, end: merged.end, salt };
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

/** Where the last whole record before `position` ends in this file. */
function endBefore(scan: SegmentScan, position: number): number {
  const before = scan.records.findLast((record) => record.header.position < position);
  if (before === undefined) return Math.min(SEGMENT_HEADER_BYTES, scan.size);
  return before.offset + recordBytes(before.header.payloadBytes);
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
