import { describe, expect, it } from 'vitest';
import { decode, encode, list, struct, type TypeOf, u53 } from '../../src/codec/index.ts';
import { type LeafStore, memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { rootOf, verifyInclusion } from '../../src/crypto/merkle-tree.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import {
  createLedger,
  type Execution,
  executeBatch,
  genesisEntry,
  judgeRequest,
  judgeSeen,
  type Ledger,
  readWindowChunks,
  restoreLedger,
  snapshotLedger,
  WINDOW_BLOCK,
  windowChunks,
} from '../../src/protocol/ledger.ts';
import { type Batch, batchDigest } from '../../src/protocol/messages/batch.ts';
import { replyLeaf, resultsRootOf } from '../../src/protocol/messages/reply.ts';
import type { ClientRequest, Seen, SessionNumber } from '../../src/protocol/messages/request.ts';
import { requestDigest } from '../../src/protocol/messages/request.ts';
import { simpleService } from '../../src/services/simple.ts';
import { concatBytes, toHex, utf8 } from '../../src/types/bytes.ts';
import {
  batchOf,
  digestOf,
  genesisSeen,
  makeTestCluster,
  randomFrom,
  signerOf,
  signOpen,
  signRequest,
  type TestCluster,
} from './support.ts';

/** Counts operations; answers with the count, the time and where it stands. */
const stateSchema = struct({ count: u53, times: list(u53, 10_000) });
const counting = simpleService<TypeOf<typeof stateSchema>>({
  initial: { count: 0, times: [] },
  apply(state, operation, { timeMs, sequenceNumber, resultBytesMax }) {
    const count = state.count + 1;
    const size = operation.length === 1 ? operation[0]! * 16 : undefined;
    const result =
      size === undefined
        ? utf8(`${count} at ${sequenceNumber}, ${resultBytesMax} left`)
        : new Uint8Array(size);
    return { state: { count, times: [...state.times, timeMs] }, result };
  },
  encode: (state) => encode(stateSchema, state),
  decode: (bytes) => decode(stateSchema, bytes),
});

const limits = { chainWindow: 8, sessionsMax: 4, sessionsPerKeyMax: 4, resultBytesMax: 200 };

interface Driver {
  readonly test: TestCluster;
  readonly ledger: Ledger;
  readonly leaves: LeafStore;
  run(batch: Batch): Execution;
  /** One batch with these requests. */
  execute(...requests: readonly ClientRequest[]): Execution;
  idle(count: number): void;
  /** A session of the client, opened in a batch of its own. */
  open(client: string, nonce?: number): SessionNumber;
  seen(): Seen;
  request(
    client: string,
    session: SessionNumber,
    timestamp: number,
    seen?: Seen,
    ops?: Uint8Array[],
  ): ClientRequest;
}

function drive(test = makeTestCluster(4, { limits }), leaves = memoryLeafStore()): Driver {
  const ledger = createLedger(test.context, counting, leaves);
  const driver: Driver = {
    test,
    ledger,
    leaves,
    run(batch) {
      const { cluster, crypto } = test.context;
      const D = batchDigest(cluster, crypto, batch);
      return executeBatch(ledger, batch, extendHashChain(crypto, ledger.executed.hashChainDigest, D));
    },
    execute: (...requests) => driver.run(batchOf(1000, ...requests)),
    idle(count) {
      for (let i = 0; i < count; i++) driver.execute();
    },
    open(client, nonce = 1) {
      const s = ledger.executed.sequenceNumber + 1;
      const seen = s === 1 ? genesisSeen(test) : driver.seen();
      const { replies } = driver.execute(signOpen(test, client, nonce, seen));
      expect(replies[0]?.reply.status).toBe('OK');
      return { sequenceNumber: s, index: 0 };
    },
    seen: () => ({
      sequenceNumber: ledger.executed.sequenceNumber,
      hashChainDigest: ledger.executed.hashChainDigest,
    }),
    request: (client, session, timestamp, seen = driver.seen(), ops = [utf8('add')]) =>
      signRequest(test, client, session, timestamp, seen, ops),
  };
  return driver;
}

const statuses = (execution: Execution) => execution.replies.map(({ reply }) => reply.status);
const countOf = ({ ledger }: Driver) => {
  const state = decode(
    stateSchema,
    concatBytes(
      ...ledger.service
        .snapshot()
        .chunks()
        .map((it) => it.bytes()),
    ),
  );
  if (!state.ok) throw new Error(state.error.reason);
  return state.value.count;
};

describe('docs/protocol.md §3.8: how each request is judged', () => {
  it('OK: a session, a newer timestamp, `seen` on this chain', () => {
    const driver = drive();
    const session = driver.open('alice');
    expect(statuses(driver.execute(driver.request('alice', session, 1)))).toEqual(['OK']);
    // Timestamps may leave gaps, and `seen` may be the session's last applied entry although others followed.
    const seen = driver.seen();
    driver.idle(2);
    expect(statuses(driver.execute(driver.request('alice', session, 9, seen)))).toEqual(['OK']);
    expect(countOf(driver)).toBe(2);
  });

  it('skipped without a trace: a timestamp that is not above the last executed one', () => {
    const driver = drive();
    const session = driver.open('alice');
    const request = driver.request('alice', session, 5);
    driver.execute(request);
    const again = driver.execute(request, driver.request('alice', session, 4));
    expect(again.replies).toEqual([]);
    expect(again.entry.repliesRoot).toEqual(sha256());
    expect(countOf(driver)).toBe(1);
  });

  it('only the first request of a session in one batch is executed', () => {
    const driver = drive();
    const session = driver.open('alice');
    const both = driver.execute(driver.request('alice', session, 1), driver.request('alice', session, 2));
    expect(statuses(both)).toEqual(['OK']);
    expect(countOf(driver)).toBe(1);
  });

  it("NO-SESSION: an unknown session, an evicted one, and one of another key, which is nobody else's business", () => {
    const driver = drive();
    const session = driver.open('alice');
    const stranger = driver.request('bob', session, 1);
    const unknown = driver.request('alice', { sequenceNumber: 77, index: 0 }, 1);
    expect(statuses(driver.execute(stranger, unknown))).toEqual(['NO-SESSION', 'NO-SESSION']);
    expect(countOf(driver)).toBe(0);
    expect(statuses(driver.execute(driver.request('alice', session, 1)))).toEqual(['OK']);
    driver.idle(limits.chainWindow);
    for (let i = 0; i < limits.sessionsMax; i++) driver.open(`client ${i}`);
    expect(statuses(driver.execute(driver.request('alice', session, 2)))).toEqual(['NO-SESSION']);
  });

  it('FORKED: `seen` has another HCD, lies ahead of this chain, or names another genesis; not applied, but answered', () => {
    const driver = drive();
    const session = driver.open('alice');
    const { sequenceNumber, hashChainDigest } = driver.seen();
    const cases: readonly Seen[] = [
      { sequenceNumber, hashChainDigest: digestOf('fork') },
      { sequenceNumber: sequenceNumber + 100, hashChainDigest },
      { sequenceNumber: 0, hashChainDigest: digestOf('other genesis') },
    ];
    for (const [i, seen] of cases.entries()) {
      expect(statuses(driver.execute(driver.request('alice', session, i + 1, seen)))).toEqual(['FORKED']);
    }
    expect(statuses(driver.execute(signOpen(driver.test, 'bob', 1, cases[0]!)))).toEqual(['FORKED']);
    expect(countOf(driver)).toBe(0);
    // What was answered FORKED used up its timestamp: it is never judged again.
    expect(driver.execute(driver.request('alice', session, 3)).replies).toEqual([]);
    expect(statuses(driver.execute(driver.request('alice', session, 4)))).toEqual(['OK']);
  });

  it('GAP: `seen` is older than the last applied request, so the client missed an answer: join at most once', () => {
    const driver = drive();
    const session = driver.open('alice');
    const before = driver.seen();
    driver.execute(driver.request('alice', session, 1, before));
    expect(statuses(driver.execute(driver.request('alice', session, 2, before)))).toEqual(['GAP']);
    expect(countOf(driver)).toBe(1);
    expect(statuses(driver.execute(driver.request('alice', session, 3)))).toEqual(['OK']);
  });

  it('STALE: `seen` left the chain window and is not the last applied entry', () => {
    const driver = drive();
    const session = driver.open('alice');
    const applied = driver.seen();
    driver.idle(1);
    const between = driver.seen();
    driver.idle(limits.chainWindow);
    expect(judgeSeen(driver.ledger, between)).toBe('too-old');
    const execution = driver.execute(driver.request('alice', session, 1, between));
    expect(statuses(execution)).toEqual(['STALE']);
    expect(statuses(driver.execute(signOpen(driver.test, 'bob', 1, applied)))).toEqual(['STALE']);
    expect(countOf(driver)).toBe(0);
  });

  it('the chain window holds exactly its last entries', () => {
    const driver = drive();
    const all = [genesisSeen(driver.test)];
    for (let i = 0; i < 20; i++) {
      driver.idle(1);
      all.push(driver.seen());
    }
    expect(all.slice(1, 13).every((seen) => judgeSeen(driver.ledger, seen) === 'too-old')).toBe(true);
    expect(all.slice(13).every((seen) => judgeSeen(driver.ledger, seen) === 'on-chain')).toBe(true);
    expect(judgeSeen(driver.ledger, all[0]!)).toBe('on-chain');
  });

  it('FULL: no room for a session; the same OPEN may find room later', () => {
    const driver = drive();
    for (let i = 0; i < limits.sessionsMax; i++) driver.open(`client ${i}`);
    const open = signOpen(driver.test, 'late', 1, driver.seen());
    expect(statuses(driver.execute(open))).toEqual(['FULL']);
    driver.idle(limits.chainWindow - 5);
    expect(statuses(driver.execute(open))).toEqual(['OK']);
    expect(driver.execute(open).replies).toEqual([]);
    expect(driver.ledger.sessions.byAge.size).toBe(limits.sessionsMax);
  });

  it('DENIED: the key is not listed where only listed ones may open sessions', () => {
    const listed = [signerOf('alice').publicKey];
    const driver = drive(makeTestCluster(4, { limits, listedOnly: true, listed }));
    const seen = genesisSeen(driver.test);
    const execution = driver.execute(
      signOpen(driver.test, 'bob', 1, seen),
      signOpen(driver.test, 'alice', 1, seen),
    );
    expect(statuses(execution)).toEqual(['DENIED', 'OK']);
  });

  it('a repeated OPEN makes no second session', () => {
    const driver = drive();
    const open = signOpen(driver.test, 'alice', 1);
    expect(statuses(driver.execute(open, open))).toEqual(['OK']);
    expect(driver.execute(open).replies).toEqual([]);
    expect(driver.ledger.sessions.byAge.size).toBe(1);
  });

  it('judging beforehand says what executing next will say', () => {
    const driver = drive();
    const session = driver.open('alice');
    const random = randomFrom(3);
    const seens = [genesisSeen(driver.test)];
    for (let i = 0; i < 200; i++) {
      seens.push(driver.seen());
      const seen = seens[random(seens.length)]!;
      const forked = { ...seen, hashChainDigest: digestOf(i) };
      const request = driver.request('alice', session, random(i + 3), random(5) === 0 ? forked : seen);
      const judged = judgeRequest(driver.ledger, request);
      expect(statuses(driver.execute(request))).toEqual(judged === 'skip' ? [] : [judged]);
    }
  });
});

describe('docs/protocol.md §3.8: executing a batch', () => {
  it('the effective time never goes back', () => {
    const driver = drive();
    const session = driver.open('alice');
    for (const [i, time] of [2000, 1500, 2500, 0].entries()) {
      driver.run(batchOf(time, driver.request('alice', session, i + 1)));
    }
    const state = decode(stateSchema, driver.ledger.service.snapshot().chunks()[0]!.bytes());
    expect(state.ok && state.value.times).toEqual([2000, 2000, 2500, 2500]);
  });

  it('every reply is under R at its place, and (HCD, R) is the newest leaf under L', () => {
    const driver = drive();
    const sessions = ['alice', 'bob', 'carol'].map((client) => [client, driver.open(client)] as const);
    const { cluster, crypto } = driver.test.context;
    const requests = sessions.map(([client, session]) => driver.request(client, session, 1));
    const { entry, replies, operations } = driver.execute(
      requests[0]!,
      requests[0]!,
      requests[1]!,
      requests[2]!,
    );
    expect(operations).toBe(3);
    for (const [i, { reply, client }] of replies.entries()) {
      expect(client).toEqual(requests[i]!.client);
      expect(reply.requestDigest).toEqual(requestDigest(cluster, crypto, requests[i]!));
      expect(reply.resultsRoot).toEqual(resultsRootOf(crypto, reply.results!));
      const leafHash = replyLeaf(crypto, reply.requestDigest, reply.status, reply.resultsRoot);
      const { index, size, path } = reply;
      expect(verifyInclusion(sha256, { leafHash, index, size, path, root: entry.repliesRoot })).toBe(true);
    }
    expect(entry.sequenceNumber).toBe(4);
    driver.idle(3);
    // L once more, from the data of all leaves.
    const data = [...driver.ledger.window.values()].map((it) =>
      concatBytes(it.hashChainDigest, it.repliesRoot),
    );
    expect(data).toHaveLength(7);
    expect(driver.ledger.executed.logRoot).toEqual(rootOf(sha256, data));
  });

  it('results share the limit of their request; one that does not fit becomes empty', () => {
    const driver = drive();
    const session = driver.open('alice');
    const operations = [Uint8Array.of(10), Uint8Array.of(4), Uint8Array.of(2), utf8('')];
    const { replies } = driver.execute(driver.request('alice', session, 1, driver.seen(), operations));
    const results = replies[0]!.reply.results!;
    expect(results.map((it) => it.length)).toEqual([160, 0, 32, utf8('4 at 2, 8 left').length > 8 ? 0 : 14]);
    expect(countOf(driver)).toBe(4);
  });

  it('genesis: s = 0, HCD is the cluster id, L the empty tree', () => {
    const { context } = makeTestCluster();
    expect(genesisEntry(context)).toEqual({
      sequenceNumber: 0,
      hashChainDigest: context.cluster.id,
      repliesRoot: sha256(),
      logRoot: sha256(),
    });
  });
});

/** Random batches of requests that are good, repeated, stale or forked. */
function randomBatch(
  driver: Driver,
  random: (bound: number) => number,
  past: Seen[],
  known: SessionNumber[],
): Batch {
  const s = driver.ledger.executed.sequenceNumber + 1;
  const requests = Array.from({ length: random(4) }, (_, index) => {
    const client = `client ${random(3)}`;
    const seen = random(4) === 0 ? past[random(past.length)]! : past.at(-1)!;
    if (random(4) === 0 || known.length === 0) {
      known.push({ sequenceNumber: s, index });
      return signOpen(driver.test, client, random(40), seen);
    }
    const forked = random(15) === 0 ? { ...seen, hashChainDigest: digestOf('fork') } : seen;
    return driver.request(client, known[random(known.length)]!, random(s + 5), forked);
  });
  return batchOf(random(100_000), ...requests);
}

describe('docs/protocol.md §6: one prefix, one state', () => {
  it('equal batches give equal entries and Σ, also at a ledger restored midway from a snapshot', () => {
    const seenStatuses = new Set<string>();
    for (let seed = 0; seed < 25; seed++) {
      const random = randomFrom(seed);
      const one = drive();
      let two = drive(one.test);
      const past = [genesisSeen(one.test)];
      const known: SessionNumber[] = [];
      for (let s = 1; s <= 40; s++) {
        const batch = randomBatch(one, random, past, known);
        const first = one.run(batch);
        const second = two.run({ ...batch, requests: [...batch.requests] });
        for (const status of statuses(first)) seenStatuses.add(status);
        expect(second).toEqual(first);
        past.push(one.seen());
        if (s % 8 !== seed % 8) continue;
        const a = snapshotLedger(one.ledger);
        const b = snapshotLedger(two.ledger);
        expect(toHex(b.stateDigest), `seed ${seed}, s ${s}`).toBe(toHex(a.stateDigest));
        expect(b.summary).toEqual(a.summary);
        two = restoredFrom(two);
        expect(toHex(snapshotLedger(two.ledger).stateDigest)).toBe(toHex(a.stateDigest));
      }
    }
    expect([...seenStatuses].sort()).toEqual(['FORKED', 'FULL', 'GAP', 'NO-SESSION', 'OK', 'STALE']);
  });

  /** A new ledger with the state of the old one's snapshot, its leaves and its window, as a transfer or a restart makes it. */
  function restoredFrom(old: Driver): Driver {
    const { entry, summary, chunks } = snapshotLedger(old.ledger);
    const driver = drive(old.test);
    for (let i = 0; i < old.leaves.size; i++) driver.ledger.tree.append(old.leaves.read(i));
    const window = readWindowChunks(windowChunks(old.ledger).map((chunk) => chunk.bytes()));
    const bytes = chunks.map((chunk) => chunk.bytes());
    restoreLedger(driver.ledger, counting, entry, summary, bytes, window);
    return driver;
  }

  it('a snapshot is not changed by what is executed after it', () => {
    const driver = drive();
    const session = driver.open('alice');
    const snapshot = snapshotLedger(driver.ledger);
    const bytes = snapshot.chunks.map((chunk) => toHex(chunk.bytes()));
    driver.execute(driver.request('alice', session, 1));
    expect(snapshot.chunks.map((chunk) => toHex(chunk.bytes()))).toEqual(bytes);
    expect(toHex(snapshotLedger(driver.ledger).stateDigest)).not.toBe(toHex(snapshot.stateDigest));
  });

  it('a restored ledger must have the leaves that its entry names', () => {
    const driver = drive();
    driver.open('alice');
    const { entry, summary, chunks } = snapshotLedger(driver.ledger);
    const bytes = chunks.map((chunk) => chunk.bytes());
    const empty = drive(driver.test);
    expect(() => restoreLedger(empty.ledger, counting, entry, summary, bytes, new Map())).toThrow(/log tree/);
    empty.idle(1);
    expect(() => restoreLedger(empty.ledger, counting, entry, summary, bytes, new Map())).toThrow(/root/);
  });
});

describe('the chain window as chunks', () => {
  it('is read back as it was written, over many blocks, and refuses other lengths', () => {
    const driver = drive(makeTestCluster(4, { limits: { chainWindow: 2500 } }));
    const all: string[] = [];
    const last = () => {
      const { hashChainDigest, repliesRoot } = driver.ledger.executed;
      return `${toHex(hashChainDigest)} ${toHex(repliesRoot)}`;
    };
    for (const size of [1, WINDOW_BLOCK - 1, WINDOW_BLOCK, WINDOW_BLOCK + 1, 2500, 4200]) {
      while (all.length < size) {
        driver.idle(1);
        all.push(`${all.length + 1} ${last()}`);
      }
      const chunks = windowChunks(driver.ledger);
      const window = [...readWindowChunks(chunks.map((chunk) => chunk.bytes()))].map(
        ([s, entry]) => `${s} ${toHex(entry.hashChainDigest)} ${toHex(entry.repliesRoot)}`,
      );
      expect(window).toEqual(all.slice(-2500));
      for (const chunk of chunks) expect(chunk.digest).toEqual(sha256(chunk.bytes()));
      expect(() => readWindowChunks([chunks[0]!.bytes().slice(0, -1)])).toThrow(/window chunk/);
    }
  });
});
