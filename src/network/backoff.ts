/** How long to wait before connecting again. */

/**
 * `minMs`·2^`failures`, at most `maxMs`, less up to half of it by chance, so that the clients of a replica that
 * restarts do not all come back at once. `chance` is in 0…1 exclusive.
 */
export function redialDelayMs(failures: number, minMs: number, maxMs: number, chance: number): number {
  // Beyond 2^30 the doubling would leave the range of Node's timers, which then fire after 1 ms.
  const delayMs = Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
  return Math.max(1, Math.round(delayMs * (1 - chance / 2)));
}
