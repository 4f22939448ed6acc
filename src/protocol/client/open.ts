/** OPEN: how a session begins (docs/protocol.md §8). It is sent when there is something to order and no session to order it in. */

import { decode } from '../../codec/index.ts';
import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../context.ts';
import {
  type Open,
  requestStatement,
  type Seen,
  type SessionNumber,
  sessionNumberSchema,
  type Unsigned,
} from '../messages/request.ts';

/** Bytes of an OPEN's nonce. */
export const OPEN_NONCE_BYTES = 16;

export function makeOpen({ cluster, crypto }: Context, signer: Signer, nonce: Uint8Array, seen: Seen): Open {
  const unsigned: Unsigned<Open> = { type: 'open', client: signer.publicKey, nonce, seen };
  return { ...unsigned, signature: signer.sign(requestStatement(cluster, crypto, unsigned)) };
}

/** The number of the session that an OPEN made, from its results; undefined if they hold none. */
export function readSessionNumber(results: readonly Uint8Array[]): SessionNumber | undefined {
  const decoded = results[0] === undefined ? undefined : decode(sessionNumberSchema, results[0]);
  return decoded?.ok ? decoded.value : undefined;
}
