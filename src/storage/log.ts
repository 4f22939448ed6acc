/**
 * The segmented append-only log: group commit, promises in two files, refusal after the first failure.
 *
 * A promise (a record with `mirrored`) that is lost makes a replica unable to speak for good, so it is written to a
 * second file too; all else can be fetched from others and is written once. The log deals in bytes and in the
 * sequence numbers that decide when a segment can go.
 */

import { assert } from '../types/assert.ts';
import type { FileHandle, FileLayer } from './file-layer.ts';
import { encodeGroup } from './log-group.ts';
import type { LogRecord, Recovered } from './log-record.ts';
import { type RecoveredLog, recoverLog, type SegmentState } from './log-recovery.ts';
import { type Place, readableRecords } from './readable-records.ts';
import { encodeSegmentHeader, PAYLOAD_BYTES_MAX, recordBytes, SEGMENT_HEADER_BYTES } from './record-frame.ts';
import { segmentName } from './segment-names.ts';
import { StorageError } from './storage-error.ts';

export interface LogOptions {
  /** `memory`: sync writes without fsync, so a loss of power loses promises. For experiments. */
  readonly durability: 'disk' | 'memory';
  /** Records of this kind, never mirrored, are not among what an opening recovers: `read` gives them. */
  readonly readable?: number;
  /** An existing directory into which the main file of a discarded segment moves, instead of being deleted: it holds all records. */
  readonly archiveDirectory?: string | undefined;
  /** A segment that would become larger is followed by a new one. Default 64 MiB. */
  readonly segmentBytes?: number;
}

export interface LogStats {
  /** Groups made durable. */
  readonly syncs: number;
  /** In both files. */
  readonly bytesWritten: number;
  readonly records: number;
}

export interface Log {
  /** Adds to the next group; no I/O. `payload` must stay unchanged until synced. @throws StorageError after a failure or close */
  append(record: LogRecord): void;
  /** Resolves when all appended before the call is durable. Calls while a group is being written share the next one. */
  sync(): Promise<void>;
  /** The next record begins a new segment. */
  rotate(): void;
  /**
   * Deletes, or moves to the archive, the oldest segments, as long as they are sealed (a later one is on disk) and all their sequence numbers are
   * lower. What is still needed of them, also records without a sequence number, must have been appended
   * again and synced before.
   */
  discardBelow(sequenceNumber: number): Promise<void>;
  /**
   * The payloads of the readable records with this sequence number, oldest first, without those that are damaged; from their appending
   * on until they are discarded. Blocks for the disk. @throws StorageError IO
   */
  read(sequenceNumber: number): Uint8Array[];
  /** Of the records that `read` may give. */
  readableSequenceNumbers(): Iterable<number>;
  /** Of all files, with what is appended and not yet written. */
  readonly bytes: number;
  readonly stats: LogStats;
  /** Syncs what is appended (unless the log has failed) and closes the files. */
  close(): Promise<void>;
}

const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;

/**
 * Creates an empty log. `salt`, 0…2³²−1, is random and stays on this disk: nobody who supplies payloads may know it.
 *
 * @throws StorageError NOT_EMPTY
 */
export async function formatLog(files: FileLayer, directory: string, salt: number): Promise<void> {
  await files.makeDirectory(directory);
  if ((await files.list(directory)).length > 0) {
    throw new StorageError('NOT_EMPTY', `${directory} is not empty: a log is created in an empty directory.`);
  }
  const header = encodeSegmentHeader({ salt, number: 1, position: 0, promises: 0 });
  for (const copy of ['main', 'mirror'] as const) {
    const file = await files.open(`${directory}/${segmentName(copy, 1)}`, 'create');
    await file.write(0, header);
    await file.sync();
    await file.close();
  }
  await files.syncDirectory(directory);
}

/**
 * Opens a log that `formatLog` created. Damage does not prevent it: the caller judges what is reported.
 *
 * @throws StorageError NOT_FORMATTED, CORRUPT (nothing legible at all), IO, DISK_FULL (a repair found no room)
 */
export async function openLog(
  files: FileLayer,
  directory: string,
  options: LogOptions,
): Promise<{ log: Log; recovered: Recovered }> {
  const found = await recoverLog(files, directory, options.readable);
  const last = found.segments.at(-1)!;
  const current = await openSegment(files, directory, last, 'write');
  // What survived may be in the page cache only; later records claim that it is durable.
  await Promise.all([current.main.sync(), current.mirror.sync()]);
  await files.syncDirectory(directory);
  const mains = new Map([[last.number, current.main]]);
  for (const { segment } of found.readable) {
    if (mains.has(segment)) continue;
    mains.set(segment, await files.open(`${directory}/${segmentName('main', segment)}`, 'read'));
  }
  return { log: createLog(files, directory, options, found, current, mains), recovered: found.recovered };
}

interface OpenSegment {
  readonly state: SegmentState;
  readonly main: FileHandle;
  readonly mirror: FileHandle;
}

interface Appended {
  readonly record: LogRecord;
  readonly beginsSegment: boolean;
  /** Undefined if it is not to be read. */
  readonly place: Place | undefined;
}

function createLog(
  files: FileLayer,
  directory: string,
  options: LogOptions,
  { segments, end: begin, salt, readable: found }: RecoveredLog,
  opened: OpenSegment,
  /** The main files that are open, by segment: that of the current one, and those that are still read from. */
  mains: Map<number, FileHandle>,
): Log {
  const durable = options.durability === 'disk';
  const { archiveDirectory } = options;
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
  let current = opened;
  let end = begin;
  let appended: Appended[] = [];
  let appendedBytes = 0;
  /** Of the segment into which the next record goes, with what is appended. */
  let fill = current.state.mainBytes - SEGMENT_HEADER_BYTES;
  let rotating = false;
  /** The group being written, and the one that waits for it. */
  let writing: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;
  let discarding: Promise<void> = Promise.resolve();
  let failure: StorageError | undefined;
  const readable = readableRecords(options.readable, salt, (segment) => mains.get(segment)!);
  for (const each of found) readable.found(each);
  const stats = { syncs: 0, bytesWritten: 0, records: 0 };

  const fail = (error: unknown): never => {
    failure ??= stopped(directory, error);
    throw failure;
  };

  const writeGroup = async (): Promise<void> => {
    const group = appended;
    appended = [];
    appendedBytes = 0;
    waiting = undefined;
    if (failure !== undefined) throw failure;
    try {
      for (let from = 0; from < group.length; ) {
        let until = from + 1;
        while (until < group.length && !group[until]!.beginsSegment) until++;
        await writeRun(group.slice(from, until));
        from = until;
      }
    } catch (error) {
      fail(error);
    }
    stats.syncs++;
    stats.records += group.length;
  };

  /** Writes records into one segment, new if the first one says so. What went before is durable. */
  const writeRun = async (run: readonly Appended[]): Promise<void> => {
    const isNew = run[0]!.beginsSegment;
    if (isNew) await beginSegment();
    const { state, main, mirror } = current;
    const header = isNew ? encodeSegmentHeader({ salt, number: state.number, ...end }) : new Uint8Array(0);
    const records = run.map(({ record }) => record);
    const group = encodeGroup(header, records, end, salt);
    end = group.end;
    state.greatestSequenceNumber = Math.max(state.greatestSequenceNumber, group.greatestSequenceNumber);
    await allSettled([
      store(main, state.mainBytes, group.main),
      store(mirror, state.mirrorBytes, group.mirror),
    ]);
    if (isNew && durable) await files.syncDirectory(directory);
    notePlaces(run, state.number, state.mainBytes + header.length);
    state.mainBytes += group.main.length;
    state.mirrorBytes += group.mirror.length;
    // Only now: what is listed here before the last one may be discarded, and the last one must survive that.
    if (isNew) segments.push(state);
    stats.bytesWritten += group.main.length + group.mirror.length;
  };

  /** From here on they are read from the file, where the first of them stands at `begin`. */
  const notePlaces = (run: readonly Appended[], segment: number, begin: number): void => {
    let offset = begin;
    for (const { record, place } of run) {
      if (place !== undefined) readable.written(place, segment, offset);
      offset += recordBytes(record.payload.length);
    }
  };

  const store = async (file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> => {
    if (bytes.length === 0) return;
    await file.write(offset, bytes);
    if (durable) await file.sync();
  };

  const discard = async (sequenceNumber: number): Promise<void> => {
    if (failure !== undefined) throw failure;
    while (segments.length > 1 && segments[0]!.greatestSequenceNumber < sequenceNumber) {
      const { number } = segments.shift()!;
      readable.discarded(number);
      await mains.get(number)?.close();
      mains.delete(number);
      if (archiveDirectory !== undefined) {
        const name = segmentName('main', number);
        await files.link(`${directory}/${name}`, `${archiveDirectory}/${name}`);
        await files.syncDirectory(archiveDirectory);
      }
      // One name at a time, oldest first: a crash must not leave a hole, nor a mirror without its main file.
      for (const copy of ['mirror', 'main'] as const) {
        await files.unlink(`${directory}/${segmentName(copy, number)}`);
        await files.syncDirectory(directory);
      }
    }
  };

  const beginSegment = async (): Promise<void> => {
    const number = current.state.number + 1;
    const state: SegmentState = { number, greatestSequenceNumber: 0, mainBytes: 0, mirrorBytes: 0 };
    // The main file stays open: bodies are read from it until it is discarded.
    await current.mirror.close();
    current = await openSegment(files, directory, state, 'create');
    mains.set(number, current.main);
  };

  return {
    append(record) {
      if (failure !== undefined) throw failure;
      assertRecord(record);
      const bytes = recordBytes(record.payload.length);
      const beginsSegment = fill > 0 && (rotating || fill + bytes > segmentBytes);
      rotating = false;
      fill = beginsSegment ? bytes : fill + bytes;
      appended.push({ record, beginsSegment, place: readable.appended(record) });
      appendedBytes += record.mirrored ? 2 * bytes : bytes;
    },
    async sync() {
      if (failure !== undefined) throw failure;
      if (appended.length === 0) return writing;
      // One more turn, so that all calls of this tick share the group.
      waiting ??= (writing ?? Promise.resolve()).then(() => {
        writing = writeGroup();
        return writing;
      });
      return waiting;
    },
    rotate() {
      rotating = true;
    },
    discardBelow(sequenceNumber) {
      discarding = discarding.then(() => discard(sequenceNumber)).catch(fail);
      return discarding;
    },
    read: (sequenceNumber) => readable.read(sequenceNumber),
    readableSequenceNumbers: () => readable.sequenceNumbers(),
    get bytes() {
      return segments.reduce((sum, state) => sum + state.mainBytes + state.mirrorBytes, appendedBytes);
    },
    stats,
    async close() {
      try {
        if (failure === undefined) await this.sync();
      } finally {
        await discarding.catch(() => undefined);
        failure ??= new StorageError('CLOSED', `the log in ${directory} is closed.`);
        await allSettled([...mains.values(), current.mirror].map((file) => file.close()));
      }
    },
  };
}

async function openSegment(
  files: FileLayer,
  directory: string,
  state: SegmentState,
  mode: 'write' | 'create',
): Promise<OpenSegment> {
  const main = await files.open(`${directory}/${segmentName('main', state.number)}`, mode);
  const mirror = await files.open(`${directory}/${segmentName('mirror', state.number)}`, mode);
  return { state, main, mirror };
}

/** After a failed fsync the kernel may have dropped the pages, and a second one would succeed: so nothing is tried again. */
function stopped(directory: string, error: unknown): StorageError {
  const code = error instanceof StorageError ? error.code : 'IO';
  const reason = error instanceof Error ? error.message : String(error);
  const text = `the log in ${directory} has stopped (${reason}). Remove the cause, then start the process again.`;
  return new StorageError(code, text, error);
}

/** As Promise.all, but also a failure leaves nothing under way. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function assertRecord({ kind, sequenceNumber, payload }: LogRecord): void {
  assert(
    Number.isInteger(kind) && kind >= 0 && kind <= 255,
    `kind of a log record must be 0…255, not ${kind}`,
  );
  assert(
    Number.isSafeInteger(sequenceNumber) && sequenceNumber >= 0,
    `sequenceNumber of a log record must be an integer in 0…2⁵³−1, not ${sequenceNumber}`,
  );
  assert(
    payload.length <= PAYLOAD_BYTES_MAX,
    `payload of a log record has ${payload.length} bytes, more than 256 MiB`,
  );
}
