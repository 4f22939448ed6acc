/**
 * The work on the disk that no promise waits for: snapshots are written, and what they replace is deleted. One job after the other, so
 * that nothing is deleted before what replaces it is durable.
 */

import { encode } from '../codec/index.ts';
import type { SnapshotToWrite } from '../protocol/replica/io.ts';
import type { Chunk } from '../services/service.ts';
import type { LeafFile } from '../storage/leaf-file.ts';
import type { Log } from '../storage/log.ts';
import type { SnapshotStore } from '../storage/snapshots.ts';
import type { SequenceNumber } from '../types/identities.ts';
import { snapshotMetaSchema } from './snapshot-meta.ts';

export interface Disk {
  readonly log: Log;
  readonly leaves: Pick<LeafFile, 'sync'>;
  readonly snapshots: Pick<
    SnapshotStore,
    'writeSnapshot' | 'removeSnapshotsBelow' | 'putChunk' | 'endTransfer'
  >;
}

export interface HousekeepingOptions {
  readonly disk: Disk;
  readonly onSnapshotDurable: (sequenceNumber: SequenceNumber) => void;
  /** Snapshots that the replica may still hand out to peers. */
  readonly heldSnapshots: () => ReadonlySet<SequenceNumber>;
  readonly onFailure: (error: unknown) => void;
}

export interface Housekeeping {
  writeSnapshot(snapshot: SnapshotToWrite): void;
  /** Keeps a piece that a transfer received, for the case of a restart. */
  keepChunk(chunk: Chunk): void;
  /** The pieces that were kept are not needed any more. */
  endTransfer(): void;
  /** What still holds of the older records must have been appended again. */
  discardBelow(sequenceNumber: SequenceNumber): void;
  /** No further job begins; resolves when the one under way has ended. */
  close(): Promise<void>;
}

export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { log, leaves, snapshots } = options.disk;
  let last: Promise<void> = Promise.resolve();
  let closed = false;

  function inTurn(job: () => Promise<void>): void {
    last = last.then(async () => {
      if (closed) return;
      try {
        await job();
      } catch (error) {
        if (closed) return;
        closed = true;
        options.onFailure(error);
      }
    });
  }

  async function write(snapshot: SnapshotToWrite): Promise<void> {
    const { sequenceNumber, entry, summary, chunks, windowChunks } = snapshot;
    // A restart takes the leaves up to the snapshot from their file, and everything newer from the log.
    await Promise.all([leaves.sync(), log.sync()]);
    const meta = encode(snapshotMetaSchema, { entry, summary, windowChunks: windowChunks.length });
    await snapshots.writeSnapshot({ sequenceNumber, meta, chunks: [...chunks, ...windowChunks] });
    if (!closed) options.onSnapshotDurable(sequenceNumber);
  }

  async function discard(sequenceNumber: SequenceNumber): Promise<void> {
    await Promise.all([leaves.sync(), log.sync()]);
    await log.discardBelow(sequenceNumber + 1);
    // The snapshot at the log's floor stays: should the newest be damaged, the log leads on from this one.
    await snapshots.removeSnapshotsBelow(sequenceNumber, options.heldSnapshots());
  }

  return {
    writeSnapshot: (snapshot) => inTurn(() => write(snapshot)),
    keepChunk: (chunk) => inTurn(() => snapshots.putChunk(chunk.digest, chunk.bytes())),
    endTransfer: () => inTurn(() => snapshots.endTransfer()),
    discardBelow: (sequenceNumber) => inTurn(() => discard(sequenceNumber)),
    close() {
      closed = true;
      return last;
    },
  };
}
