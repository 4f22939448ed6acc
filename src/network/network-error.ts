/**
 * Why a connection ended, or could not be made. The code is the label under which the event is counted, so that an
 * operator's chart and a log line name the same thing.
 */

export const NETWORK_ERROR_CODES = [
  /** The listening socket could not be opened, or failed to accept; `cause` is the system's error. */
  'LISTEN_FAILED',
  /** No TCP connection to the other side; `cause` is the system's error. */
  'DIAL_FAILED',
  /** The other side spoke no TLS 1.3, presented no acceptable key, or left before the handshake was over. */
  'TLS_FAILED',
  /** Accepted or dialled, but no HELLO within the time for it. */
  'HANDSHAKE_TIMEOUT',
  /** No certificate, or one for a key that is not Ed25519. */
  'CERTIFICATE',
  /** The first frame was no HELLO. */
  'MALFORMED',
  'NO_COMMON_VERSION',
  'WRONG_CLUSTER',
  'WRONG_EPOCH',
  /** Another key than the genesis names for this replica, or than the one TLS proved. */
  'WRONG_KEY',
  /** A HELLO that its key did not sign for this connection: altered, or recorded on another one. */
  'BAD_SIGNATURE',
  /** A role or replica number that may not connect here. */
  'WRONG_INDEX',
  /** One of the limits on the number of connections is reached. */
  'BUSY',
  /** The other side refused us; the message has its words. */
  'REFUSED',
  'FRAME_TOO_LARGE',
  /** Nothing was heard for the idle time. */
  'IDLE',
  /** The other side reads more slowly than we must write. */
  'OVERFLOW',
  /** The same replica connected anew. */
  'REPLACED',
  'PEER_CLOSED',
  /** An established connection broke; `cause` is the system's error. */
  'SOCKET_FAILED',
  /** This side closed the transport. */
  'CLOSED',
] as const;

export type NetworkErrorCode = (typeof NETWORK_ERROR_CODES)[number];

export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: NetworkErrorCode;

  constructor(code: NetworkErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
