/** Limits and times that are each replica's own: they bound its memory and decide nothing that others must agree on. */

export interface LocalLimits {
  /** Requests that wait to be ordered, and their bytes. Above: BUSY. */
  readonly pendingRequestsMax: number;
  readonly pendingBytesMax: number;
  /** Waiting requests of one client key. */
  readonly pendingPerKeyMax: number;
  /** Waiting requests of one client key that name no known session. */
  readonly unknownSessionsPerKeyMax: number;
  /** The oldest waiting requests, which have clocks and are relayed. */
  readonly clockedRequests: number;
  /** Bodies of executed batches that stay in memory; the others are read from the log when a peer asks. Also bodies fetched ahead of execution. */
  readonly bodyBytesMax: number;
  /** At each checkpoint so many bytes are hashed in one go, then the next millisecond is waited for. */
  readonly checkpointSliceBytes: number;
  /** READs held until the state they need has been executed. */
  readonly heldReadsMax: number;
  /** T₀ and the largest T, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly requestTimeoutMaxMs: number;
  readonly heartbeatMs: number;
  /** Between heartbeats while nothing changes. */
  readonly idleHeartbeatMs: number;
  /** How long a primary with one batch in flight waits for more requests; up to sixteen times longer with more in flight. */
  readonly batchDelayMs: number;
  /** Before the next peer is asked for a header or body that f+1 voters vouch for. */
  readonly gapTimeoutMs: number;
  /** Before the next peer is asked for anything else, plus 1 ms per KiB expected. */
  readonly fetchTimeoutMs: number;
  /** FETCHes under way at once, of each kind of thing that may be missing in numbers. */
  readonly fetchesMax: number;
  /** Snapshots kept in memory or pinned on disk for peers that transfer them. */
  readonly transferLeaseMs: number;
  /** What a client is told to wait when it is refused for now. */
  readonly busyRetryMs: number;
}

export const DEFAULT_LOCAL_LIMITS: LocalLimits = {
  pendingRequestsMax: 4096,
  pendingBytesMax: 64 * 1024 * 1024,
  pendingPerKeyMax: 1024,
  unknownSessionsPerKeyMax: 8,
  clockedRequests: 16,
  bodyBytesMax: 64 * 1024 * 1024,
  checkpointSliceBytes: 512 * 1024,
  heldReadsMax: 256,
  requestTimeoutMs: 1_000,
  requestTimeoutMaxMs: 60_000,
  heartbeatMs: 100,
  idleHeartbeatMs: 1_000,
  batchDelayMs: 2,
  gapTimeoutMs: 50,
  fetchTimeoutMs: 250,
  fetchesMax: 8,
  transferLeaseMs: 600_000,
  busyRetryMs: 100,
};
