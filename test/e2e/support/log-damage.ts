/** Flips bits in a stopped replica's log, at a record that the test chooses. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '../../../src/codec/index.ts';
import { type DurableRecord, type RecordType, recordSchema } from '../../../src/protocol/records.ts';
import { decodeSegmentHeader, RECORD_HEADER_BYTES } from '../../../src/storage/record-frame.ts';
import { type Copy, parseSegmentName, segmentName } from '../../../src/storage/segment-names.ts';
import { scanSegment } from '../../../src/storage/segment-scan.ts';

export interface PlacedRecord {
  readonly path: string;
  /** Of the record in the file. */
  readonly offset: number;
  /** Of the record in the log: the same in both copies. */
  readonly position: number;
  readonly record: DurableRecord;
}

/** The whole records of a log, in one of its copies, in order. */
export function recordsIn(data: string, copy: Copy): PlacedRecord[] {
  const directory = join(data, 'log');
  const numbers = new Set(readdirSync(directory).flatMap((name) => parseSegmentName(name) ?? []));
  return [...numbers]
    .sort((a, b) => a - b)
    .flatMap((number) => {
      const path = join(directory, segmentName(copy, number));
      const bytes = new Uint8Array(readFileSync(path));
      const salt = decodeSegmentHeader(bytes)!.salt;
      return scanSegment(bytes, salt).records.map(({ header, offset, payload }) => {
        const record = decode(recordSchema, payload!);
        if (!record.ok) throw new Error(`${path} holds a record that does not decode, at ${offset}`);
        return { path, offset, position: header.position, record: record.value };
      });
    });
}

/**
 * A record of the type in the middle of what the log holds: what comes long after it shows that it had been synced.
 * @throws Error if there is none
 */
export function middleRecord(data: string, copy: Copy, type: RecordType): PlacedRecord {
  const records = recordsIn(data, copy).filter(({ record }) => record.type === type);
  const found = records[Math.floor(records.length / 2)];
  if (found === undefined) throw new Error(`the log in ${data} has no record of type ${type}`);
  return found;
}

/** Flips one bit in the middle of the record's payload. */
export function damage({ path, offset }: PlacedRecord): void {
  const bytes = readFileSync(path);
  bytes[offset + RECORD_HEADER_BYTES + 5]! ^= 0x10;
  writeFileSync(path, bytes);
}
