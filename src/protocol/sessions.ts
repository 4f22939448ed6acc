/**
 * The session table: part of the replicated state (docs/protocol.md §8; after Ongaro's dissertation §6.3). For each session it holds the last
 * timestamp, where that request was executed and what it was answered, so that a request is executed once and its reply can be sent
 * again. The table is bounded; an evicted session never revives. It lives in an authenticated map, whose digest is in Σ; the indices
 * beside it (per key, by age) are derived from it.
 */

import { decode, encode, fixed, list, optional, struct, type TypeOf, u32, u53 } from '../codec/index.ts';
import {
  createMerkleMap,
  type MerkleMap,
  type MerkleMapVersion,
  restoreMerkleMap,
} from '../crypto/merkle-map/index.ts';
import type { Crypto } from '../crypto/port.ts';
import { assert } from '../types/assert.ts';
import { concatBytes, keyOf, u32Bytes, u64Bytes } from '../types/bytes.ts';
import { type Digest, PUBLIC_KEY_BYTES, type PublicKey, type SequenceNumber } from '../types/identities.ts';
import type { GenesisLimits } from './genesis.ts';
import { CAPS } from './messages/caps.ts';
import { resultsSchema, statusSchema } from './messages/reply.ts';
import type { Open, SessionNumber } from './messages/request.ts';
import { seenSchema, sessionNumberSchema } from './messages/request.ts';

/** A reply as all replicas store it: everything but who signs it. */
const storedReplySchema = struct({
  requestDigest: fixed(32),
  status: statusSchema,
  resultsRoot: fixed(32),
  /** Undefined once the table had to make room: the outcome is kept, the bytes are not. */
  results: optional(resultsSchema),
  index: u32,
  size: u32,
  path: list(fixed(32), CAPS.path),
  sequenceNumber: u53,
  hashChainDigest: fixed(32),
  repliesRoot: fixed(32),
  logRoot: fixed(32),
});
export type StoredReply = TypeOf<typeof storedReplySchema>;

const sessionSchema = struct({
  client: fixed(32),
  number: sessionNumberSchema,
  /** The nonce of the OPEN that made it. */
  nonce: fixed(16),
  /** Of the last executed request; 0 before the first. */
  timestamp: u53,
  /** The entry of the last request (or OPEN) that was applied: `seen` may not be older (GAP). */
  applied: seenSchema,
  /** The s of the last executed request: the least recent is evicted first. */
  executedAt: u53,
  reply: optional(storedReplySchema),
});
export type Session = TypeOf<typeof sessionSchema>;

const nonceSchema = struct({ sequenceNumber: u53, session: sessionNumberSchema });

export interface Sessions {
  readonly map: MerkleMap;
  /** Derived: decoded sessions by `sessionKey`, least recently executed first, ties by number. */
  readonly byAge: Map<string, Session>;
  /** Derived: the session keys of each client, in the order of `byAge`. */
  readonly byClient: Map<string, Set<string>>;
  /** Derived: map keys of the remembered nonces, oldest first. */
  readonly nonces: Map<string, SequenceNumber>;
  /** Derived: how many of them each client has. */
  readonly noncesByClient: Map<string, number>;
  /** Derived: bytes of all stored results. */
  resultBytes: number;
}

/** Nonces remembered for each session that a key may have. */
const NONCES_PER_SESSION = 16;

const SESSION_TAG = Uint8Array.of(0x73);
const NONCE_TAG = Uint8Array.of(0x6e);

/** The key of a session in JavaScript maps; equal for equal numbers. */
export function sessionKey(number: SessionNumber): string {
  return `${number.sequenceNumber}.${number.index}`;
}

function sessionMapKey(number: SessionNumber): Uint8Array {
  return concatBytes(SESSION_TAG, u64Bytes(number.sequenceNumber), u32Bytes(number.index));
}

function nonceMapKey(open: Pick<Open, 'client' | 'nonce'>): Uint8Array {
  return concatBytes(NONCE_TAG, open.client, open.nonce);
}

export function createSessions(crypto: Pick<Crypto, 'hash'>): Sessions {
  return {
    map: createMerkleMap(crypto.hash),
    byAge: new Map(),
    byClient: new Map(),
    nonces: new Map(),
    noncesByClient: new Map(),
    resultBytes: 0,
  };
}

export function findSession(sessions: Sessions, number: SessionNumber): Session | undefined {
  return sessions.byAge.get(sessionKey(number));
}

function storedBytes(session: Session): number {
  let total = 0;
  for (const result of session.reply?.results ?? []) total += result.length;
  return total;
}

/** Makes `session` the newest of the table, replacing its earlier version. */
function store(sessions: Sessions, session: Session): void {
  const key = sessionKey(session.number);
  const earlier = sessions.byAge.get(key);
  if (earlier !== undefined) {
    sessions.resultBytes -= storedBytes(earlier);
    sessions.byAge.delete(key);
  }
  sessions.byAge.set(key, session);
  sessions.resultBytes += storedBytes(session);
  const client = keyOf(session.client);
  const own = sessions.byClient.get(client) ?? new Set();
  own.delete(key);
  own.add(key);
  sessions.byClient.set(client, own);
  sessions.map.put(sessionMapKey(session.number), encode(sessionSchema, session));
}

function evict(sessions: Sessions, session: Session): void {
  const key = sessionKey(session.number);
  sessions.byAge.delete(key);
  sessions.resultBytes -= storedBytes(session);
  const client = keyOf(session.client);
  const own = sessions.byClient.get(client);
  own?.delete(key);
  if (own?.size === 0) sessions.byClient.delete(client);
  sessions.map.delete(sessionMapKey(session.number));
}

/**
 * Makes room for one more session of `client` at batch s, or answers false. A key at its own maximum loses its least recently
 * executed session; a full table loses the least recently executed one of all, if that has been idle for the chain window.
 */
function makeRoom(
  sessions: Sessions,
  limits: GenesisLimits,
  listed: ReadonlySet<string>,
  client: PublicKey,
  s: SequenceNumber,
): boolean {
  const clientKey = keyOf(client);
  const own = sessions.byClient.get(clientKey);
  if (own !== undefined && own.size >= limits.sessionsPerKeyMax) {
    const oldest = sessions.byAge.get(own.values().next().value!)!;
    evict(sessions, oldest);
    return true;
  }
  const isReserved = listed.has(clientKey) && (own?.size ?? 0) < limits.sessionsReservedPerListedKey;
  const reserved = isReserved ? 0 : reservedElsewhere(sessions, limits, listed, clientKey);
  while (sessions.byAge.size + reserved >= limits.sessionsMax) {
    const oldest: Session | undefined = sessions.byAge.values().next().value;
    if (oldest === undefined || s - oldest.executedAt < limits.chainWindow) return false;
    evict(sessions, oldest);
  }
  return true;
}

/** Places that listed keys other than `clientKey` are promised and do not use. */
function reservedElsewhere(
  sessions: Sessions,
  limits: GenesisLimits,
  listed: ReadonlySet<string>,
  clientKey: string,
): number {
  let reserved = 0;
  for (const key of listed) {
    if (key === clientKey) continue;
    const used = sessions.byClient.get(key)?.size ?? 0;
    reserved += Math.max(0, limits.sessionsReservedPerListedKey - used);
  }
  return reserved;
}

/** The session that an OPEN with this nonce made, where that is remembered; it may be evicted by now. */
export function findNonce(
  sessions: Sessions,
  open: Pick<Open, 'client' | 'nonce'>,
): SessionNumber | undefined {
  const bytes = sessions.map.get(nonceMapKey(open));
  if (bytes === undefined) return undefined;
  const decoded = decode(nonceSchema, bytes);
  assert(decoded.ok, 'the session table decodes what it encoded');
  return decoded.value.session;
}

/** Makes the session (s, index), or answers undefined if there is no room. The caller completes it with `recordExecution`. */
export function openSession(
  sessions: Sessions,
  limits: GenesisLimits,
  listed: ReadonlySet<string>,
  open: Open,
  s: SequenceNumber,
  index: number,
): Session | undefined {
  // A key that opens and opens evicts its own sessions, but each nonce is remembered: that, too, must end somewhere.
  const remembered = sessions.noncesByClient.get(keyOf(open.client)) ?? 0;
  if (remembered >= NONCES_PER_SESSION * limits.sessionsPerKeyMax) return undefined;
  if (!makeRoom(sessions, limits, listed, open.client, s)) return undefined;
  const number = { sequenceNumber: s, index };
  const session: Session = {
    client: open.client,
    number,
    nonce: open.nonce,
    timestamp: 0,
    applied: open.seen,
    executedAt: s,
    reply: undefined,
  };
  store(sessions, session);
  return session;
}

/**
 * Remembers the nonce of an OPEN that made a session for the chain window, so that a repeat makes no second one. A refused OPEN is not
 * remembered: its repeat is refused, or served, anew.
 */
export function rememberNonce(
  sessions: Sessions,
  open: Open,
  s: SequenceNumber,
  session: SessionNumber,
): void {
  const key = nonceMapKey(open);
  sessions.map.put(key, encode(nonceSchema, { sequenceNumber: s, session }));
  addNonce(sessions, keyOf(key), s);
}

function addNonce(sessions: Sessions, key: string, s: SequenceNumber): void {
  sessions.nonces.set(key, s);
  const client = clientOfNonce(key);
  sessions.noncesByClient.set(client, (sessions.noncesByClient.get(client) ?? 0) + 1);
}

function forgetNonce(sessions: Sessions, key: string): void {
  sessions.nonces.delete(key);
  sessions.map.delete(bytesOfKey(key));
  const client = clientOfNonce(key);
  const left = (sessions.noncesByClient.get(client) ?? 1) - 1;
  if (left === 0) sessions.noncesByClient.delete(client);
  else sessions.noncesByClient.set(client, left);
}

/** The part of a nonce's map key that is the client's. */
function clientOfNonce(key: string): string {
  return key.slice(NONCE_TAG.length, NONCE_TAG.length + PUBLIC_KEY_BYTES);
}

/**
 * What executing batch s changed for one session. Called once per session and batch, by ascending session number, so that ties
 * in age are broken alike everywhere.
 */
export function recordExecution(
  sessions: Sessions,
  number: SessionNumber,
  timestamp: number,
  wasApplied: boolean,
  reply: StoredReply,
): void {
  const session = findSession(sessions, number);
  if (session === undefined) return; // Evicted by a later OPEN of the same batch.
  store(sessions, {
    ...session,
    timestamp,
    applied: wasApplied
      ? { sequenceNumber: reply.sequenceNumber, hashChainDigest: reply.hashChainDigest }
      : session.applied,
    executedAt: reply.sequenceNumber,
    reply,
  });
}

/** At the end of batch s: forgets nonces older than the chain window, and result bytes beyond the limit. */
export function trimSessions(sessions: Sessions, limits: GenesisLimits, s: SequenceNumber): void {
  const expired: string[] = [];
  for (const [key, at] of sessions.nonces) {
    if (s - at < limits.chainWindow) break;
    expired.push(key);
  }
  // Sorted: the map's shape depends on the order of deletions, and a restored table knows no other order.
  for (const key of expired.sort()) forgetNonce(sessions, key);
  if (sessions.resultBytes <= limits.sessionResultBytesMax) return;
  for (const session of [...sessions.byAge.values()]) {
    if (sessions.resultBytes <= limits.sessionResultBytesMax) return;
    if (session.reply?.results === undefined || storedBytes(session) === 0) continue;
    replaceInPlace(sessions, { ...session, reply: { ...session.reply, results: undefined } });
  }
}

/** Replaces a session without changing its age. */
function replaceInPlace(sessions: Sessions, session: Session): void {
  const key = sessionKey(session.number);
  sessions.resultBytes += storedBytes(session) - storedBytes(sessions.byAge.get(key)!);
  sessions.byAge.set(key, session);
  sessions.map.put(sessionMapKey(session.number), encode(sessionSchema, session));
}

function bytesOfKey(key: string): Uint8Array {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

export function snapshotSessions(sessions: Sessions): MerkleMapVersion {
  return sessions.map.snapshot();
}

/** The table whose chunks these are; @throws Error on bytes that no table has. */
export function restoreSessions(crypto: Pick<Crypto, 'hash'>, chunks: readonly Uint8Array[]): Sessions {
  const sessions: Sessions = { ...createSessions(crypto), map: restoreMerkleMap(crypto.hash, chunks) };
  const all: Session[] = [];
  const nonces: [string, SequenceNumber][] = [];
  for (const [key, value] of sessions.map.scan()) {
    if (key[0] === SESSION_TAG[0]) {
      const decoded = decode(sessionSchema, value);
      assert(decoded.ok, 'a transferred session decodes');
      all.push(decoded.value);
    } else {
      const decoded = decode(nonceSchema, value);
      assert(decoded.ok, 'a transferred nonce decodes');
      nonces.push([keyOf(key), decoded.value.sequenceNumber]);
    }
  }
  all.sort((a, b) => a.executedAt - b.executedAt || compareNumbers(a.number, b.number));
  for (const session of all) {
    const key = sessionKey(session.number);
    sessions.byAge.set(key, session);
    sessions.resultBytes += storedBytes(session);
    const client = keyOf(session.client);
    const own = sessions.byClient.get(client) ?? new Set();
    own.add(key);
    sessions.byClient.set(client, own);
  }
  nonces.sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
  for (const [key, s] of nonces) addNonce(sessions, key, s);
  return sessions;
}

export function compareNumbers(a: SessionNumber, b: SessionNumber): number {
  return a.sequenceNumber - b.sequenceNumber || a.index - b.index;
}

/** The digest that Σ covers. */
export function sessionsDigest(version: MerkleMapVersion): Digest {
  return version.digest();
}
