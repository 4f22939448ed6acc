/**
 * Where the bodies in the log's BODY records are read again: 2·K batches of a MiB each are too many for memory, and a peer or a view change
 * seldom asks for one. The core cannot wait, so a read blocks for one access of the disk.
 */

import type { SequenceNumber } from '../../types/identities.ts';
import type { Batch } from '../messages/batch.ts';

export interface BodyStore {
  /** The s of all BODY records that are in the log, each once. */
  sequenceNumbers(): Iterable<SequenceNumber>;
  /**
   * The batches of the BODY records of s: of all that earlier steps have persisted, durable or not, until they are discarded. A damaged
   * one is left out; that each is the right one its digest tells the caller.
   */
  read(s: SequenceNumber): Iterable<Batch>;
}
