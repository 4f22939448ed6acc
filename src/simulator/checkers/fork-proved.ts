/**
 * A fork whose heads meet is proved (docs/protocol.md §1, §9): where correct replicas of two histories each hold a head above the point at which these part, and
 * have been able to talk for long enough, the evidence that correct parties hold names at least 2Q−n replicas. That all of them are faulty
 * is `no-framing.ts`'s to say.
 */

import type { Context } from '../../protocol/context.ts';
import type { Head } from '../../protocol/messages/entry.ts';
import { keyOf } from '../../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import type { Endpoint, Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

export interface ForkProved extends Observer {
  /** Judges what was proved. Call it once, when all have been able to talk for long enough. */
  finish(): void;
  /** How many pairs of correct replicas are on two histories, each with a head of its own. */
  readonly met: number;
}

export interface ForkProvedOptions {
  readonly context: Context;
  readonly isCorrect: (replica: ReplicaIndex) => boolean;
  readonly isCorrectClient: (client: Endpoint) => boolean;
  /** The newest head that a running replica holds. */
  readonly headOf: (replica: ReplicaIndex) => Head | undefined;
  readonly report: Report;
}

export function checkForkProved(options: ForkProvedOptions): ForkProved {
  const { isCorrect, isCorrectClient, headOf, report } = options;
  const { replicaCount, beliefSize } = options.context.cluster.thresholds;
  /** HCD^s of each replica, at s − 1; a transfer leaves holes. */
  const histories = Array.from({ length: replicaCount }, () => new Map<SequenceNumber, string>());
  const named = new Set<ReplicaIndex>();
  let met = 0;

  /** The first s at which both executed something, and not the same. */
  function partingOf(a: ReplicaIndex, b: ReplicaIndex): SequenceNumber | undefined {
    let parting: SequenceNumber | undefined;
    for (const [s, digest] of histories[a]!) {
      const other = histories[b]!.get(s);
      if (other !== undefined && other !== digest && s < (parting ?? Number.POSITIVE_INFINITY)) parting = s;
    }
    return parting;
  }

  function isMeeting(a: ReplicaIndex, b: ReplicaIndex): boolean {
    const parting = partingOf(a, b);
    return (
      parting !== undefined && [a, b].every((replica) => (headOf(replica)?.sequenceNumber ?? 0) >= parting)
    );
  }

  return {
    get met() {
      return met;
    },
    onEvent(replica, event) {
      if (!isCorrect(replica)) return;
      if (event.type === 'executed') {
        histories[replica]!.set(event.entry.sequenceNumber, keyOf(event.entry.hashChainDigest));
      } else if (event.type === 'evidence') for (const index of event.guilty) named.add(index);
    },
    onClientEvent(client, event) {
      if (event.type !== 'evidence' || !isCorrectClient(client)) return;
      for (const index of event.guilty) named.add(index);
    },
    finish() {
      const correct = histories.map((_, index) => index).filter(isCorrect);
      for (const [i, a] of correct.entries()) {
        for (const b of correct.slice(i + 1)) {
          if (!isMeeting(a, b)) continue;
          met++;
          if (named.size >= beliefSize) continue;
          report(
            'safety',
            'a fork is proved',
            `replicas ${a} and ${b} hold heads of two histories, and evidence names only ${named.size} of at least ${beliefSize}: ${[...named].join(', ')}`,
          );
        }
      }
    },
  };
}
