import { afterEach, describe, expect, it } from 'vitest';
import { ClientError, kv } from '../../src/client/index.ts';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { rejectReceipt } from '../../src/protocol/client/index.ts';
import { encodeKvOperation, kv as operations } from '../../src/services/kv/index.ts';
import { cleanUp, createCluster, startAll } from '../node/support.ts';
import { closeClients, connectThroughRelays, connectTo, countOf } from './support.ts';

afterEach(async () => {
  await closeClients();
  await cleanUp();
});

async function runningCluster() {
  const cluster = await createCluster(4);
  await startAll(cluster);
  return cluster;
}

describe('calls', () => {
  it('answers with the result, the head and a receipt that holds', async () => {
    const { client } = await connectTo(await runningCluster());
    const answer = await client.submit(encodeKvOperation(operations.put('a', '1')));
    const context = { cluster: client.cluster, crypto: sodiumCrypto };
    expect(rejectReceipt(context, answer.receipt!)).toBeUndefined();
    expect(client.accepted).toEqual(answer.head);
    const read = await client.read(encodeKvOperation(operations.get('a')));
    expect(read.receipt).toBeUndefined();
    expect(read.head.sequenceNumber).toBe(answer.head.sequenceNumber);
    const ordered = await client.read(encodeKvOperation(operations.get('a')), { ordered: true });
    expect(ordered.receipt).toBeDefined();
    expect(ordered.head.sequenceNumber).toBe(answer.head.sequenceNumber + 1);
  });

  it('joins concurrent calls into the next request of the session', async () => {
    const { client, notices } = await connectTo(await runningCluster());
    const store = kv(client);
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.put(`k${i}`, 'x')));
    const sent = notices.flatMap((it) => (it.type === 'sent' ? [it.operations] : []));
    // All of them waited for OPEN, which carries none.
    expect(sent).toEqual([0, 50]);
    expect(await store.count()).toBe(50);
  });

  it('uses as many sessions as are asked for and needed, no more', async () => {
    const { client, notices } = await connectTo(await runningCluster(), { sessions: 3 });
    const store = kv(client);
    await store.put('k', 'x');
    await store.put('k', 'y');
    expect(countOf(notices, 'opened')).toBe(1);
    await Promise.all(Array.from({ length: 30 }, () => store.increment('n')));
    expect(countOf(notices, 'opened')).toBe(3);
    expect((await store.get('n'))?.value).toEqual(new Uint8Array(Buffer.from('30')));
  });

  it('opens no more sessions at once than replicas let wait', async () => {
    const { client, notices } = await connectTo(await runningCluster(), { sessions: 32 });
    const store = kv(client);
    await Promise.all(Array.from({ length: 32 }, () => store.increment('n')));
    await Promise.all(Array.from({ length: 32 }, () => store.increment('n')));
    expect(countOf(notices, 'busy')).toBe(0);
    expect(countOf(notices, 'opened')).toBeGreaterThan(8);
    expect((await store.get('n'))?.value).toEqual(new Uint8Array(Buffer.from('64')));
  });

  it('copies the bytes it is given', async () => {
    const { client } = await connectTo(await runningCluster());
    const bytes = encodeKvOperation(operations.put('key', 'v'));
    const done = client.submit(bytes);
    bytes.fill(0);
    await done;
    expect(await kv(client).get('key')).toBeDefined();
  });
});

describe('calls without a quorum', () => {
  it('withdraws at the deadline what was not sent: it is certainly not applied', async () => {
    const cluster = await runningCluster();
    await cluster.stop(2);
    await cluster.stop(3);
    const { client, until } = await connectTo(cluster);
    const store = kv(client);
    // On a busy machine a handshake takes longer than the deadline below.
    for (const replica of [0, 1]) await until((it) => it.type === 'linkUp' && it.replica === replica);
    const failed = store.put('a', '1', { deadlineMs: 200 });
    await expect(failed).rejects.toMatchObject({ code: 'NO_QUORUM', outcome: 'not-applied' });
    await expect(failed).rejects.toThrow(
      /2 of 4 replicas can be reached, 3 must answer \(replica 2: cannot connect/,
    );
    await cluster.start(2);
    await store.put('b', '2');
    expect(await store.get('a')).toBeUndefined();
  });

  it('lets go at the deadline of what was sent: it is applied later, and later calls queue behind it', async () => {
    const cluster = await runningCluster();
    const { client, relays } = await connectThroughRelays(cluster);
    const store = kv(client);
    await store.put('a', '1');
    for (const relay of relays.slice(2)) relay.mute();
    const late = store.put('a', '2', { deadlineMs: 200 });
    await expect(late).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    relays[2]!.unmute();
    await store.put('b', '3');
    expect(Buffer.from((await store.get('a'))!.value).toString()).toBe('2');
  });

  it('ends by its signal, at once if that is aborted already', async () => {
    const cluster = await createCluster(4);
    await cluster.start(0);
    const store = kv((await connectTo(cluster)).client);
    const controller = new AbortController();
    const calls = Array.from({ length: 20 }, (_, i) =>
      store.put(`k${i}`, 'x', { signal: controller.signal }),
    );
    controller.abort(new Error('enough'));
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: 'ABORTED', outcome: 'not-applied' });
    }
    await expect(store.get('k', { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
      outcome: 'not-applied',
      cause: { message: 'enough' },
    });
  });

  it('ends all calls when it is closed, and takes no more', async () => {
    const cluster = await runningCluster();
    const { client, relays } = await connectThroughRelays(cluster);
    const store = kv(client);
    await store.put('a', '1');
    for (const relay of relays.slice(2)) relay.mute();
    const inFlight = store.put('a', '2');
    const waiting = store.put('a', '3');
    const closed = Promise.all([client.close(), client.close()]);
    await expect(inFlight).rejects.toMatchObject({ code: 'CLOSED', outcome: 'unknown' });
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED', outcome: 'not-applied' });
    await closed;
    await expect(store.get('a')).rejects.toMatchObject({ code: 'CLOSED', outcome: 'not-applied' });
  });
});

describe('wrong arguments', () => {
  it.each([
    [{ replicas: [{ host: '127.0.0.1', port: 7000 }] }, /replicas has 1 addresses; the genesis has 4/],
    [{ replicas: Array.from({ length: 4 }, () => ({ host: 'x', port: 0 })) }, /replicas\[0\] is x:0/],
    [{ key: new Uint8Array(31) }, /key must be the 32 bytes/],
    [{ sessions: 0 }, /sessions is 0/],
    [{ sessions: 65 }, /sessions is 65/],
    [{ durable: true }, /needs a stateDirectory/],
    [{ deadlineMs: 0 }, /deadlineMs is 0/],
    [{ deadlineMs: Number.NaN }, /deadlineMs is NaN/],
  ])('%j is refused', async (options, text) => {
    const refused = connectTo(await createCluster(4), options);
    await expect(refused).rejects.toThrow(text);
    await expect(refused).rejects.toBeInstanceOf(ClientError);
    await expect(refused).rejects.toMatchObject({ code: 'INVALID' });
  });

  it('operations that no request may hold are rejected, bad deadlines and keys refused', async () => {
    const { client } = await connectTo(await createCluster(4));
    await expect(client.submit(new Uint8Array(70_000))).rejects.toMatchObject({
      code: 'REJECTED',
      status: 'TOO-LARGE',
      outcome: 'not-applied',
    });
    await expect(client.submit(new Uint8Array(1), { deadlineMs: -1 })).rejects.toMatchObject({
      code: 'INVALID',
    });
    await expect(kv(client).put('k'.repeat(1025), 'v')).rejects.toMatchObject({ code: 'INVALID' });
  });
});
