/**
 * No correct replica signs two contents where the protocol allows one: per (v, s) for headers, PREPAREs and votes; per s for entries and CHECKPOINTs,
 * in whatever views; per view for VIEW-CHANGE and NEW-VIEW. Restarts change nothing about it, nor does a lost disk.
 */

import { encode } from '../../codec/index.ts';
import type { Entry } from '../../protocol/messages/entry.ts';
import type { Message } from '../../protocol/messages/index.ts';
import { viewChangeSchema } from '../../protocol/messages/view-change.ts';
import { keyOf } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

export function checkNoEquivocation(
  replicaCount: number,
  isCorrect: (replica: ReplicaIndex) => boolean,
  report: Report,
): Observer {
  const signed = Array.from({ length: replicaCount }, () => new Map<string, string>());

  function sign(replica: ReplicaIndex, place: string, content: string): void {
    const earlier = signed[replica]!.get(place);
    if (earlier === undefined) signed[replica]!.set(place, content);
    else if (earlier !== content) {
      report('safety', 'no equivocation', `replica ${replica} signed two contents of ${place}`);
    }
  }

  function signEntry(replica: ReplicaIndex, entry: Entry): void {
    if (entry.replica !== replica) return;
    sign(
      replica,
      `the entry of s${entry.sequenceNumber}`,
      keyOf(entry.hashChainDigest) + keyOf(entry.repliesRoot) + keyOf(entry.logRoot),
    );
  }

  function judge(from: ReplicaIndex, message: Message): void {
    switch (message.type) {
      case 'pre-prepare': {
        const { view, sequenceNumber, batchDigest } = message.header;
        // Anyone may pass a header on; whose it is follows from the view.
        if (view % replicaCount === from)
          sign(from, `PRE-PREPARE v${view} s${sequenceNumber}`, keyOf(batchDigest));
        break;
      }
      case 'prepare':
        if (message.replica === from) {
          sign(from, `PREPARE v${message.view} s${message.sequenceNumber}`, keyOf(message.batchDigest));
        }
        break;
      case 'commit':
        if (message.replica === from) {
          sign(from, `COMMIT v${message.view} s${message.sequenceNumber}`, keyOf(message.hashChainDigest));
        }
        break;
      case 'reply':
      case 'read-reply':
        signEntry(from, message.entry);
        break;
      case 'status':
        if (message.newest !== undefined) signEntry(from, message.newest);
        break;
      case 'checkpoint':
        if (message.replica === from) {
          sign(
            from,
            `CHECKPOINT s${message.sequenceNumber}`,
            keyOf(message.hashChainDigest) + keyOf(message.logRoot) + keyOf(message.stateDigest),
          );
        }
        break;
      case 'view-change':
        if (message.viewChange.replica === from) {
          const { view } = message.viewChange;
          sign(from, `VIEW-CHANGE v${view}`, keyOf(encode(viewChangeSchema, message.viewChange)));
        }
        break;
      case 'new-view':
        if (message.view % replicaCount === from) {
          sign(from, `NEW-VIEW v${message.view}`, keyOf(message.signature));
          for (const header of message.headers) {
            sign(from, `PRE-PREPARE v${header.view} s${header.sequenceNumber}`, keyOf(header.batchDigest));
          }
        }
        break;
      default:
    }
  }

  return {
    onSend(from, _to, message) {
      if (from < replicaCount && isCorrect(from)) judge(from, message);
    },
  };
}
