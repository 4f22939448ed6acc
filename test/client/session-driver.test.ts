import { afterEach, describe, expect, it } from 'vitest';
import { type SessionDriver, startSessionDriver } from '../../src/client/session-driver.ts';
import {
  type ClientEvent,
  type ClientSend,
  DEFAULT_CLIENT_LIMITS,
  type DurableSession,
  type Outcome,
} from '../../src/protocol/client/index.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { fakeSigner, makeFakeCluster } from '../support/fake-cluster.ts';

/** A session whose writes end when the test says so. */
function setUp(durable: boolean) {
  const cluster = makeFakeCluster();
  const sends: ClientSend[] = [];
  const outcomes = new Map<number, Outcome>();
  const events: ClientEvent[] = [];
  const failures: unknown[] = [];
  const writes: { state: DurableSession; resolve: () => void; reject: (error: Error) => void }[] = [];
  const driver = startSessionDriver({
    context: cluster.context,
    signer: fakeSigner('client'),
    random: (length) => new Uint8Array(length),
    seen: undefined,
    durable,
    restored: undefined,
    limits: DEFAULT_CLIENT_LIMITS,
    store: (state) => new Promise((resolve, reject) => writes.push({ state, resolve, reject })),
    send: (send) => sends.push(send),
    onOutcome: (token, outcome) => outcomes.set(token, outcome),
    onEvent: (event) => events.push(event),
    onFailure: (error) => failures.push(error),
  });
  drivers.push(driver);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  /** A quorum executes and answers what was sent last. */
  const answer = () => {
    const { message } = sends.findLast((send) => send.message.type === 'request')!;
    if (message.type !== 'request') throw new Error('no request was sent');
    const executed = cluster.execute(message.request);
    for (const replica of [0, 1, 2]) {
      driver.input({ type: 'receive', from: replica, message: cluster.reply(replica, executed) });
    }
  };
  return { driver, sends, outcomes, events, failures, writes, turn, answer };
}

const drivers: SessionDriver[] = [];
afterEach(() => {
  for (const driver of drivers.splice(0)) driver.stop();
});

describe('a durable session', () => {
  it('sends nothing and tells nothing before it is stored', async () => {
    const { driver, sends, outcomes, events, writes, turn, answer } = setUp(true);
    driver.input({ type: 'submit', token: 1, operation: utf8('a') });
    await turn();
    expect(writes).toHaveLength(1);
    expect(sends).toEqual([]);
    expect(events).toEqual([]);
    writes[0]!.resolve();
    await turn();
    expect(sends).toHaveLength(1);

    answer();
    await turn();
    // The session's number and the request in it, in one write.
    expect(writes).toHaveLength(2);
    expect(sends).toHaveLength(1);
    writes[1]!.resolve();
    await turn();
    expect(sends).toHaveLength(2);

    answer();
    await turn();
    expect(outcomes.size).toBe(0);
    expect(writes[2]!.state.accepted?.sequenceNumber).toBe(driver.session.accepted?.sequenceNumber);
    writes[2]!.resolve();
    await driver.settled();
    expect(outcomes.get(1)).toMatchObject({ type: 'accepted' });
  });

  it('keeps the order of its outputs, and stores once for all that wait', async () => {
    const { driver, sends, outcomes, writes, turn } = setUp(true);
    driver.input({ type: 'submit', token: 1, operation: utf8('a') });
    driver.input({ type: 'submit', token: 2, operation: new Uint8Array(2 ** 20) });
    driver.input({ type: 'close' });
    await turn();
    expect(writes).toHaveLength(1);
    expect(outcomes.size).toBe(0);
    writes[0]!.resolve();
    await driver.settled();
    expect(sends).toHaveLength(1);
    expect([...outcomes].map(([token, outcome]) => [token, outcome.type])).toEqual([
      [2, 'rejected'],
      [1, 'rejected'],
    ]);
  });

  it('comes to an end when it cannot store: nothing leaves', async () => {
    const { driver, sends, outcomes, failures, writes, turn } = setUp(true);
    driver.input({ type: 'submit', token: 1, operation: utf8('a') });
    await turn();
    writes[0]!.reject(new Error('the disk is full'));
    await driver.settled();
    driver.input({ type: 'submit', token: 2, operation: utf8('b') });
    await turn();
    expect(failures).toEqual([new Error('the disk is full')]);
    expect([sends, outcomes.size, writes.length]).toEqual([[], 0, 1]);
  });
});

describe('a volatile session', () => {
  it('does not wait for its store, which gets the newest head at the latest when it settles', async () => {
    const { driver, sends, outcomes, writes, turn, answer } = setUp(false);
    driver.input({ type: 'submit', token: 1, operation: utf8('a') });
    expect(sends).toHaveLength(1);
    answer();
    answer();
    expect(outcomes.get(1)).toMatchObject({ type: 'accepted' });
    const settled = driver.settled();
    await turn();
    expect(writes.map(({ state }) => state.accepted)).toEqual([driver.session.accepted]);
    writes[0]!.resolve();
    await settled;
  });
});
