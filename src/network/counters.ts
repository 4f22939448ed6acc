/** What the transport counts, ever increasing, for metrics. */

import type { SendOutcome } from './channel.ts';
import { NETWORK_ERROR_CODES, type NetworkErrorCode } from './network-error.ts';

export type DropReason = Exclude<SendOutcome, 'queued'>;

export interface Counters {
  framesReceived: number;
  framesSent: number;
  bytesReceived: number;
  bytesSent: number;
  /** Writes to sockets; frames that leave in the same turn share one. */
  writes: number;
  /** Frames given to `send` that will never leave. */
  readonly dropped: Record<DropReason, number>;
  /** Connections ended, and attempts to connect or be connected to that failed. */
  readonly closed: Record<NetworkErrorCode, number>;
}

export function createCounters(): Counters {
  return {
    framesReceived: 0,
    framesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    writes: 0,
    dropped: { QUEUE_FULL: 0, FRAME_TOO_LARGE: 0, NOT_CONNECTED: 0 },
    closed: Object.fromEntries(NETWORK_ERROR_CODES.map((code) => [code, 0])) as Record<
      NetworkErrorCode,
      number
    >,
  };
}

/** A copy that later events do not change. */
export function copyCounters(counters: Counters): Counters {
  return { ...counters, dropped: { ...counters.dropped }, closed: { ...counters.closed } };
}
