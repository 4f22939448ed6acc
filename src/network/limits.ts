/**
 * Every limit of the transport. Each is one replica's or client's own affair: they need not agree, and what the
 * other side may send is told to it in HELLO.
 */

export interface NetworkLimits {
  /** Most payload bytes of a frame from a replica. A longer one closes the connection before it is buffered. */
  readonly frameBytesMax: number;
  /** The same for frames from clients: requests are small, and there may be a thousand clients. */
  readonly clientFrameBytesMax: number;
  /** Memory for frames waiting to leave to a replica; what does not fit is dropped, and STATUS heals it. */
  readonly peerQueueBytesMax: number;
  /** Memory for frames waiting to leave to one client connection, which is closed when they do not fit. */
  readonly clientQueueBytesMax: number;
  /** From the TCP connection to the end of HELLO. */
  readonly handshakeTimeoutMs: number;
  /** Accepted connections before the end of HELLO. */
  readonly unauthenticatedMax: number;
  /** A connection this old without HELLO makes room for a new one when `unauthenticatedMax` is reached. */
  readonly unauthenticatedGraceMs: number;
  readonly clientConnectionsMax: number;
  readonly clientConnectionsPerKeyMax: number;
  /** Frames that one connection may deliver before every other one had its turn. */
  readonly turnFramesMax: number;
  /** Payload bytes that one connection may deliver before every other one had its turn. */
  readonly turnBytesMax: number;
  /** Silence after which a replica is taken for gone. Heartbeats come every second at the least. */
  readonly idleTimeoutMs: number;
  /** The same between a client and a replica, who have no heartbeats. */
  readonly clientIdleTimeoutMs: number;
  /** Pause before the first new attempt to connect; it doubles with each failure. */
  readonly redialMinMs: number;
  readonly redialMaxMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_NETWORK_LIMITS: NetworkLimits = {
  frameBytesMax: 4 * MIB,
  clientFrameBytesMax: 256 * KIB,
  peerQueueBytesMax: 16 * MIB,
  clientQueueBytesMax: MIB,
  handshakeTimeoutMs: 5_000,
  unauthenticatedMax: 64,
  unauthenticatedGraceMs: 1_000,
  clientConnectionsMax: 1_024,
  clientConnectionsPerKeyMax: 8,
  turnFramesMax: 256,
  turnBytesMax: MIB,
  idleTimeoutMs: 10_000,
  clientIdleTimeoutMs: 120_000,
  redialMinMs: 50,
  redialMaxMs: 5_000,
};

/** No timer of Node can be longer: it would fire at once. */
const LIMIT_MAX = 2 ** 31 - 1;

/** The defaults with `changes` applied. @throws RangeError naming a limit that is no integer in 1…2³¹−1. */
export function networkLimits(changes: Partial<NetworkLimits> = {}): NetworkLimits {
  const limits = { ...DEFAULT_NETWORK_LIMITS, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isInteger(value) || value < 1 || value > LIMIT_MAX) {
      throw new RangeError(`network limit ${name} is ${value}; it must be an integer in 1…${LIMIT_MAX}`);
    }
  }
  return limits;
}
