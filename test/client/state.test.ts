import { readdir, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { kv } from '../../src/client/index.ts';
import { cleanUp, createCluster, seedOf, startAll, temporaryDirectory } from '../node/support.ts';
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

describe('a durable client', () => {
  it('goes on in its session after a restart', async () => {
    const cluster = await runningCluster();
    const stateDirectory = await temporaryDirectory();
    const first = await connectTo(cluster, { stateDirectory });
    await kv(first.client).put('a', '1');
    const head = first.client.accepted;
    await first.client.close();

    const second = await connectTo(cluster, { stateDirectory });
    expect(second.client.accepted).toEqual(head);
    await kv(second.client).put('a', '2');
    expect(countOf(second.notices, 'opened')).toBe(0);
  });

  it('brings to its end what an earlier process had sent, exactly once', async () => {
    const cluster = await runningCluster();
    const stateDirectory = await temporaryDirectory();
    const first = await connectThroughRelays(cluster, { stateDirectory });
    const store = kv(first.client);
    await store.increment('n');
    for (const relay of first.relays.slice(2)) relay.mute();
    const cut = expect(store.increment('n')).rejects.toMatchObject({ code: 'CLOSED', outcome: 'unknown' });
    await first.until(
      (it) => it.type === 'sent' && it.request.type === 'request' && it.request.timestamp === 2,
    );
    await first.client.close();
    await cut;

    const second = await connectTo(cluster, { stateDirectory });
    const ended = await second.until((it) => it.type === 'restoredOutcome');
    expect(ended).toMatchObject({ place: 0, sessionIndex: 0, outcome: { type: 'accepted' } });
    expect(await kv(second.client).increment('n')).toBe(3n);
  });

  it('restores sessions beyond those that are asked for, as long as they have something to end', async () => {
    const cluster = await runningCluster();
    const stateDirectory = await temporaryDirectory();
    const first = await connectThroughRelays(cluster, { stateDirectory, sessions: 2 });
    const store = kv(first.client);
    await Promise.all([store.increment('n'), store.increment('n')]);
    for (const relay of first.relays.slice(2)) relay.mute();
    const cut = Promise.allSettled([store.increment('n'), store.increment('n')]);
    await first.until(
      (it) =>
        it.type === 'sent' &&
        it.request.type === 'request' &&
        it.request.timestamp === 2 &&
        it.sessionIndex === 1,
    );
    await first.client.close();
    await cut;
    const second = await connectTo(cluster, { stateDirectory });
    for (const index of [0, 1]) {
      await second.until((it) => it.type === 'restoredOutcome' && it.sessionIndex === index);
    }
    expect(await kv(second.client).increment('n', 0)).toBe(4n);
  });
});

describe('a volatile client with a directory', () => {
  it('keeps the last accepted head, and opens another session from there', async () => {
    const cluster = await runningCluster();
    const stateDirectory = await temporaryDirectory();
    const first = await connectTo(cluster, { stateDirectory, durable: false });
    await kv(first.client).put('a', '1');
    const head = first.client.accepted;
    await first.client.close();

    const second = await connectTo(cluster, { stateDirectory, durable: false });
    expect(second.client.accepted).toEqual(head);
    await kv(second.client).put('a', '2');
    const open = second.notices.find((it) => it.type === 'sent');
    expect(open).toMatchObject({ request: { type: 'open', seen: { sequenceNumber: head?.sequenceNumber } } });
  });
});

describe('a fork', () => {
  it('is noticed by a client whose history the replicas no longer have, and kept as evidence', async () => {
    const stateDirectory = await temporaryDirectory();
    const before = await connectTo(await runningCluster(), { stateDirectory, durable: false });
    await kv(before.client).put('a', '1');
    const own = before.client.accepted;
    await before.client.close();

    // The same keys, hence the same cluster, but all replicas have forgotten everything; another client has begun a new history.
    const forgetful = await runningCluster();
    const stranger = kv((await connectTo(forgetful, { key: seedOf(101) })).client);
    for (const value of ['x', 'y', 'z']) await stranger.put('a', value);
    const { client, notices } = await connectTo(forgetful, { stateDirectory, durable: false });
    const error = { code: 'FORKED', outcome: 'not-applied', evidence: expect.stringContaining('/evidence/') };
    await expect(kv(client).put('a', '2')).rejects.toMatchObject(error);
    await expect(kv(client).put('a', '3')).rejects.toMatchObject(error);
    expect(notices.find((it) => it.type === 'forked')).toMatchObject({ own });
    await client.close();
    expect(await readdir(stateDirectory)).toContainEqual(expect.stringMatching(/^fork-[0-9a-f]{16}$/));
    // The replicas were told as well: they order nothing more, and tell everyone why.
    await expect(stranger.put('a', 'z')).rejects.toMatchObject({ code: 'FORKED' });
  });
});

describe('a state directory', () => {
  it('is of one process at a time', async () => {
    const cluster = await createCluster(4);
    const stateDirectory = await temporaryDirectory();
    const first = await connectTo(cluster, { stateDirectory });
    await expect(connectTo(cluster, { stateDirectory })).rejects.toMatchObject({
      code: 'STATE',
      cause: { code: 'LOCKED' },
    });
    await first.client.close();
    await connectTo(cluster, { stateDirectory });
  });

  it('is of one cluster and one key', async () => {
    const cluster = await runningCluster();
    const stateDirectory = await temporaryDirectory();
    const { client } = await connectTo(cluster, { stateDirectory });
    await kv(client).put('a', '1');
    await client.close();
    await expect(connectTo(cluster, { stateDirectory, key: seedOf(101) })).rejects.toMatchObject({
      code: 'INVALID',
      message: /another key/,
    });
    await expect(connectTo(await createCluster(1), { stateDirectory })).rejects.toMatchObject({
      code: 'INVALID',
      message: /another cluster/,
    });
  });

  it('is not used if it is damaged', async () => {
    const stateDirectory = await temporaryDirectory();
    await writeFile(`${stateDirectory}/session-0`, 'nonsense');
    await expect(connectTo(await createCluster(4), { stateDirectory })).rejects.toMatchObject({
      code: 'STATE',
      message: /session-0 is damaged/,
    });
  });
});
