/** Reads one segment file as it is, whatever happened to it: whole records and damaged stretches, in order. */

import { crc32c } from './crc32c.ts';
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  nextMarker,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './record-frame.ts';

export interface WholeRecord {
  readonly header: RecordHeader;
  readonly offset: number;
  /** Left out of a record that is read again when it is asked for. */
  readonly payload: Uint8Array | undefined;
}

export interface DamagedStretch {
  readonly offset: number;
  readonly bytes: number;
  /** If only the payload is damaged, what the record was. */
  readonly header: RecordHeader | undefined;
}

export interface SegmentScan {
  /** Bytes of the file; 0 if there is none. */
  readonly size: number;
  readonly header: SegmentHeader | undefined;
  /** By increasing position and offset. */
  readonly records: readonly WholeRecord[];
  /** By increasing offset. */
  readonly damaged: readonly DamagedStretch[];
}

/** `salt` is that of the log, known from any of its segment headers. Payloads of the kind `readable` are checked and left out. */
export function scanSegment(bytes: Uint8Array, salt: number, readable?: number): SegmentScan {
  const records: WholeRecord[] = [];
  const damaged: DamagedStretch[] = [];
  let lastPosition = -1;
  const headerAt = (offset: number): RecordHeader | undefined => {
    const header = decodeRecordHeader(bytes, offset, salt);
    return header && header.position > lastPosition ? header : undefined;
  };
  let offset = SEGMENT_HEADER_BYTES;
  while (offset < bytes.length) {
    const header = headerAt(offset);
    if (header === undefined) {
      let next = nextMarker(bytes, offset + 1);
      while (next < bytes.length && headerAt(next) === undefined) next = nextMarker(bytes, next + 1);
      damaged.push({ offset, bytes: next - offset, header: undefined });
      offset = next;
      continue;
    }
    lastPosition = header.position;
    const end = offset + recordBytes(header.payloadBytes);
    const payloadOffset = offset + RECORD_HEADER_BYTES;
    if (end <= bytes.length && crc32c(bytes, payloadOffset, end, salt) === header.payloadChecksum) {
      // A copy, or one small record that somebody keeps would keep the whole segment in memory.
      const payload = header.kind === readable ? undefined : bytes.slice(payloadOffset, end);
      records.push({ header, offset, payload });
    } else {
      damaged.push({ offset, bytes: Math.min(end, bytes.length) - offset, header });
    }
    offset = Math.min(end, bytes.length);
  }
  return { size: bytes.length, header: decodeSegmentHeader(bytes), records, damaged };
}
