/**
 * What a run came across, counted by name: seeds that find nothing are worth as much as what they reach. Sums over many runs show which
 * situations are common, which are rare, and which never come about.
 */

import type { Observer } from './observer.ts';

/** Counts by name, such as `viewEntered`, `sessionLost NO-SESSION`, `fault crash` or `lost queue full`. */
export type Coverage = Readonly<Record<string, number>>;

/** What happens all the time and says nothing. */
const COMMONPLACE: ReadonlySet<string> = new Set(['admitted', 'proposed', 'accepted', 'voted', 'committed']);

export function countCoverage(): { readonly observer: Observer; coverage(): Coverage } {
  const counts: Record<string, number> = {};
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  return {
    observer: {
      onEvent(_, event) {
        if (!COMMONPLACE.has(event.type)) count(event.type);
      },
      onFault(_, what) {
        const name = what.type === 'other' ? what.name : what.type;
        if (name !== undefined) count(`fault ${name}`);
      },
      onLost(_from, _to, _message, why) {
        count(`lost ${why}`);
      },
      onClientEvent(_, event) {
        if (event.type === 'sessionLost') count(`sessionLost ${event.reason}`);
        else if (event.type === 'healing') count('answered STALE');
        else if (event.type === 'readOrdered') count('readOrdered');
      },
      onOutcome(_client, _token, outcome) {
        if (outcome.type === 'rejected') count(`rejected ${outcome.status}`);
        else if (outcome.type === 'unknown') count(`unknown ${outcome.reason}`);
        else count(outcome.type);
      },
    },
    coverage: () => counts,
  };
}

/** The sum of both. */
export function addCoverage(a: Coverage, b: Coverage): Coverage {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
