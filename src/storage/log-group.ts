/** The bytes that one group of records adds to the two files of a segment. */

import type { LogRecord } from './log-record.ts';
import { encodeRecord, type LogPoint, recordBytes } from './record-frame.ts';

export interface EncodedGroup {
  readonly main: Uint8Array;
  /** Copies of the mirrored records. */
  readonly mirror: Uint8Array;
  /** The place behind the group. */
  readonly end: LogPoint;
  readonly greatestSequenceNumber: number;
}

/** `prefix` begins both; what precedes `start` in the log is durable. */
export function encodeGroup(
  prefix: Uint8Array,
  records: readonly LogRecord[],
  start: LogPoint,
  salt: number,
): EncodedGroup {
  let mainBytes = prefix.length;
  let mirrorBytes = prefix.length;
  for (const { payload, mirrored } of records) {
    mainBytes += recordBytes(payload.length);
    if (mirrored) mirrorBytes += recordBytes(payload.length);
  }
  const main = new Uint8Array(mainBytes);
  const mirror = new Uint8Array(mirrorBytes);
  main.set(prefix);
  mirror.set(prefix);
  let mainEnd = prefix.length;
  let mirrorEnd = prefix.length;
  let { position, promises } = start;
  let greatestSequenceNumber = 0;
  for (const [unsyncedBefore, record] of records.entries()) {
    const next = mainEnd + recordBytes(record.payload.length);
    encodeRecord(main, mainEnd, record, { position, promises, unsyncedBefore }, salt);
    if (record.mirrored) {
      mirror.set(main.subarray(mainEnd, next), mirrorEnd);
      mirrorEnd += next - mainEnd;
      promises++;
    }
    mainEnd = next;
    position++;
    greatestSequenceNumber = Math.max(greatestSequenceNumber, record.sequenceNumber);
  }
  return { main, mirror, end: { position, promises }, greatestSequenceNumber };
}
