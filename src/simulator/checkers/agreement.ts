/**
 * One history at all correct replicas: at each s one hash chain digest is committed, one entry executed, one state digest
 * checkpointed, and the service is given the same operations with the same results, in whatever order replicas get there and
 * however often they restart.
 */

import { type EntryContent, sameEntry } from '../../protocol/messages/entry.ts';
import { equalBytes, toHex } from '../../types/bytes.ts';
import type { Digest, ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

interface First<T> {
  readonly value: T;
  readonly replica: ReplicaIndex;
}

export interface Agreement extends Observer {
  /** The highest s that any replica has executed. */
  readonly executed: SequenceNumber;
  /** Entries by s, as first seen. */
  entryAt(sequenceNumber: SequenceNumber): EntryContent | undefined;
}

/** `isCorrect`: what faulty replicas say of themselves does not count. */
export function checkAgreement(isCorrect: (replica: ReplicaIndex) => boolean, report: Report): Agreement {
  const committed = new Map<SequenceNumber, First<Digest>>();
  const executed = new Map<SequenceNumber, First<EntryContent>>();
  const checkpointed = new Map<SequenceNumber, First<Digest>>();
  let highest = 0;

  function compare<T>(
    what: string,
    firsts: Map<SequenceNumber, First<T>>,
    sequenceNumber: SequenceNumber,
    replica: ReplicaIndex,
    value: T,
    equal: (a: T, b: T) => boolean,
    show: (value: T) => string,
  ): void {
    const first = firsts.get(sequenceNumber);
    if (first === undefined) firsts.set(sequenceNumber, { value, replica });
    else if (!equal(first.value, value)) {
      report(
        'safety',
        'agreement',
        `at s${sequenceNumber} replica ${first.replica} ${what} ${show(first.value)} and replica ${replica} ${show(value)}`,
      );
    }
  }

  const showDigest = (digest: Digest) => toHex(digest.subarray(0, 6));
  const showEntry = (entry: EntryContent) =>
    `(${showDigest(entry.hashChainDigest)}, ${showDigest(entry.repliesRoot)}, ${showDigest(entry.logRoot)})`;

  return {
    get executed() {
      return highest;
    },
    entryAt: (sequenceNumber) => executed.get(sequenceNumber)?.value,
    // What is signed must be what was executed, also where the signer has it from a state transfer.
    onSend(from, _to, message) {
      const entry =
        message.type === 'reply' || message.type === 'read-reply'
          ? message.entry
          : message.type === 'status'
            ? message.newest
            : undefined;
      if (entry === undefined || entry.replica !== from || !isCorrect(from)) return;
      compare('executed', executed, entry.sequenceNumber, from, entry, sameEntry, showEntry);
    },
    onEvent(replica, event) {
      if (!isCorrect(replica)) return;
      switch (event.type) {
        case 'committed':
          compare(
            'committed',
            committed,
            event.sequenceNumber,
            replica,
            event.hashChainDigest,
            equalBytes,
            showDigest,
          );
          break;
        case 'executed':
          highest = Math.max(highest, event.entry.sequenceNumber);
          compare(
            'executed',
            executed,
            event.entry.sequenceNumber,
            replica,
            event.entry,
            sameEntry,
            showEntry,
          );
          break;
        case 'checkpointed':
          compare(
            'checkpointed',
            checkpointed,
            event.sequenceNumber,
            replica,
            event.stateDigest,
            equalBytes,
            showDigest,
          );
          break;
        case 'diverged':
          report(
            'safety',
            'agreement',
            `replica ${replica} found its state diverged at s${event.sequenceNumber}`,
          );
          break;
        case 'orderingStopped':
          report('safety', 'agreement', `replica ${replica} stopped ordering: ${event.reason}`);
          break;
        default:
      }
    },
  };
}
