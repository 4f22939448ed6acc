/**
 * Which links are silent. Where packets vanish without a word, a connection looks well for minutes; so while calls wait, a replica that has not
 * been heard for a tick is asked something that it answers at once. One question is enough until it is answered: TCP repeats it.
 *
 * Time is counted in ticks, not read from a clock: a process that was stopped must hear what came meanwhile before it calls anyone silent.
 */

import type { ReplicaIndex } from '../types/identities.ts';

/** Between two ticks. */
export const PROBE_TICK_MS = 250;
/** A link whose question has waited so long is silent: nothing new is sent in the hope of it. */
const SILENT_TICKS = 2;
/** Then it is given up and dialled anew: a new connection heals sooner than one whose repeats have become rare. */
const DEAD_TICKS = 12;

export interface Prober {
  /** Something came from the replica; answers whether it was silent until now. */
  heard(replica: ReplicaIndex): boolean;
  /** The link is new, or gone: what was asked on the old one is void. */
  reset(replica: ReplicaIndex): void;
  isSilent(replica: ReplicaIndex): boolean;
  /** To be called every `PROBE_TICK_MS` with what is connected; with nothing while no calls wait. */
  tick(connected: readonly boolean[]): void;
}

export interface ProberEvents {
  readonly onProbe: (replica: ReplicaIndex) => void;
  readonly onDead: (replica: ReplicaIndex, silentMs: number) => void;
}

export function makeProber({ onProbe, onDead }: ProberEvents): Prober {
  /** Heard since the last tick. */
  const heard = new Set<ReplicaIndex>();
  /** For how many ticks a question has waited. */
  const asked = new Map<ReplicaIndex, number>();

  function look(replica: ReplicaIndex): void {
    const ticks = asked.get(replica);
    if (ticks === undefined) {
      if (heard.has(replica)) return;
      asked.set(replica, 0);
      onProbe(replica);
      return;
    }
    asked.set(replica, ticks + 1);
    if (ticks + 1 >= DEAD_TICKS) onDead(replica, DEAD_TICKS * PROBE_TICK_MS);
  }

  const isSilent = (replica: ReplicaIndex): boolean => (asked.get(replica) ?? 0) >= SILENT_TICKS;

  return {
    heard(replica) {
      const wasSilent = isSilent(replica);
      heard.add(replica);
      asked.delete(replica);
      return wasSilent;
    },
    reset(replica) {
      heard.delete(replica);
      asked.delete(replica);
    },
    isSilent,
    tick(connected) {
      for (const [replica, isUp] of connected.entries()) if (isUp) look(replica);
      heard.clear();
    },
  };
}
