import { describe, expect, it } from 'vitest';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { DEFAULT_CLIENT_LIMITS } from '../../src/protocol/client/index.ts';
import { requestDigest } from '../../src/protocol/messages/request.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  type Driver,
  drive,
  eventsOf,
  lastRequest,
  lastSent,
  opened,
  read,
  receive,
  step,
  submit,
  wake,
} from './support.ts';

function requestsSent(driver: Driver) {
  return driver.sends.flatMap(({ message, to }) => (message.type === 'request' ? [{ to, message }] : []));
}

describe('sending', () => {
  it('opens a session for the first operation, and only one', () => {
    const driver = drive();
    expect(driver.sends).toEqual([]);
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    expect(requestsSent(driver)).toHaveLength(1);
    expect(lastRequest(driver)).toMatchObject({ type: 'open', seen: { sequenceNumber: 0 } });
    answer(driver);
    expect(lastRequest(driver)).toMatchObject({
      type: 'request',
      session: { sequenceNumber: 1, index: 1 },
      timestamp: 1,
      operations: [utf8('a'), utf8('b')],
      seen: { sequenceNumber: 1 },
    });
  });

  it('has one request in flight; what is submitted meanwhile travels together in the next', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const count = requestsSent(driver).length;
    for (const token of [2, 3, 4]) submit(driver, token, `op${token}`);
    expect(requestsSent(driver)).toHaveLength(count);
    answer(driver);
    expect(requestsSent(driver)).toHaveLength(count + 1);
    expect(lastRequest(driver)).toMatchObject({
      operations: [utf8('op2'), utf8('op3'), utf8('op4')],
      timestamp: 3,
      seen: driver.session.accepted && { sequenceNumber: driver.session.accepted.sequenceNumber },
    });
    answer(driver);
    for (const [i, token] of [2, 3, 4].entries()) {
      expect(driver.outcomes.get(token)).toMatchObject({
        result: utf8(`op${token}!`),
        receipt: { operation: i },
      });
    }
  });

  it('forgets a withdrawn operation that waits, not one in flight', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    for (const token of [2, 3]) submit(driver, token, `op${token}`);
    for (const token of [1, 2, 99]) step(driver, { type: 'withdraw', token });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    answer(driver);
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted' });
    expect(lastRequest(driver)).toMatchObject({ operations: [utf8('op3')] });
    expect(driver.session.queuedBytes).toBe(0);
  });

  it('forgets a withdrawn read, wherever it is', () => {
    const driver = opened();
    read(driver, 1, 'r');
    read(driver, 2, 's');
    step(driver, { type: 'withdraw', token: 2 });
    step(driver, { type: 'withdraw', token: 1 });
    for (const token of [1, 2]) {
      expect(driver.outcomes.get(token)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    }
    expect(driver.session.flight).toBeUndefined();
    expect(driver.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('joins no more than the genesis limits allow, nor across a read', () => {
    const cluster = makeFakeCluster(4, { limits: { operationsPerRequestMax: 2, requestBytesMax: 5 } });
    const driver = opened(cluster);
    const texts = ['a', 'b', 'c', 'ddddd', 'ee', 'ff', 'gg'];
    submit(driver, 9, 'x');
    for (const [i, text] of texts.entries()) submit(driver, 10 + i, text);
    read(driver, 20, 'r');
    submit(driver, 21, 'z');
    const joined: string[][] = [];
    for (let i = 0; i < 4; i++) {
      answer(driver);
      const request = lastRequest(driver);
      if (request.type === 'request') joined.push(request.operations.map((it) => String.fromCharCode(...it)));
    }
    expect(joined).toEqual([['a', 'b'], ['c'], ['ddddd'], ['ee', 'ff']]);
    answer(driver); // gg is sent alone
    answer(driver);
    expect(lastSent(driver, 'read').operation).toEqual(utf8('r'));
    expect(driver.outcomes.has(21)).toBe(false);
  });

  it('repeats the very same bytes to all, with back-off up to the limit', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const first = lastSent(driver, 'request');
    const times: number[] = [];
    for (let i = 0; i < 8; i++) {
      const { sends } = wake(driver);
      expect(sends).toEqual([{ to: 'all', message: first }]);
      expect(sends[0]!.message).toBe(first);
      times.push(driver.nowMs);
    }
    expect(times).toEqual([500, 1250, 2375, 4063, 6595, 10_393, 15_393, 20_393]);
    answer(driver);
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
    expect(driver.wakeAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('sends it to a replica whose connection comes up', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const output = step(driver, { type: 'connected', replica: 2 });
    expect(output.sends).toEqual([{ to: 2, message: lastSent(driver, 'request') }]);
  });

  it('begins nothing new while no quorum is in reach, but repeats what is in flight', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    step(driver, { type: 'reach', quorum: false });
    submit(driver, 2, 'b');
    read(driver, 3, 'r');
    expect(wake(driver).sends).toEqual([{ to: 'all', message: lastSent(driver, 'request') }]);
    answer(driver);
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
    expect(driver.session.flight).toBeUndefined();
    expect(step(driver, { type: 'withdraw', token: 3 }).sends).toEqual([]);
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'WITHDRAWN' });
    step(driver, { type: 'reach', quorum: true });
    expect(lastRequest(driver)).toMatchObject({ operations: [utf8('b')] });
  });

  it('rejects what is too large, what overflows the queue, and tokens that are not its own', () => {
    const cluster = makeFakeCluster(4, { limits: { requestBytesMax: 4 } });
    const driver = drive(cluster, { limits: { ...DEFAULT_CLIENT_LIMITS, queuedMax: 2, queuedBytesMax: 5 } });
    submit(driver, 1, 'abcde');
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'TOO-LARGE' });
    submit(driver, 2, 'abc');
    submit(driver, 3, 'abc');
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'QUEUE-FULL' });
    submit(driver, 4, 'a');
    submit(driver, 5, '');
    expect(driver.outcomes.get(5)).toEqual({ type: 'rejected', status: 'QUEUE-FULL' });
    answer(driver);
    submit(driver, 6, 'abc');
    expect(driver.outcomes.has(6)).toBe(false);
    expect(() => submit(driver, -1, 'a')).toThrow('token');
  });
});

describe('BUSY', () => {
  const busy = (driver: Driver, retryAfterMs: number) => ({
    type: 'busy' as const,
    reference: requestDigest(
      driver.cluster.context.cluster,
      driver.cluster.context.crypto,
      lastRequest(driver),
    ),
    retryAfterMs,
  });

  it('of f replicas changes nothing; of f+1 it delays the repetition; it is never an outcome', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    receive(driver, 0, busy(driver, 3000));
    receive(driver, 0, busy(driver, 4000));
    expect(driver.wakeAtMs).toBe(500);
    receive(driver, 1, busy(driver, 2000));
    expect(driver.wakeAtMs).toBe(2000);
    receive(driver, 2, busy(driver, 1_000_000));
    expect(driver.wakeAtMs).toBe(4000);
    receive(driver, 3, busy(driver, 1_000_000));
    expect(driver.wakeAtMs).toBe(5000);
    expect(driver.outcomes.has(1)).toBe(false);
    expect(wake(driver).sends).toHaveLength(1);
    expect(driver.wakeAtMs).toBe(5750);
  });
});

describe('results that come as hashes', () => {
  it('are asked for, from one replier after the other', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const executed = driver.cluster.execute(lastRequest(driver), { results: [new Uint8Array(5000)] });
    for (const r of [3, 1, 2]) receive(driver, r, driver.cluster.reply(r, executed, { hashOnly: true }));
    expect(driver.outcomes.has(1)).toBe(false);
    expect(driver.wakeAtMs).toBe(20);
    const asked: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const { sends } = wake(driver);
      expect(sends).toHaveLength(1);
      expect(sends[0]!.message).toMatchObject({ type: 'get-result' });
      asked.push([driver.nowMs, sends[0]!.to]);
    }
    expect(asked).toEqual([
      [20, 3],
      [40, 1],
      [70, 2],
      [115, 3],
    ]);
    receive(driver, 2, { ...driver.cluster.reply(2, executed), results: [new Uint8Array(4999)] });
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 2, driver.cluster.reply(2, executed));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted', result: new Uint8Array(5000) });
    expect(driver.session.accepted).toMatchObject(executed.content);
  });

  it('and that no replica keeps any more end in RESULT-LOST, and `seen` advances', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const executed = driver.cluster.execute(lastRequest(driver), { results: [new Uint8Array(5000)] });
    const hash = (r: number) => driver.cluster.reply(r, executed, { hashOnly: true });
    for (const r of [0, 1, 2]) receive(driver, r, hash(r));
    for (let i = 0; i < 9; i++) receive(driver, 3, hash(3)); // Never asked: does not count.
    for (const asked of [0, 1, 2, 0, 1, 2, 0, 1]) {
      expect(driver.outcomes.has(1)).toBe(false);
      expect(wake(driver).sends[0]!.to).toBe(asked);
      if (asked !== 2) receive(driver, asked, hash(asked)); // Replica 2 has fallen silent.
    }
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'RESULT-LOST' });
    expect(driver.session.accepted).toMatchObject(executed.content);
  });
});

describe('statuses', () => {
  it('NO-SESSION: unknown for what was in flight, a new session for what waits', () => {
    const driver = opened();
    const before = driver.session.accepted;
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    answer(driver, { status: 'NO-SESSION' });
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'NO-SESSION' });
    expect(driver.session.accepted).toBe(before);
    expect(lastRequest(driver)).toMatchObject({
      type: 'open',
      seen: { sequenceNumber: before!.sequenceNumber },
    });
    answer(driver);
    expect(lastRequest(driver)).toMatchObject({ timestamp: 1, operations: [utf8('b')] });
    answer(driver);
    expect(driver.outcomes.get(2)?.type).toBe('accepted');
  });

  it('NO-SESSION given anew at each ordering is still counted at one s', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    const [first, second] = [0, 1].map(() =>
      driver.cluster.execute(lastRequest(driver), { status: 'NO-SESSION' }),
    );
    receive(driver, 0, driver.cluster.reply(0, first!));
    receive(driver, 0, driver.cluster.reply(0, second!));
    receive(driver, 1, driver.cluster.reply(1, second!));
    receive(driver, 2, driver.cluster.reply(2, first!));
    expect(driver.outcomes.has(1)).toBe(false);
    receive(driver, 1, driver.cluster.reply(1, first!));
    expect(driver.outcomes.get(1)?.type).toBe('unknown');
  });

  it('FORKED: unknown, the session ends with both heads, `seen` does not move; the proof is asked for a while', () => {
    const driver = opened();
    const before = driver.session.accepted;
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    answer(driver, { status: 'FORKED' });
    step(driver, { type: 'withdraw', token: 1 });
    const fetches = () => driver.sends.filter(({ message }) => message.type === 'fetch').map(({ to }) => to);
    while (!driver.outcomes.has(1)) wake(driver);
    expect(new Set(fetches())).toEqual(new Set([0, 1, 2]));
    expect(fetches().length).toBeLessThan(20);
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'FORKED' });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(eventsOf(driver, 'evidence')).toEqual([]);
    expect(driver.session.accepted).toBe(before);
    const [forked] = eventsOf(driver, 'forked');
    expect(forked!.own).toBe(before);
    for (const head of [forked!.own!, forked!.theirs]) {
      expect(rejectHead(driver.cluster.context, head)).toBeUndefined();
    }
    submit(driver, 3, 'c');
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(wake(driver).sends).toEqual([]);
  });

  it('FORKED: the proof turns the two heads into evidence that names who signed both', () => {
    const driver = opened();
    const own = driver.session.accepted!;
    submit(driver, 1, 'a');
    const fork = makeFakeCluster(4, { history: 'fork' });
    fork.idle(20);
    const executed = fork.execute(lastRequest(driver), { status: 'FORKED' });
    for (const r of [1, 2, 3]) receive(driver, r, fork.reply(r, executed));
    expect(driver.outcomes.has(1)).toBe(false);
    const { number } = lastSent(driver, 'fetch');
    const [from, to] = [own.sequenceNumber, executed.content.sequenceNumber];
    const payload = { type: 'proof' as const, from, to, root: fork.rootAt(from), path: fork.proof(from, to) };
    receive(driver, 1, { type: 'fetched', number, payload });
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'FORKED' });
    expect(eventsOf(driver, 'evidence')).toMatchObject([{ guilty: [1, 2], forked: true }]);
    expect(eventsOf(driver, 'forked')).toHaveLength(1);
    expect(lastSent(driver, 'evidence').evidence.length).toBeGreaterThan(0);
    expect(driver.session.accepted).toBe(own);
  });

  it('GAP: rejected, the session ends, `seen` does not move', () => {
    const driver = opened();
    const before = driver.session.accepted;
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    answer(driver, { status: 'GAP' });
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'GAP' });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'GAP' });
    expect(driver.session.accepted).toBe(before);
    expect(eventsOf(driver, 'sessionLost')).toEqual([{ type: 'sessionLost', reason: 'GAP' }]);
  });

  it.each(['FULL', 'DENIED'] as const)(
    '%s on OPEN: what waits is rejected, the next submit asks again',
    (status) => {
      const driver = drive();
      submit(driver, 1, 'a');
      submit(driver, 2, 'b');
      const open = lastRequest(driver);
      answer(driver, { status });
      expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status });
      expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status });
      expect(driver.session.accepted).toBeUndefined();
      submit(driver, 3, 'c');
      expect(lastRequest(driver)).toMatchObject({ type: 'open' });
      expect(lastRequest(driver)).not.toEqual(open);
      answer(driver);
      answer(driver);
      expect(driver.outcomes.get(3)?.type).toBe('accepted');
    },
  );

  it.each(['NO-SESSION', 'GAP'] as const)(
    '%s on OPEN: what waits is rejected, and nothing is asked again by itself',
    (status) => {
      const driver = drive();
      submit(driver, 1, 'a');
      expect(answer(driver, { status }).sends).toEqual([]);
      expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status });
    },
  );
});

describe('STALE', () => {
  function stale() {
    const driver = opened();
    const before = driver.session.accepted!;
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    const request = lastRequest(driver);
    driver.cluster.idle(20);
    const executed = driver.cluster.execute(request, { status: 'STALE' });
    for (const r of [0, 1, 2]) receive(driver, r, driver.cluster.reply(r, executed));
    const to = executed.content.sequenceNumber;
    const { number } = lastSent(driver, 'fetch');
    const proof = (path: readonly Uint8Array[]) => ({
      type: 'fetched' as const,
      number,
      payload: {
        type: 'proof' as const,
        from: before.sequenceNumber,
        to,
        root: before.logRoot,
        path,
      },
    });
    return {
      driver,
      before,
      request,
      executed,
      to,
      proof,
      path: driver.cluster.proof(before.sequenceNumber, to),
    };
  }

  it('with a valid proof: the operations are sent again under a new timestamp and the answer as `seen`', () => {
    const { driver, before, request, executed, to, proof, path } = stale();
    expect(lastSent(driver, 'fetch').want).toEqual({ type: 'proof', from: before.sequenceNumber, to });
    receive(driver, 0, proof(path));
    expect(driver.session.accepted).toMatchObject(executed.content);
    const again = lastRequest(driver);
    if (again.type !== 'request' || request.type !== 'request') throw new Error('not requests');
    expect(again.timestamp).toBe(request.timestamp + 1);
    expect(again.operations).toEqual([utf8('a'), utf8('b')]);
    expect(again.seen).toEqual({ sequenceNumber: to, hashChainDigest: executed.content.hashChainDigest });
    answer(driver);
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted', result: utf8('a!') });
    expect(driver.outcomes.get(2)).toMatchObject({ type: 'accepted', result: utf8('b!') });
  });

  it('without one: `seen` does not move and nothing is sent again; the next replica is asked', () => {
    const { driver, before, request, proof, path } = stale();
    const fork = makeFakeCluster(4, { history: 'fork' });
    fork.idle(40);
    const bad = [path.slice(1), [...path, path[0]!], path.map(() => new Uint8Array(32)), fork.proof(2, 23)];
    for (const other of bad) receive(driver, 0, proof(other));
    receive(driver, 1, { type: 'fetched', number: 1, payload: { type: 'not-here' } });
    expect(driver.session.accepted).toBe(before);
    expect(lastRequest(driver)).toBe(request);
    // Each of the three signers once at once, and then only with time.
    expect(driver.sends.filter(({ message }) => message.type === 'fetch').map(({ to }) => to)).toEqual([
      0, 1, 2,
    ]);
    for (let i = 0; i < 3; i++) wake(driver);
    expect(driver.sends.filter(({ message }) => message.type === 'fetch').map(({ to }) => to)).toEqual([
      0, 1, 2, 0, 1, 2,
    ]);
    expect(driver.session.accepted).toBe(before);
    receive(driver, 2, proof(path));
    expect(driver.session.accepted).not.toBe(before);
  });

  it('by a quorum of another fork cannot be healed', () => {
    const driver = opened();
    const before = driver.session.accepted!;
    submit(driver, 1, 'a');
    const fork = makeFakeCluster(4, { history: 'fork' });
    fork.idle(20);
    const executed = fork.execute(lastRequest(driver), { status: 'STALE' });
    for (const r of [0, 1, 2]) receive(driver, r, fork.reply(r, executed));
    const { number } = lastSent(driver, 'fetch');
    const [from, to] = [before.sequenceNumber, executed.content.sequenceNumber];
    receive(driver, 0, {
      type: 'fetched',
      number,
      payload: { type: 'proof', from, to, root: fork.rootAt(from), path: fork.proof(from, to) },
    });
    // Their proof is that of a fork: it begins with another L than ours.
    expect(driver.session.accepted).toBe(before);
    expect(driver.outcomes.get(1)).toEqual({ type: 'rejected', status: 'FORKED' });
    expect(eventsOf(driver, 'evidence')).toMatchObject([{ guilty: [0, 1, 2], forked: true }]);
  });

  it('on OPEN is healed too', () => {
    const earlier = opened();
    const driver = drive(earlier.cluster, { seen: earlier.session.accepted });
    submit(driver, 1, 'a');
    const from = earlier.session.accepted!.sequenceNumber;
    earlier.cluster.idle(9);
    answer(driver, { status: 'STALE' });
    const to = earlier.cluster.newest().sequenceNumber;
    const { number } = lastSent(driver, 'fetch');
    receive(driver, 3, {
      type: 'fetched',
      number,
      payload: {
        type: 'proof',
        from,
        to,
        root: earlier.cluster.rootAt(from),
        path: earlier.cluster.proof(from, to),
      },
    });
    expect(lastRequest(driver)).toMatchObject({ type: 'open', seen: { sequenceNumber: to } });
    answer(driver);
    answer(driver);
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
  });
});

describe('close', () => {
  it('leaves what was sent unknown, rejects what was not, and sends nothing more', () => {
    const driver = opened();
    submit(driver, 1, 'a');
    submit(driver, 2, 'b');
    read(driver, 3, 'r');
    const { sends, wakeAtMs } = step(driver, { type: 'close' });
    expect(sends).toEqual([]);
    expect(wakeAtMs).toBe(Number.POSITIVE_INFINITY);
    expect(driver.outcomes.get(1)).toEqual({ type: 'unknown', reason: 'CLOSED' });
    expect(driver.outcomes.get(2)).toEqual({ type: 'rejected', status: 'CLOSED' });
    expect(driver.outcomes.get(3)).toEqual({ type: 'rejected', status: 'CLOSED' });
    submit(driver, 4, 'c');
    expect(driver.outcomes.get(4)).toEqual({ type: 'rejected', status: 'CLOSED' });
    step(driver, { type: 'close' });
  });
});
