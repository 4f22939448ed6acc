/**
 * What clients sign: REQUEST, with operations to execute, and OPEN, which makes a session. Both carry `seen`, the client's last
 * accepted entry: its signature under the history it has seen is what makes forks join at most once.
 */

import {
  bytes,
  encode,
  fixed,
  list,
  type Schema,
  struct,
  type TypeOf,
  u32,
  u53,
  union,
} from '../../codec/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { concatBytes, u32Bytes } from '../../types/bytes.ts';
import type { Digest, Signature } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import { statement } from '../statement.ts';
import { CAPS } from './caps.ts';

/** (s, HCD^s) of an entry: the point of a history that someone has seen. */
export const seenSchema = struct({ sequenceNumber: u53, hashChainDigest: fixed(32) });
export type Seen = TypeOf<typeof seenSchema>;

/** The (batch, index) of the OPEN that made a session; totally ordered, never used twice. */
export const sessionNumberSchema = struct({ sequenceNumber: u53, index: u32 });
export type SessionNumber = TypeOf<typeof sessionNumberSchema>;

const requestSchema = struct({
  /** The client's public key. */
  client: fixed(32),
  session: sessionNumberSchema,
  /** Strictly increasing within the session. */
  timestamp: u53,
  /** Opaque to the protocol; executed in order. */
  operations: list(bytes(CAPS.operationBytes), CAPS.operationsPerRequest),
  seen: seenSchema,
  signature: fixed(64),
});

const openSchema = struct({
  client: fixed(32),
  /** Drawn at random by the client; a repeat within the chain window gets the first answer. */
  nonce: fixed(16),
  seen: seenSchema,
  signature: fixed(64),
});

/** REQUEST and OPEN: everything that a batch may hold. */
export const clientRequestSchema = union('type', { request: [1, requestSchema], open: [2, openSchema] });
export type ClientRequest = TypeOf<typeof clientRequestSchema>;
export type Request = Extract<ClientRequest, { type: 'request' }>;
export type Open = Extract<ClientRequest, { type: 'open' }>;

export type Unsigned<T extends { readonly signature: Signature }> = Omit<T, 'signature'>;

/** H over count and length-prefixed operations, so that the statement has a fixed width. */
function operationsDigest(crypto: Pick<Crypto, 'hash'>, operations: readonly Uint8Array[]): Digest {
  const parts: Uint8Array[] = [u32Bytes(operations.length)];
  for (const operation of operations) parts.push(u32Bytes(operation.length), operation);
  return crypto.hash(concatBytes(...parts));
}

/** The bytes a client signs. */
export function requestStatement(
  cluster: Cluster,
  crypto: Pick<Crypto, 'hash'>,
  request: Unsigned<Request> | Unsigned<Open>,
): Uint8Array {
  const { seen } = request;
  return request.type === 'request'
    ? statement(
        cluster,
        'request',
        request.client,
        request.session.sequenceNumber,
        request.session.index,
        request.timestamp,
        operationsDigest(crypto, request.operations),
        seen.sequenceNumber,
        seen.hashChainDigest,
      )
    : statement(cluster, 'open', request.client, request.nonce, seen.sequenceNumber, seen.hashChainDigest);
}

const digests = new WeakMap<ClientRequest, Digest>();

/**
 * H over the statement *and* the signature: a batch's digest fixes its signatures too, so a body that was altered in a signature alone is
 * not the body that was certified. Remembered per object; requests are immutable.
 */
export function requestDigest(
  cluster: Cluster,
  crypto: Pick<Crypto, 'hash'>,
  request: ClientRequest,
): Digest {
  let digest = digests.get(request);
  if (digest === undefined) {
    digest = crypto.hash(requestStatement(cluster, crypto, request), request.signature);
    digests.set(request, digest);
  }
  return digest;
}

/** The total bytes of a request's operations. */
export function operationBytes(request: Request): number {
  let total = 0;
  for (const operation of request.operations) total += operation.length;
  return total;
}

/** The bytes that a request takes in a batch. */
export function requestBytes(request: ClientRequest): number {
  return request.type === 'request' ? 185 + operationBytes(request) + 4 * request.operations.length : 153;
}

/** Why a request can never be executed in this cluster, whatever the state; undefined if it can. */
export function rejectRequestForm(cluster: Cluster, request: ClientRequest): string | undefined {
  if (request.type === 'open') return undefined;
  const { limits } = cluster;
  if (request.operations.length === 0) return 'NO_OPERATIONS';
  if (request.operations.length > limits.operationsPerRequestMax) return 'TOO_MANY_OPERATIONS';
  if (operationBytes(request) > limits.requestBytesMax) return 'REQUEST_TOO_LARGE';
  return undefined;
}

/** What names a request for retransmission and supersession: its session, or the key and nonce of an OPEN. */
export function encodeSessionNumber(session: SessionNumber): Uint8Array {
  return encode(sessionNumberSchema as Schema<SessionNumber>, session);
}
