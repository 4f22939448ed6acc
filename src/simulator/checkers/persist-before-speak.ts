/**
 * Nothing leaves a replica whose record is not durable on that replica's disk (docs/protocol.md §7). The checker keeps its own books from what the disk
 * says has become durable, and judges each message as it leaves, before the network touches it.
 */

import { encode } from '../../codec/index.ts';
import type { Context } from '../../protocol/context.ts';
import { batchDigest, NULL_BATCH } from '../../protocol/messages/batch.ts';
import type { EntryContent } from '../../protocol/messages/entry.ts';
import type { Message } from '../../protocol/messages/index.ts';
import { viewChangeSchema } from '../../protocol/messages/view-change.ts';
import type { DurableRecord } from '../../protocol/records.ts';
import type { SnapshotToWrite } from '../../protocol/replica/io.ts';
import { keyOf, toHex } from '../../types/bytes.ts';
import type { Digest, ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

/** What one replica's disk is known to hold, or to have held before a durable snapshot took its place. */
interface Books {
  readonly accepted: Set<string>;
  readonly bodies: Set<string>;
  readonly votes: Set<string>;
  readonly entries: Set<string>;
  readonly checkpoints: Set<string>;
  readonly viewChanges: Set<string>;
  readonly newViews: Set<View>;
  suspected: View;
  snapshot: SequenceNumber;
}

const emptyBooks = (): Books => ({
  accepted: new Set(),
  bodies: new Set(),
  votes: new Set(),
  entries: new Set(),
  checkpoints: new Set(),
  viewChanges: new Set(),
  newViews: new Set(),
  suspected: -1,
  snapshot: 0,
});

const at = (view: View, sequenceNumber: SequenceNumber, digest: Digest) =>
  `${view}/${sequenceNumber}/${keyOf(digest)}`;
const entryKey = (entry: EntryContent) =>
  `${entry.sequenceNumber}/${keyOf(entry.hashChainDigest)}${keyOf(entry.repliesRoot)}${keyOf(entry.logRoot)}`;

export interface PersistBeforeSpeak extends Observer {
  /** The replica's disk was lost: nothing it held counts any more. */
  forget(replica: ReplicaIndex): void;
}

export function checkPersistBeforeSpeak(
  context: Context,
  isCorrect: (replica: ReplicaIndex) => boolean,
  report: Report,
): PersistBeforeSpeak {
  const { cluster, crypto } = context;
  const nullDigest = keyOf(batchDigest(cluster, crypto, NULL_BATCH));
  const books = Array.from({ length: cluster.thresholds.replicaCount }, emptyBooks);

  function note(replica: ReplicaIndex, record: DurableRecord): void {
    const book = books[replica]!;
    switch (record.type) {
      case 'accepted':
        book.accepted.add(at(record.header.view, record.header.sequenceNumber, record.header.batchDigest));
        break;
      case 'body':
        book.bodies.add(keyOf(batchDigest(cluster, crypto, record.batch)));
        break;
      case 'prepared':
        book.votes.add(at(record.vote.view, record.vote.sequenceNumber, record.vote.hashChainDigest));
        break;
      case 'executed':
        book.entries.add(entryKey(record));
        break;
      case 'suspected':
        book.suspected = Math.max(book.suspected, record.view);
        break;
      case 'left':
        book.viewChanges.add(keyOf(encode(viewChangeSchema, record.viewChange.viewChange)));
        break;
      case 'entered':
        book.newViews.add(record.newView.view);
        break;
      case 'checkpointed':
        book.checkpoints.add(
          `${record.checkpoint.sequenceNumber}/${keyOf(record.checkpoint.stateDigest)}${keyOf(record.checkpoint.logRoot)}`,
        );
        break;
      default:
    }
  }

  function noteSnapshot(replica: ReplicaIndex, snapshot: SnapshotToWrite): void {
    const book = books[replica]!;
    book.snapshot = Math.max(book.snapshot, snapshot.sequenceNumber);
    book.entries.add(entryKey(snapshot.entry));
  }

  /** What is missing on the disk for `message` to leave; undefined if nothing. */
  function missing(replica: ReplicaIndex, message: Message): string | undefined {
    const book = books[replica]!;
    switch (message.type) {
      case 'prepare': {
        if (message.replica !== replica) return undefined;
        const { view, sequenceNumber, batchDigest: digest } = message;
        if (!book.accepted.has(at(view, sequenceNumber, digest))) return 'its header';
        const covered = book.snapshot >= sequenceNumber || keyOf(digest) === nullDigest;
        return covered || book.bodies.has(keyOf(digest)) ? undefined : 'the body';
      }
      case 'commit':
        return message.replica !== replica ||
          book.votes.has(at(message.view, message.sequenceNumber, message.hashChainDigest))
          ? undefined
          : 'the prepared certificate and vote';
      case 'reply':
      case 'read-reply':
        return missingEntry(replica, message.entry);
      case 'status':
        return message.newest === undefined ? undefined : missingEntry(replica, message.newest);
      case 'checkpoint':
        return message.replica !== replica ||
          book.checkpoints.has(
            `${message.sequenceNumber}/${keyOf(message.stateDigest)}${keyOf(message.logRoot)}`,
          )
          ? undefined
          : 'the checkpoint';
      case 'suspect':
        return message.replica !== replica || book.suspected >= message.view ? undefined : 'the suspicion';
      case 'view-change':
        return message.viewChange.replica !== replica ||
          book.viewChanges.has(keyOf(encode(viewChangeSchema, message.viewChange)))
          ? undefined
          : 'the VIEW-CHANGE';
      case 'new-view':
        return message.view % cluster.thresholds.replicaCount !== replica || book.newViews.has(message.view)
          ? undefined
          : 'the NEW-VIEW';
      default:
        return undefined;
    }
  }

  /** A durable snapshot at or above s holds the entry, in its sessions or as its last: a state transfer brings it without a record. */
  function missingEntry(
    replica: ReplicaIndex,
    entry: EntryContent & { readonly replica: ReplicaIndex },
  ): string | undefined {
    const { sequenceNumber, hashChainDigest } = entry;
    const { snapshot, entries } = books[replica]!;
    return entry.replica !== replica || sequenceNumber <= snapshot || entries.has(entryKey(entry))
      ? undefined
      : `the executed entry of s${sequenceNumber} (HCD ${toHex(hashChainDigest.subarray(0, 6))})`;
  }

  return {
    onDurable: note,
    onSnapshotDurable: noteSnapshot,
    forget(replica) {
      books[replica] = emptyBooks();
    },
    onSend(from, _to, message) {
      if (from >= books.length || !isCorrect(from)) return;
      const lacking = missing(from, message);
      if (lacking === undefined) return;
      const where = 'sequenceNumber' in message ? ` for s${message.sequenceNumber}` : '';
      report(
        'safety',
        'persist before speak',
        `replica ${from} sends ${message.type}${where} before ${lacking} is durable`,
      );
    },
  };
}
