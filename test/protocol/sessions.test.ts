import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/crypto/sha256.ts';
import { DEFAULT_GENESIS_LIMITS, type GenesisLimits } from '../../src/protocol/genesis.ts';
import {
  compareNumbers,
  createSessions,
  findNonce,
  findSession,
  openSession,
  recordExecution,
  rememberNonce,
  restoreSessions,
  type Sessions,
  type StoredReply,
  sessionKey,
  sessionsDigest,
  snapshotSessions,
  trimSessions,
} from '../../src/protocol/sessions.ts';
import { keyOf, toHex } from '../../src/types/bytes.ts';
import { digestOf, makeTestCluster, randomFrom, signerOf, signOpen } from './support.ts';

const test = makeTestCluster();
const crypto = { hash: sha256 };
const NONE: ReadonlySet<string> = new Set();
const LIMITS: GenesisLimits = {
  ...DEFAULT_GENESIS_LIMITS,
  chainWindow: 10,
  sessionsMax: 6,
  sessionsPerKeyMax: 3,
  sessionsReservedPerListedKey: 2,
  sessionResultBytesMax: 100,
};

function replyAt(s: number, results: readonly Uint8Array[] = [new Uint8Array(4)]): StoredReply {
  return {
    requestDigest: digestOf(`request ${s}`),
    status: 'OK',
    resultsRoot: digestOf('results'),
    results: [...results],
    index: 0,
    size: 1,
    path: [],
    sequenceNumber: s,
    hashChainDigest: digestOf(`HCD ${s}`),
    repliesRoot: digestOf(`R ${s}`),
    logRoot: digestOf(`L ${s}`),
  };
}

/** OPEN by `client` at (s, index), executed as the ledger does it. */
function open(sessions: Sessions, client: string, s: number, index = 0, listed = NONE, limits = LIMITS) {
  const request = signOpen(test, client, s * 1000 + index);
  const session = openSession(sessions, limits, listed, request, s, index);
  if (session === undefined) return undefined;
  rememberNonce(sessions, request, s, session.number);
  recordExecution(sessions, session.number, 0, true, replyAt(s));
  return session.number;
}

const held = (sessions: Sessions) => [...sessions.byAge.keys()];
const digest = (sessions: Sessions) => toHex(sessionsDigest(snapshotSessions(sessions)));
const restored = (sessions: Sessions) =>
  restoreSessions(
    crypto,
    snapshotSessions(sessions)
      .chunks()
      .map((chunk) => chunk.bytes()),
  );

describe('docs/protocol.md §8: the session table', () => {
  it('holds what was executed last, and where', () => {
    const sessions = createSessions(crypto);
    const number = open(sessions, 'alice', 3, 1)!;
    expect(number).toEqual({ sequenceNumber: 3, index: 1 });
    recordExecution(sessions, number, 8, true, replyAt(5));
    recordExecution(sessions, number, 9, false, { ...replyAt(6), status: 'GAP' });
    expect(findSession(sessions, number)).toMatchObject({
      timestamp: 9,
      applied: { sequenceNumber: 5, hashChainDigest: digestOf('HCD 5') },
      executedAt: 6,
      reply: { status: 'GAP' },
    });
    expect(findSession(sessions, { sequenceNumber: 3, index: 0 })).toBeUndefined();
  });

  it('is bounded: a full table takes a new session only for one that was idle for the chain window', () => {
    const sessions = createSessions(crypto);
    for (let i = 0; i < 6; i++) open(sessions, `client ${i}`, 1 + i);
    recordExecution(sessions, { sequenceNumber: 1, index: 0 }, 1, true, replyAt(7));
    // The oldest is now that of s = 2: evictable from s = 12 on.
    expect(open(sessions, 'late', 11)).toBeUndefined();
    expect(sessions.byAge.size).toBe(6);
    expect(open(sessions, 'late', 12)).toBeDefined();
    expect(held(sessions)).toEqual(['3.0', '4.0', '5.0', '6.0', '1.0', '12.0']);
    expect(findSession(sessions, { sequenceNumber: 2, index: 0 })).toBeUndefined();
  });

  it('evicts the least recently executed first, ties by number', () => {
    const sessions = createSessions(crypto);
    for (let i = 0; i < 6; i++) open(sessions, `client ${i}`, 1, i);
    open(sessions, 'a', 30, 0);
    open(sessions, 'b', 30, 1);
    expect(held(sessions)).toEqual(['1.2', '1.3', '1.4', '1.5', '30.0', '30.1']);
  });

  it("a key at its own maximum loses its own oldest, no one else's", () => {
    const sessions = createSessions(crypto);
    open(sessions, 'bob', 1);
    for (let s = 2; s < 8; s++) open(sessions, 'alice', s);
    expect(held(sessions)).toEqual(['1.0', '5.0', '6.0', '7.0']);
  });

  it('keeps room for listed keys that others cannot take', () => {
    const listed = new Set([keyOf(signerOf('alice').publicKey)]);
    const sessions = createSessions(crypto);
    for (let i = 0; i < 4; i++) expect(open(sessions, `stranger ${i}`, 1 + i, 0, listed)).toBeDefined();
    expect(open(sessions, 'stranger 4', 5, 0, listed)).toBeUndefined();
    expect(open(sessions, 'alice', 6, 0, listed)).toBeDefined();
    expect(open(sessions, 'alice', 7, 0, listed)).toBeDefined();
    expect(open(sessions, 'alice', 8, 0, listed)).toBeUndefined();
  });

  it('remembers the nonces of OPENs for the chain window, also when their sessions are gone', () => {
    const sessions = createSessions(crypto);
    const first = signOpen(test, 'alice', 1000);
    const number = open(sessions, 'alice', 1)!;
    for (let s = 2; s <= 4; s++) open(sessions, 'alice', s);
    expect(findSession(sessions, number)).toBeUndefined();
    expect(findNonce(sessions, first)).toEqual(number);
    expect(findNonce(sessions, signOpen(test, 'alice', 1))).toBeUndefined();
    // A nonce is its key's own.
    expect(findNonce(sessions, signOpen(test, 'carol', 1000))).toBeUndefined();
    trimSessions(sessions, LIMITS, 10);
    expect(findNonce(sessions, first)).toBeDefined();
    trimSessions(sessions, LIMITS, 11);
    expect(findNonce(sessions, first)).toBeUndefined();
    expect(sessions.nonces.size).toBe(3);
  });

  it('bounds the nonces of one key, so that opening and opening comes to an end until the window has passed', () => {
    const sessions = createSessions(crypto);
    let opened = 0;
    while (open(sessions, 'alice', 1, opened) !== undefined) opened++;
    expect(opened).toBe(16 * LIMITS.sessionsPerKeyMax);
    expect(sessions.nonces.size).toBe(opened);
    expect(open(sessions, 'bob', 2)).toBeDefined();
    const again = restored(sessions);
    for (const each of [sessions, again]) {
      expect(open(each, 'alice', 3)).toBeUndefined();
      trimSessions(each, LIMITS, 1 + LIMITS.chainWindow);
      expect(open(each, 'alice', 12)).toBeDefined();
    }
    expect(digest(again)).toBe(digest(sessions));
  });

  it('drops the bytes of the oldest results beyond the limit and keeps the outcomes', () => {
    const sessions = createSessions(crypto);
    const numbers = [1, 2, 3].map((s) => open(sessions, `client ${s}`, s)!);
    for (const [i, number] of numbers.entries()) {
      recordExecution(sessions, number, 1, true, replyAt(4 + i, [new Uint8Array(20), new Uint8Array(20)]));
    }
    expect(sessions.resultBytes).toBe(120);
    trimSessions(sessions, LIMITS, 6);
    expect(sessions.resultBytes).toBe(80);
    expect(numbers.map((it) => findSession(sessions, it)?.reply?.results?.length)).toEqual([undefined, 2, 2]);
    expect(findSession(sessions, numbers[0]!)?.reply?.status).toBe('OK');
    expect(held(sessions)).toEqual(numbers.map(sessionKey));
  });

  it('refuses chunks that no table has', () => {
    const sessions = createSessions(crypto);
    for (let i = 0; i < 5; i++) open(sessions, `client ${i}`, 1, i);
    const [chunk] = snapshotSessions(sessions)
      .chunks()
      .map((each) => each.bytes());
    expect(() => restoreSessions(crypto, [chunk!.slice(1)])).toThrow();
    expect(() => restoreSessions(crypto, [chunk!, chunk!])).toThrow();
  });

  it('a restored table equals the one it was made from and goes on equally: random operations', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = randomFrom(seed);
      const whole = createSessions(crypto);
      let other = createSessions(crypto);
      const listed = new Set([keyOf(signerOf('client 0').publicKey)]);
      for (let s = 1; s <= 60; s++) {
        if (random(8) === 0) {
          const again = restored(other);
          expect(held(again)).toEqual(held(other));
          expect([...again.nonces.values()]).toEqual([...other.nonces.values()]);
          expect(again.resultBytes).toBe(other.resultBytes);
          for (const [client, own] of other.byClient)
            expect([...again.byClient.get(client)!]).toEqual([...own]);
          expect(again.byClient.size).toBe(other.byClient.size);
          other = again;
        }
        const opens = Array.from({ length: random(3) }, (_, index) => ({
          client: `client ${random(5)}`,
          index,
        }));
        const used = held(whole).filter(() => random(3) === 0);
        const bytes = used.map(() => random(60));
        for (const sessions of [whole, other]) {
          // As the ledger does it: OPENs first, then what changed, by ascending session number.
          const opened = opens.map(({ client, index }) => open(sessions, client, s, index, listed));
          const reused = used.map((key) => sessions.byAge.get(key)?.number);
          const numbers = [...reused, ...opened].filter((it) => it !== undefined).sort(compareNumbers);
          for (const [i, number] of numbers.entries()) {
            const wasApplied = (s + i) % 3 > 0;
            recordExecution(sessions, number, s, wasApplied, replyAt(s, [new Uint8Array(bytes[i] ?? 1)]));
          }
          trimSessions(sessions, LIMITS, s);
        }
        expect(digest(other), `seed ${seed}, s ${s}`).toBe(digest(whole));
        expect(whole.byAge.size).toBeLessThanOrEqual(LIMITS.sessionsMax);
        for (const count of whole.noncesByClient.values()) expect(count).toBeLessThanOrEqual(48);
        expect([...other.noncesByClient].sort()).toEqual([...whole.noncesByClient].sort());
        expect(whole.resultBytes).toBeLessThanOrEqual(LIMITS.sessionResultBytesMax);
        for (const own of whole.byClient.values())
          expect(own.size).toBeLessThanOrEqual(LIMITS.sessionsPerKeyMax);
        expect([...whole.byClient.values()].reduce((sum, own) => sum + own.size, 0)).toBe(whole.byAge.size);
      }
    }
  });
});
