/**
 * A correct replica's VIEW-CHANGE tells what it prepared (docs/protocol.md §5.3): for each s in (C.s, C.s+2W] that it voted for, P has a certificate
 * of that view or a later one. A new view that lacks one puts something else in its place, which only matters if the batch was committed somewhere.
 */

import type { Context } from '../../protocol/context.ts';
import type { ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

export function checkTestimony(
  { cluster }: Context,
  isCorrect: (replica: ReplicaIndex) => boolean,
  report: Report,
): Observer {
  const { replicaCount } = cluster.thresholds;
  /** Of each replica, by s, the highest view whose prepared certificate was durable. */
  const prepared = Array.from({ length: replicaCount }, () => new Map<SequenceNumber, View>());

  return {
    onDurable(replica, record) {
      if (record.type !== 'prepared') return;
      const { view, sequenceNumber } = record.vote;
      const earlier = prepared[replica]!.get(sequenceNumber) ?? -1;
      prepared[replica]!.set(sequenceNumber, Math.max(earlier, view));
    },
    onSend(from, _to, message) {
      if (from >= replicaCount || !isCorrect(from) || message.type !== 'view-change') return;
      const { viewChange } = message;
      if (viewChange.replica !== from) return;
      const last = viewChange.base.sequenceNumber + 2 * cluster.limits.pipelineWindow;
      for (let s = viewChange.base.sequenceNumber + 1; s <= last; s++) {
        const view = prepared[from]!.get(s);
        // Prepared in a view above since then, while these bytes are repeated.
        if (view === undefined || view >= viewChange.view) continue;
        const claim = viewChange.prepared.find((each) => each.sequenceNumber === s);
        if (claim !== undefined && claim.view >= view) continue;
        report(
          'safety',
          'P is complete',
          `the VIEW-CHANGE of replica ${from} for view ${viewChange.view} does not tell that s${s} was prepared in view ${view}`,
        );
      }
    },
  };
}
