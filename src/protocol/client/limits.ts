/** Times and sizes of a client session; each client's own. They bound its memory and its patience and decide nothing that is agreed on. */

export interface ClientLimits {
  /** First wait before the request in flight is sent again; the next is `repeatGrowth` times longer, up to `repeatMaxMs`. */
  readonly repeatMs: number;
  readonly repeatGrowth: number;
  readonly repeatMaxMs: number;
  /** How long the designated replica has, after Q hashes, before one replier is asked for the results; then grows likewise. */
  readonly resultMs: number;
  /** How long a READ may take before it is ordered as a request. */
  readonly readMs: number;
  /** How long one replica has to answer a FETCH before the next is asked. */
  readonly fetchMs: number;
  /**
   * How long a head that the caller shows may hold up what waits, and a refused history its operations, while nobody proves how the head
   * stands to ours.
   */
  readonly proofMs: number;
  /** One piece of EVIDENCE is judged of each replica in so long a time. */
  readonly evidenceMs: number;
  /** Operations and reads that wait behind what is in flight, and their bytes. Above: rejected with QUEUE-FULL. */
  readonly queuedMax: number;
  readonly queuedBytesMax: number;
  /** Different verified answers kept of each replica to what is in flight; the oldest goes first. */
  readonly answersPerReplicaMax: number;
  /** Verified entries remembered of each replica. */
  readonly entriesPerReplicaMax: number;
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  repeatMs: 500,
  repeatGrowth: 1.5,
  repeatMaxMs: 5_000,
  resultMs: 20,
  readMs: 200,
  fetchMs: 250,
  proofMs: 5_000,
  evidenceMs: 250,
  queuedMax: 4_096,
  queuedBytesMax: 16 * 1024 * 1024,
  answersPerReplicaMax: 4,
  entriesPerReplicaMax: 8,
};

/** The wait after one of `delayMs`: longer, whole milliseconds, up to the limit. */
export function nextDelayMs({ repeatGrowth, repeatMaxMs }: ClientLimits, delayMs: number): number {
  return Math.min(Math.ceil(delayMs * repeatGrowth), repeatMaxMs);
}
