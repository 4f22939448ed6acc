/**
 * A replica's archive as a stream of records: the segments that its log gave up (`archive/` of its data directory) and those that it still
 * has (`log/`), in order. Nothing is written and no lock is taken, so a running replica can be audited, and so can a copy of its files.
 */

import { decode } from '../codec/index.ts';
import { formatSchema } from '../node/format-replica.ts';
import { NodeError } from '../node/node-error.ts';
import type { Cluster } from '../protocol/genesis.ts';
import { type DurableRecord, recordSchema } from '../protocol/records.ts';
import { readAtomicFile } from '../storage/atomic-file.ts';
import type { FileLayer } from '../storage/file-layer.ts';
import { parseSegmentName, segmentName } from '../storage/segment-names.ts';
import { readSegmentHeader, streamSegment } from '../storage/segment-stream.ts';
import { StorageError } from '../storage/storage-error.ts';
import { equalBytes, toHex } from '../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../types/identities.ts';

/** Where something stands in an archive. */
export interface Place {
  /** The name of the segment's file. */
  readonly file: string;
  /** Byte in it. */
  readonly offset: number;
}

export type ArchiveItem =
  | { readonly type: 'record'; readonly place: Place; readonly record: DurableRecord }
  /** Bytes that are no whole record. `sequenceNumber` if it is known whose they were, and above 0. */
  | {
      readonly type: 'damage';
      readonly place: Place;
      readonly bytes: number;
      readonly sequenceNumber: SequenceNumber | undefined;
      readonly text: string;
    }
  /** The last write to the log was interrupted, or is going on: no damage. */
  | { readonly type: 'tail'; readonly place: Place; readonly bytes: number }
  /** Read so far. */
  | { readonly type: 'progress'; readonly bytes: number };

export interface Archive {
  readonly files: FileLayer;
  readonly directory: string;
  /** Whose promises it holds, as it says itself. */
  readonly replica: ReplicaIndex;
  /** Of all segments. */
  readonly bytes: number;
  /** In order, a few at a time. @throws StorageError */
  items(): AsyncGenerator<readonly ArchiveItem[], void>;
}

interface Segment {
  readonly number: number;
  readonly name: string;
  /** Where it was found; it may move to the archive meanwhile. */
  readonly paths: readonly string[];
}

/** Larger than any record but bodies: a NEW-VIEW of 31 replicas with all its certificates. */
const RECORD_BYTES_MAX = 16 * 1024 * 1024;

/**
 * @throws NodeError CONFIG if the directory is none of this cluster's replicas, StorageError if it holds no log or cannot be read
 */
export async function openArchive(files: FileLayer, directory: string, cluster: Cluster): Promise<Archive> {
  const replica = await readOwner(files, directory, cluster);
  const segments = await findSegments(files, directory);
  if (segments.length === 0) {
    throw new StorageError('NOT_FORMATTED', `there is no log in ${directory}/log and ${directory}/archive.`);
  }
  let bytes = 0;
  let salt: number | undefined;
  for (const segment of segments) {
    const { size, header } = await readSegmentHeader(files, await whereIs(files, segment));
    bytes += size;
    salt ??= header?.salt;
  }
  if (salt === undefined) {
    throw new StorageError('CORRUPT', `no segment in ${directory} has a whole header: the log is lost.`);
  }
  const known = salt;
  const payloadBytesMax = Math.max(RECORD_BYTES_MAX, 2 * cluster.limits.batchBytesMax);
  return {
    files,
    directory,
    replica,
    bytes,
    items: () => readItems(files, segments, known, payloadBytesMax),
  };
}

async function readOwner(files: FileLayer, directory: string, cluster: Cluster): Promise<ReplicaIndex> {
  let format: Uint8Array | undefined;
  for (const name of ['FORMAT', 'FORMAT.copy']) {
    format ??= await readAtomicFile(files, `${directory}/${name}`).catch(() => undefined);
  }
  const decoded = format === undefined ? undefined : decode(formatSchema, format);
  if (decoded === undefined || !decoded.ok) {
    throw new NodeError(
      'CONFIG',
      `${directory} is not a replica's data directory: it has no FORMAT that can be read. Name the "data" directory of a replica, or a copy of it.`,
    );
  }
  const { clusterId, index, publicKey } = decoded.value;
  const expected = cluster.genesis.replicas[index];
  if (equalBytes(clusterId, cluster.id) && expected !== undefined && equalBytes(expected, publicKey)) {
    return index;
  }
  throw new NodeError(
    'CONFIG',
    `${directory} is of cluster ${toHex(clusterId)}; the genesis file is of ${toHex(cluster.id)}. Name the genesis file that belongs to it.`,
  );
}

/** By number. */
async function findSegments(files: FileLayer, directory: string): Promise<readonly Segment[]> {
  const folders = [`${directory}/log`, `${directory}/archive`];
  const numbers = new Set<number>();
  for (const folder of folders) {
    if ((await files.status(folder)) === undefined) continue;
    for (const name of await files.list(folder)) {
      const number = parseSegmentName(name);
      if (number !== undefined && name === segmentName('main', number)) numbers.add(number);
    }
  }
  return [...numbers]
    .sort((a, b) => a - b)
    .map((number) => {
      const name = segmentName('main', number);
      return { number, name, paths: folders.map((folder) => `${folder}/${name}`) };
    });
}

/** In the archive rather than in the log, since it moves from here to there. */
async function whereIs(files: FileLayer, { paths }: Segment): Promise<string> {
  const [inLog, inArchive] = paths as [string, string];
  return (await files.status(inArchive)) === undefined ? inLog : inArchive;
}

async function* readItems(
  files: FileLayer,
  segments: readonly Segment[],
  salt: number,
  payloadBytesMax: number,
): AsyncGenerator<readonly ArchiveItem[], void> {
  /** Position in the log of the next record; undefined before the first. */
  let next: number | undefined;
  /** Records that damage has been reported for, and that need not be reported as missing too. */
  let excused = 0;
  for (const [i, segment] of segments.entries()) {
    const previous = segments[i - 1];
    const isLast = i === segments.length - 1;
    if (previous !== undefined && segment.number !== previous.number + 1) {
      const text = `segments ${previous.number + 1} to ${segment.number - 1} of the log are missing`;
      yield [damageAt({ file: segment.name, offset: 0 }, 0, undefined, text)];
      next = undefined;
    }
    const path = await whereIs(files, segment);
    const { header, size } = await readSegmentHeader(files, path);
    if (header === undefined && !(isLast && size === 0)) {
      yield [
        damageAt({ file: segment.name, offset: 0 }, 0, undefined, 'the header of the segment is damaged'),
      ];
    }
    for await (const pieces of streamSegment(files, path, salt, payloadBytesMax)) {
      const items: ArchiveItem[] = [];
      let bytes = 0;
      for (const piece of pieces) {
        const place = { file: segment.name, offset: piece.offset };
        if (piece.type === 'damage') {
          bytes += piece.bytes;
          // Only the end of what is being written may be in part.
          if (isLast && piece.offset + piece.bytes >= size) {
            items.push({ type: 'tail', place, bytes: piece.bytes });
            continue;
          }
          const s = piece.header?.sequenceNumber;
          const text =
            piece.header === undefined
              ? `${piece.bytes} bytes are no record, or one that does not belong here`
              : piece.header.payloadBytes > payloadBytesMax
                ? `a record has ${piece.header.payloadBytes} bytes, more than any that a replica writes`
                : 'a record is damaged: its checksum does not match';
          items.push(damageAt(place, piece.bytes, s === 0 ? undefined : s, text));
          if (piece.header !== undefined) next = piece.header.position + 1;
          else excused = Number.POSITIVE_INFINITY;
          continue;
        }
        const { position, sequenceNumber, payloadBytes } = piece.header;
        const missing = next === undefined ? 0 : position - next;
        if (missing > excused) {
          const text = `${missing} ${missing === 1 ? 'record is' : 'records are'} missing before this one`;
          items.push(damageAt(place, 0, sequenceNumber === 0 ? undefined : sequenceNumber, text));
        }
        excused = 0;
        next = position + 1;
        bytes += payloadBytes;
        const decoded = decode(recordSchema, piece.payload);
        if (decoded.ok) items.push({ type: 'record', place, record: decoded.value });
        else {
          const text = `a record cannot be read: ${decoded.error.reason}`;
          items.push(damageAt(place, payloadBytes, sequenceNumber === 0 ? undefined : sequenceNumber, text));
        }
      }
      items.push({ type: 'progress', bytes });
      yield items;
    }
  }
}

function damageAt(
  place: Place,
  bytes: number,
  sequenceNumber: SequenceNumber | undefined,
  text: string,
): ArchiveItem {
  return { type: 'damage', place, bytes, sequenceNumber, text };
}
