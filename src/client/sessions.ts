/** The sessions of a client, and which of them has which call. */

import type { ClientInput } from '../protocol/client/index.ts';
import type { Call } from './calls.ts';
import type { SessionDriver } from './session-driver.ts';

export interface Sessions {
  /** By the session's number. */
  readonly drivers: ReadonlyMap<number, SessionDriver>;
  start(index: number): void;
  /** The idle or least busy session; a new one rather than a busy one, while there may be more and few others are being opened. */
  choose(): number;
  /** Gives the session a call, by what it is to do for it. */
  enter(call: Call, index: number, input: ClientInput): void;
  /** The call has ended; answers the session that had it. */
  leave(call: Call): SessionDriver | undefined;
  tellAll(input: ClientInput): void;
}

/** Sessions that are being opened at once: replicas let no more OPENs of one key wait, and refuse the others for a while. */
const OPENING_MAX = 8;

export function makeSessions(sessionsMax: number, make: (index: number) => SessionDriver): Sessions {
  const drivers = new Map<number, SessionDriver>();
  /** Which session has a call, and how many calls each session has. */
  const places = new Map<Call, number>();
  const loads = new Map<number, number>();

  function start(index: number): void {
    drivers.set(index, make(index));
  }

  return {
    drivers,
    start,
    choose() {
      let best: number | undefined;
      let bestLoad = Number.POSITIVE_INFINITY;
      let opening = 0;
      for (const [index, { session }] of drivers) {
        const load = loads.get(index) ?? 0;
        if (session.ended === undefined && load < bestLoad) {
          best = index;
          bestLoad = load;
        }
        if (bestLoad === 0) break;
        if (session.number === undefined && session.ended === undefined) opening++;
      }
      const mayStart = drivers.size < sessionsMax && opening < OPENING_MAX;
      if (best !== undefined && (bestLoad === 0 || !mayStart)) return best;
      const free = Array.from({ length: sessionsMax }, (_, i) => i).find((i) => !drivers.has(i));
      if (free === undefined) return best ?? 0;
      start(free);
      return free;
    },
    enter(call, index, input) {
      places.set(call, index);
      loads.set(index, (loads.get(index) ?? 0) + 1);
      drivers.get(index)!.input(input);
    },
    leave(call) {
      const index = places.get(call);
      if (index === undefined) return undefined;
      places.delete(call);
      loads.set(index, loads.get(index)! - 1);
      return drivers.get(index);
    },
    tellAll(input) {
      for (const driver of drivers.values()) driver.input(input);
    },
  };
}
