/**
 * What a client must not forget (docs/protocol.md §8). For a durable session, the request in flight is stored before it is sent, and the
 * accepted head before a result is handed out: the next process sends the same bytes until they are answered. Of a volatile session
 * only the key's accepted head is stored.
 */

import {
  type DecodeError,
  decode,
  encode,
  fixed,
  optional,
  struct,
  type TypeOf,
  u53,
} from '../../codec/index.ts';
import type { Result } from '../../types/result.ts';
import { headSchema } from '../messages/entry.ts';
import { clientRequestSchema, sessionNumberSchema } from '../messages/request.ts';

export const durableSessionSchema = struct({
  /** Whose this is: a file of another cluster or key must not be taken for one's own. */
  cluster: fixed(32),
  client: fixed(32),
  /** Undefined before OPEN was answered, after the session was lost, and in a volatile session. */
  session: optional(sessionNumberSchema),
  /** The last timestamp used in the session; 0 before the first request. */
  timestamp: u53,
  /** Signed, perhaps sent, not known to be answered. */
  inFlight: optional(clientRequestSchema),
  /** The last accepted head; undefined: genesis. */
  accepted: optional(headSchema),
});
export type DurableSession = TypeOf<typeof durableSessionSchema>;

export function encodeDurableSession(session: DurableSession): Uint8Array {
  return encode(durableSessionSchema, session);
}

/** Never throws: the file may be damaged. */
export function decodeDurableSession(bytes: Uint8Array): Result<DurableSession, DecodeError> {
  return decode(durableSessionSchema, bytes);
}
