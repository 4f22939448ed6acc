/**
 * Faults that wait for their moment: the replica that has just committed first is cut off, the primary dies as soon as somebody voted, a snapshot's
 * owner crashes while it is written. Faults at times drawn in advance almost never hit the few milliseconds that matter.
 */

import type { ReplicaEvent } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Observer } from './observer.ts';

export interface Ambush {
  readonly event: ReplicaEvent['type'];
  /** So many such events pass first. */
  readonly skip: number;
  readonly spring: (replica: ReplicaIndex) => void;
}

export interface Ambushes extends Observer {
  lay(ambush: Ambush): void;
  /** Forgets all that have not been sprung. */
  lift(): void;
}

export function makeAmbushes(): Ambushes {
  let laid: { readonly ambush: Ambush; left: number }[] = [];
  return {
    lay(ambush) {
      laid.push({ ambush, left: ambush.skip });
    },
    lift() {
      laid = [];
    },
    onEvent(replica, { type }) {
      for (const each of laid) {
        if (each.ambush.event !== type || each.left-- > 0) continue;
        laid = laid.filter((other) => other !== each);
        each.ambush.spring(replica);
      }
    },
  };
}
