/**
 * Reads one segment file from its beginning to its end in pieces, as it is: whole records and damaged stretches, in order. For readers that
 * own nothing and repair nothing; memory does not grow with the file, whatever it holds.
 */

import { crc32c } from './crc32c.ts';
import type { FileLayer } from './file-layer.ts';
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

export interface StreamedRecord {
  readonly type: 'record';
  readonly header: RecordHeader;
  /** In the file, of the record's header. */
  readonly offset: number;
  /** A copy. */
  readonly payload: Uint8Array;
}

export interface StreamedDamage {
  readonly type: 'damage';
  readonly offset: number;
  readonly bytes: number;
  /** If only the payload is damaged, or too large, what the record was. */
  readonly header: RecordHeader | undefined;
}

export type StreamedPiece = StreamedRecord | StreamedDamage;

/** What is read at once. */
const PIECE_BYTES = 1024 * 1024;

/** The header of a segment file; undefined if it is damaged. @throws StorageError if there is no such file */
export async function readSegmentHeader(
  files: FileLayer,
  path: string,
): Promise<{ readonly size: number; readonly header: SegmentHeader | undefined }> {
  const file = await files.open(path, 'read');
  try {
    const header = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
    return { size: (await files.status(path))?.size ?? 0, header };
  } finally {
    await file.close();
  }
}

/**
 * The pieces behind the header, a few at a time. A record whose payload is larger than `payloadBytesMax` counts as damaged and is skipped.
 *
 * @throws StorageError
 */
export async function* streamSegment(
  files: FileLayer,
  path: string,
  salt: number,
  payloadBytesMax: number,
): AsyncGenerator<readonly StreamedPiece[], void> {
  const size = (await files.status(path))?.size ?? 0;
  const file = await files.open(path, 'read');
  let held: Uint8Array = new Uint8Array(0);
  let heldFrom = 0;
  let lastPosition = -1;
  const holds = (offset: number, bytes: number): boolean =>
    offset >= heldFrom && Math.min(offset + bytes, size) <= heldFrom + held.length;
  const hold = async (offset: number, bytes: number): Promise<void> => {
    held = await file.read(offset, Math.max(bytes, PIECE_BYTES));
    heldFrom = offset;
  };
  const headerAt = (offset: number): RecordHeader | undefined => {
    const header = decodeRecordHeader(held, offset - heldFrom, salt);
    return header !== undefined && header.position > lastPosition ? header : undefined;
  };
  /** Where the next whole header stands, from `offset` on. */
  const findHeader = async (from: number): Promise<number> => {
    let offset = from;
    while (offset < size) {
      if (!holds(offset, RECORD_HEADER_BYTES)) await hold(offset, RECORD_HEADER_BYTES);
      if (held.length === 0) return size;
      if (headerAt(offset) !== undefined) return offset;
      // A header may begin in the last bytes that are held: they are looked at again with what follows.
      const next = heldFrom + nextMarker(held, offset + 1 - heldFrom);
      offset = Math.max(offset + 1, next);
    }
    return size;
  };

  try {
    let pieces: StreamedPiece[] = [];
    for (let offset = SEGMENT_HEADER_BYTES; offset < size; ) {
      if (!holds(offset, RECORD_HEADER_BYTES)) {
        yield pieces;
        pieces = [];
        await hold(offset, RECORD_HEADER_BYTES);
      }
      const header = headerAt(offset);
      if (header === undefined) {
        const next = await findHeader(offset + 1);
        pieces.push({ type: 'damage', offset, bytes: next - offset, header: undefined });
        offset = next;
        continue;
      }
      lastPosition = header.position;
      const end = offset + recordBytes(header.payloadBytes);
      const isReadable = end <= size && header.payloadBytes <= payloadBytesMax;
      if (isReadable && !holds(offset, end - offset)) {
        yield pieces;
        pieces = [];
        await hold(offset, end - offset);
      }
      const [from, until] = [offset + RECORD_HEADER_BYTES - heldFrom, end - heldFrom];
      if (isReadable && crc32c(held, from, until, salt) === header.payloadChecksum) {
        pieces.push({ type: 'record', header, offset, payload: held.slice(from, until) });
      } else {
        pieces.push({ type: 'damage', offset, bytes: Math.min(end, size) - offset, header });
      }
      offset = end;
    }
    yield pieces;
  } finally {
    await file.close();
  }
}
