/**
 * The bytes of a segment: a header, then records one after the other.
 *
 * A record's header has a checksum of its own, so that a damaged payload leaves its length trustworthy, and a
 * damaged length costs this one record: reading goes on at the next place that has a whole header. Payloads hold
 * bytes that clients chose; so checksums start from the log's secret salt, or a client could hide a record in a
 * request and wait for a bit to flip in front of it.
 *
 * Each record says how many records and how many promises precede it in the log, hence recovery knows of any gap
 * exactly what is missing; and how many of the preceding ones were not yet durable when it was written, hence
 * recovery can tell damage to what was synced from a write that a crash interrupted.
 */

import { equalBytes, utf8, writeU32, writeU64 } from '../types/bytes.ts';
import { crc32c } from './crc32c.ts';
import type { LogRecord } from './log-record.ts';

/** 0 magic and version, 8 salt, 12 zero, 16 segment number, 24 position, 32 promises, 40 zero, 44 checksum. */
export const SEGMENT_HEADER_BYTES = 48;
const SEGMENT_MAGIC = utf8('BFT2Flg1');

/**
 * 0 marker, 4 payload length, 8 payload checksum, 12 kind, 13 flags, 14 zero, 16 sequence number, 24 position,
 * 32 promises before, 40 unsynced before, 44 checksum of bytes 0…43.
 */
export const RECORD_HEADER_BYTES = 48;
const RECORD_MARKER = 0xb2f7_10c5;
const MARKER_FIRST_BYTE = RECORD_MARKER >>> 24;
const MIRRORED_FLAG = 1;

/** The most a record may hold. Far above any record of the protocol; a bound for what a length can claim. */
export const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024;

/** A place in the log: what precedes it. */
export interface LogPoint {
  /** Number of records before it; therefore the position of the record at it. */
  readonly position: number;
  /** Number of mirrored records before it. */
  readonly promises: number;
}

export interface SegmentHeader extends LogPoint {
  readonly salt: number;
  /** 1-based. */
  readonly number: number;
}

export interface RecordHeader extends LogPoint {
  readonly kind: number;
  readonly mirrored: boolean;
  readonly sequenceNumber: number;
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
  /** Of the records before this one, how many (the last ones) may not have been durable when it was written. */
  readonly unsyncedBefore: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  bytes.set(SEGMENT_MAGIC, 0);
  writeU32(bytes, 8, header.salt);
  writeU64(bytes, 16, header.number);
  writeU64(bytes, 24, header.position);
  writeU64(bytes, 32, header.promises);
  writeU32(bytes, 44, crc32c(bytes, 0, 44));
  return bytes;
}

/** Undefined if the bytes are too few or damaged. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  if (!equalBytes(bytes.subarray(0, SEGMENT_MAGIC.length), SEGMENT_MAGIC)) return undefined;
  if (readU32(bytes, 44) !== crc32c(bytes, 0, 44)) return undefined;
  return {
    salt: readU32(bytes, 8),
    number: readU64(bytes, 16),
    position: readU64(bytes, 24),
    promises: readU64(bytes, 32),
  };
}

export function recordBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + payloadBytes;
}

/** Writes a record at `offset` of `target`, which has room for it. */
export function encodeRecord(
  target: Uint8Array,
  offset: number,
  record: LogRecord,
  place: LogPoint & { readonly unsyncedBefore: number },
  salt: number,
): void {
  const { payload } = record;
  writeU32(target, offset, RECORD_MARKER);
  writeU32(target, offset + 4, payload.length);
  writeU32(target, offset + 8, crc32c(payload, 0, payload.length, salt));
  target[offset + 12] = record.kind;
  target[offset + 13] = record.mirrored ? MIRRORED_FLAG : 0;
  writeU64(target, offset + 16, record.sequenceNumber);
  writeU64(target, offset + 24, place.position);
  writeU64(target, offset + 32, place.promises);
  writeU32(target, offset + 40, place.unsyncedBefore);
  writeU32(target, offset + 44, crc32c(target, offset, offset + 44, salt));
  target.set(payload, offset + RECORD_HEADER_BYTES);
}

/** Undefined if no whole header stands at `offset`. Says nothing of the payload. */
export function decodeRecordHeader(
  bytes: Uint8Array,
  offset: number,
  salt: number,
): RecordHeader | undefined {
  if (offset + RECORD_HEADER_BYTES > bytes.length || readU32(bytes, offset) !== RECORD_MARKER)
    return undefined;
  if (readU32(bytes, offset + 44) !== crc32c(bytes, offset, offset + 44, salt)) return undefined;
  const payloadBytes = readU32(bytes, offset + 4);
  if (payloadBytes > PAYLOAD_BYTES_MAX) return undefined;
  return {
    payloadBytes,
    payloadChecksum: readU32(bytes, offset + 8),
    kind: bytes[offset + 12]!,
    mirrored: (bytes[offset + 13]! & MIRRORED_FLAG) !== 0,
    sequenceNumber: readU64(bytes, offset + 16),
    position: readU64(bytes, offset + 24),
    promises: readU64(bytes, offset + 32),
    unsyncedBefore: readU32(bytes, offset + 40),
  };
}

/** The first offset from `from` on where a record may begin, or the length of `bytes`. */
export function nextMarker(bytes: Uint8Array, from: number): number {
  const offset = bytes.indexOf(MARKER_FIRST_BYTE, from);
  return offset < 0 ? bytes.length : offset;
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
    0
  );
}

function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 0x1_0000_0000 + readU32(bytes, offset + 4);
}
