/**
 * Where in the log's files the records of one kind stand, so that whoever appended them need not keep them: they are large, rarely asked
 * for, and asked for by someone who cannot wait. A record can be read from its appending on, until its segment is discarded.
 */

import { crc32c } from './crc32c.ts';
import type { FileHandle } from './file-layer.ts';
import type { LogRecord } from './log-record.ts';
import { decodeRecordHeader, RECORD_HEADER_BYTES, recordBytes } from './record-frame.ts';

/** A record that an opening of the log found: where its segment's main file has it. */
export interface FoundRecord {
  readonly segment: number;
  readonly offset: number;
  readonly sequenceNumber: number;
  readonly payloadBytes: number;
}

/** One record: in memory until it is in a file. */
export interface Place {
  readonly sequenceNumber: number;
  readonly payloadBytes: number;
  /** 0 while it is in no file. */
  segment: number;
  offset: number;
  payload: Uint8Array | undefined;
}

export interface ReadableRecords {
  /** Undefined if the record is not of the kind that can be read. */
  appended(record: LogRecord): Place | undefined;
  written(place: Place, segment: number, offset: number): void;
  found(record: FoundRecord): void;
  /** The segment's file is about to go. */
  discarded(segment: number): void;
  sequenceNumbers(): Iterable<number>;
  /** Payloads by sequence number, the newest last; without those that are damaged. @throws StorageError IO */
  read(sequenceNumber: number): Uint8Array[];
}

/** `fileOf` gives the main file of a segment that was not discarded, open for reading. */
export function readableRecords(
  kind: number | undefined,
  salt: number,
  fileOf: (segment: number) => FileHandle,
): ReadableRecords {
  const places = new Map<number, Place[]>();

  function add(place: Place): Place {
    const others = places.get(place.sequenceNumber);
    if (others === undefined) places.set(place.sequenceNumber, [place]);
    else others.push(place);
    return place;
  }

  function payloadAt({ segment, offset, payloadBytes, payload }: Place): Uint8Array | undefined {
    if (payload !== undefined) return payload;
    const bytes = fileOf(segment).readSync(offset, recordBytes(payloadBytes));
    const header = decodeRecordHeader(bytes, 0, salt);
    const isWhole =
      header?.payloadBytes === payloadBytes &&
      bytes.length === recordBytes(payloadBytes) &&
      crc32c(bytes, RECORD_HEADER_BYTES, bytes.length, salt) === header.payloadChecksum;
    return isWhole ? bytes.subarray(RECORD_HEADER_BYTES) : undefined;
  }

  return {
    appended({ kind: its, sequenceNumber, payload }) {
      if (its !== kind) return undefined;
      return add({ sequenceNumber, payloadBytes: payload.length, segment: 0, offset: 0, payload });
    },
    written(place, segment, offset) {
      place.segment = segment;
      place.offset = offset;
      place.payload = undefined;
    },
    found(record) {
      add({ ...record, payload: undefined });
    },
    discarded(segment) {
      for (const [sequenceNumber, those] of places) {
        const left = those.filter((place) => place.segment !== segment);
        if (left.length === 0) places.delete(sequenceNumber);
        else if (left.length < those.length) places.set(sequenceNumber, left);
      }
    },
    sequenceNumbers: () => places.keys(),
    read(sequenceNumber) {
      const payloads: Uint8Array[] = [];
      for (const place of places.get(sequenceNumber) ?? []) {
        const payload = payloadAt(place);
        if (payload !== undefined) payloads.push(payload);
      }
      return payloads;
    },
  };
}
