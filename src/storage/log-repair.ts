/**
 * Leaves a file of the log as it should be. A file is replaced as a whole and atomically, because the other copy may
 * be the last one; only a tail is cut in place, as there is nothing in it to lose.
 */

import { assert } from '../types/assert.ts';
import { concatBytes, equalBytes } from '../types/bytes.ts';
import { type FileLayer, readWhole, replaceFile } from './file-layer.ts';
import type { MergedLog, Survivor } from './log-merge.ts';
import type { LogRecord } from './log-record.ts';
import { encodeRecord, encodeSegmentHeader, recordBytes } from './record-frame.ts';
import type { DamagedStretch, SegmentScan } from './segment-scan.ts';

/** One of the two files of a segment, as it is and as it should be. */
export interface FileView {
  readonly name: string;
  readonly scan: SegmentScan;
  /** By increasing position. */
  readonly wanted: readonly Survivor[];
  readonly isLast: boolean;
  /** The last segment, without records: a crash may have interrupted its creation. */
  readonly isNewborn: boolean;
}

/** A file as it was left. */
interface SettledFile {
  readonly size: number;
  /** Where its records stand, by position. */
  readonly offsets: ReadonlyMap<number, number>;
}

/** Makes the file durable as it should be. */
export async function settleFile(
  files: FileLayer,
  directory: string,
  number: number,
  view: FileView,
  merged: MergedLog,
  salt: number,
): Promise<SettledFile> {
  const { name, scan, wanted } = view;
  const start = merged.starts.get(number);
  const clean =
    scan.header !== undefined && scan.damaged.length === 0 && scan.records.length === wanted.length;
  // Without knowing where a segment begins, a header would have to claim that nothing was lost before it.
  if (start === undefined || (clean && missingFrom(scan, wanted).length === 0)) {
    return { size: scan.size, offsets: offsetsIn(scan) };
  }
  const path = `${directory}/${name}`;
  const actual = (await readWhole(files, path)) ?? new Uint8Array(0);
  const header = scan.header ?? { ...start, number, salt };
  const segmentHeader = encodeSegmentHeader({ ...header, number, salt });
  const { bytes: expected, offsets } = assembleFile(segmentHeader, view, merged, actual, salt);
  const settled = { size: expected.length, offsets };
  if (equalBytes(actual, expected)) return settled;
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
  return settled;
}

function assembleFile(
  segmentHeader: Uint8Array,
  { scan, wanted }: FileView,
  merged: MergedLog,
  actual: Uint8Array,
  salt: number,
): { bytes: Uint8Array; offsets: Map<number, number> } {
  const present = offsetsIn(scan);
  const pieces: { position: number; bytes: () => Uint8Array }[] = wanted.map((survivor) => ({
    position: survivor.header.position,
    bytes: () => {
      const offset = present.get(survivor.header.position);
      const length = recordBytes(survivor.header.payloadBytes);
      if (offset !== undefined) return actual.subarray(offset, offset + length);
      const bytes = new Uint8Array(length);
      encodeRecord(bytes, 0, recordOf(survivor), survivor.header, salt);
      return bytes;
    },
  }));
  for (const stretch of keptStretches(scan, wanted, merged)) {
    const { offset, bytes, header } = stretch;
    pieces.push({ position: header!.position, bytes: () => actual.subarray(offset, offset + bytes) });
  }
  pieces.sort((a, b) => a.position - b.position);
  const offsets = new Map<number, number>();
  const parts = [segmentHeader];
  let end = segmentHeader.length;
  for (const piece of pieces) {
    const part = piece.bytes();
    parts.push(part);
    offsets.set(piece.position, end);
    end += part.length;
  }
  return { bytes: concatBytes(...parts), offsets };
}

function offsetsIn(scan: SegmentScan): Map<number, number> {
  return new Map(scan.records.map((record) => [record.header.position, record.offset]));
}

/**
 * A lost record's whole header is kept: it says what was lost. Not so if the file ends before the record does, or its
 * length would swallow what is written behind it.
 */
function keptStretches(scan: SegmentScan, wanted: readonly Survivor[], merged: MergedLog): DamagedStretch[] {
  const found = new Set(wanted.map((survivor) => survivor.header.position));
  return scan.damaged.filter(
    ({ header, bytes }) =>
      header !== undefined &&
      bytes === recordBytes(header.payloadBytes) &&
      header.position < merged.end.position &&
      !found.has(header.position),
  );
}

/** Records that belong into the file and are not in it. */
export function missingFrom(scan: SegmentScan, wanted: readonly Survivor[]): Survivor[] {
  const present = new Set(scan.records.map((record) => record.header.position));
  return wanted.filter((survivor) => !present.has(survivor.header.position));
}

/** Precondition: its payload was not left out. */
export function recordOf({ header, payload }: Survivor): LogRecord {
  assert(payload !== undefined, 'what is not mirrored is in the main file or nowhere');
  const { kind, sequenceNumber, mirrored } = header;
  return { kind, sequenceNumber, mirrored, payload };
}
