import { describe, expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import {
  type DurableSession,
  decodeDurableSession,
  encodeDurableSession,
} from '../../src/protocol/client/index.ts';
import { messageSchema } from '../../src/protocol/messages/index.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { fakeSigner, makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  type Driver,
  drive,
  eventsOf,
  lastRequest,
  lastSent,
  opened,
  receive,
  step,
  submit,
  wake,
} from './support.ts';

/** The next process: what was stored goes through its bytes. */
function restart(driver: Driver): Driver {
  const decoded = decodeDurableSession(encodeDurableSession(driver.stored!));
  if (!decoded.ok) throw new Error(decoded.error.reason);
  expect(decoded.value).toEqual(driver.stored);
  return drive(driver.cluster, { durable: true, restored: decoded.value }, driver.nowMs);
}

describe('a durable session', () => {
  it('stores the request in the very output that sends it, and `seen` in the one that completes', () => {
    const driver = drive(undefined, { durable: true });
    submit(driver, 1, 'a');
    answer(driver);
    answer(driver);
    submit(driver, 2, 'b');
    for (const { sends, persist, completions } of driver.outputs) {
      for (const { message } of sends) {
        if (message.type === 'request') expect(persist?.inFlight).toEqual(message.request);
      }
      for (const { outcome } of completions) {
        if (outcome.type === 'accepted') expect(persist?.accepted).toEqual(outcome.receipt.head);
      }
    }
    expect(driver.outputs.flatMap(({ completions }) => completions)).toHaveLength(1);
    expect(driver.stored).toMatchObject({ timestamp: 2, session: { sequenceNumber: 1, index: 1 } });
  });

  it('sends the same bytes after a restart, until they are answered', () => {
    const first = opened(undefined, { durable: true });
    submit(first, 1, 'a');
    submit(first, 2, 'b');
    const sent = encode(messageSchema, lastSent(first, 'request'));
    const second = restart(first);
    expect(eventsOf(second, 'restored')).toHaveLength(1);
    expect(encode(messageSchema, lastSent(second, 'request'))).toEqual(sent);
    wake(second);
    expect(encode(messageSchema, lastSent(second, 'request'))).toEqual(sent);
    const third = restart(second);
    submit(third, 5, 'c');
    expect(encode(messageSchema, lastSent(third, 'request'))).toEqual(sent);
    answer(third);
    expect(third.outcomes.get(-1)).toMatchObject({ type: 'accepted', result: utf8('a!') });
    expect(lastRequest(third)).toMatchObject({ operations: [utf8('c')], timestamp: 3 });
    answer(third);
    expect(third.outcomes.get(5)?.type).toBe('accepted');
    expect(third.stored?.inFlight).toBeUndefined();
    expect(restart(third).sends).toEqual([]);
  });

  it('sends an OPEN again as it was', () => {
    const first = drive(undefined, { durable: true });
    submit(first, 1, 'a');
    const second = restart(first);
    expect(lastRequest(second)).toEqual(lastRequest(first));
    answer(second);
    expect(second.outcomes.size).toBe(0);
    submit(second, 1, 'b');
    answer(second);
    expect(second.outcomes.get(1)).toMatchObject({ result: utf8('b!') });
  });

  it('takes the newer of the stored head and the key’s', () => {
    const first = opened(undefined, { durable: true });
    submit(first, 1, 'a');
    const inFlight = first.cluster.execute(lastRequest(first));
    const other = opened(first.cluster);
    const { accepted } = other.session;
    const second = drive(first.cluster, { durable: true, restored: first.stored, seen: accepted });
    expect(second.session.accepted).toBe(accepted);
    // The answer is older than `seen` now; it is accepted, but `seen` does not go back.
    for (const from of [0, 1, 2]) receive(second, from, first.cluster.reply(from, inFlight));
    expect(second.outcomes.get(-1)?.type).toBe('accepted');
    expect(second.session.accepted).toBe(accepted);
  });

  it('stays stored when it is closed or detached in flight, and goes when it is refused for good', () => {
    const first = opened(undefined, { durable: true });
    submit(first, 1, 'a');
    const { stored } = first;
    step(first, { type: 'close' });
    expect(first.stored).toBe(stored);
    const second = restart(first);
    answer(second, { status: 'NO-SESSION' });
    expect(second.outcomes.get(-1)).toEqual({ type: 'unknown', reason: 'NO-SESSION' });
    expect(second.stored).toMatchObject({ inFlight: undefined, session: undefined });
  });

  it('refuses what is of another key or cluster, and a volatile session refuses to restore', () => {
    const { stored, cluster } = opened(undefined, { durable: true });
    const restore = (change: Partial<DurableSession>, options = {}) =>
      drive(cluster, { durable: true, restored: { ...stored!, ...change }, ...options });
    expect(() => restore({ cluster: new Uint8Array(32) })).toThrow('another cluster');
    expect(() => restore({}, { signer: fakeSigner('somebody') })).toThrow('another key');
    expect(() => restore({}, { durable: false })).toThrow('volatile');
    expect(() => restore({})).not.toThrow();
  });
});

describe('a volatile session', () => {
  it('stores the accepted head only', () => {
    const driver = opened();
    expect(driver.stored).toEqual({
      cluster: driver.cluster.context.cluster.id,
      client: fakeSigner('client').publicKey,
      session: undefined,
      timestamp: 0,
      inFlight: undefined,
      accepted: driver.session.accepted,
    });
    expect(submit(driver, 1, 'a').persist).toBeUndefined();
    submit(driver, 2, 'b');
    // The step that accepts one request and sends the next.
    const { persist, sends } = answer(driver);
    expect(sends).toHaveLength(1);
    expect(persist).toMatchObject({ inFlight: undefined, timestamp: 0, accepted: driver.session.accepted });
  });

  it('begins with the key’s head', () => {
    const driver = opened();
    const next = drive(driver.cluster, { seen: driver.stored!.accepted });
    submit(next, 1, 'a');
    expect(lastRequest(next)).toMatchObject({
      type: 'open',
      seen: { sequenceNumber: driver.session.accepted!.sequenceNumber },
    });
  });
});

describe('the stored form', () => {
  it('is refused when it is damaged, never with a throw', () => {
    const driver = opened(makeFakeCluster(), { durable: true });
    submit(driver, 1, 'a');
    const bytes = encodeDurableSession(driver.stored!);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeDurableSession(bytes.subarray(0, length)).ok).toBe(false);
    }
  });
});
