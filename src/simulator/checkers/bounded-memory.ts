/** Memory stays within the limits that docs/limits.md promises: what a replica holds, and what its disk holds. */

import type { Context } from '../../protocol/context.ts';
import type { Replica } from '../../protocol/replica/index.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

/** Looking at every step would cost more than the steps. */
const STEPS_BETWEEN_LOOKS = 64;

/** SUSPECTED, LEFT and ENTERED. */
const RECORDS_PER_VIEW = 3;

export function checkBoundedMemory(
  { cluster }: Context,
  stateOf: (replica: ReplicaIndex) => Replica | undefined,
  diskSizeOf: (replica: ReplicaIndex) => number,
  report: Report,
): Observer {
  let steps = 0;
  let nowMs = () => 0;
  /** When each replica's last three checkpoints became stable: what is older than the first of them is gone. */
  const stableAtMs = new Map<ReplicaIndex, readonly number[]>();
  const reported = new Set<string>();

  function look(index: ReplicaIndex): void {
    const replica = stateOf(index);
    if (replica === undefined) return;
    const { limits } = replica;
    const { pipelineWindow, watermarkWindow, checkpointInterval } = cluster.limits;
    const { replicaCount } = cluster.thresholds;
    const ahead = 2 * pipelineWindow;
    // Views that are left without a checkpoint add up: each correct replica leads the others on once in T/4 at most, and T doubles each time.
    const withoutMs = nowMs() - (stableAtMs.get(index)?.[0] ?? 0);
    const viewsMax = Math.ceil((4 * replicaCount * withoutMs) / limits.requestTimeoutMaxMs);
    // From the last but one stable checkpoint, or a lease at most M below it, to h+M.
    const logMax = 2 * watermarkWindow + 2 * checkpointInterval + ahead;
    const sizes: readonly [string, number, number][] = [
      ['pending requests', replica.pending.size, limits.pendingRequestsMax],
      ['bytes of pending requests', replica.pendingBytes, limits.pendingBytesMax],
      ['slots', replica.slots.size, logMax],
      ['held proposals', replica.heldProposals.size, ahead],
      ['committed batches', replica.log.size, logMax],
      ['held reads', replica.heldReads.length, limits.heldReadsMax],
      ['states for reads', replica.recentStates.size, ahead + 1],
      ['snapshots', replica.snapshots.size, 2 + Math.ceil(logMax / checkpointInterval)],
      ['checkpoints', replica.checkpoints.size, 2 + Math.ceil(logMax / checkpointInterval)],
      ['VIEW-CHANGEs', replica.viewChanges.size, replicaCount],
      ['SUSPECTs', replica.suspects.size, replicaCount],
      // At most a body, a header and a proposal's worth for each place of the windows, and what views and transfers need.
      ['things wanted', replica.wanted.size, 4 * logMax],
      ['records on disk', diskSizeOf(index), 8 * logMax + 512 + RECORDS_PER_VIEW * viewsMax],
    ];
    for (const [what, size, most] of sizes) {
      if (size <= most || reported.has(`${index}${what}`)) continue;
      reported.add(`${index}${what}`);
      report('safety', 'bounded memory', `replica ${index} holds ${size} ${what}, more than ${most}`);
    }
  }

  return {
    onBegin({ kernel }) {
      nowMs = () => kernel.nowUs / 1000;
    },
    onEvent(replica, { type }) {
      if (type === 'stable') {
        stableAtMs.set(replica, [...(stableAtMs.get(replica) ?? [0, 0]), nowMs()].slice(-3));
      }
    },
    onStep(replica) {
      if (steps++ % STEPS_BETWEEN_LOOKS === 0) look(replica);
    },
  };
}
