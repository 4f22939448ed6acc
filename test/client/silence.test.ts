/** Networks that lose everything without a word: connections look well, and nothing comes. */

import { afterEach, describe, expect, it } from 'vitest';
import { kv } from '../../src/client/index.ts';
import { cleanUp, createCluster, startAll } from '../node/support.ts';
import { closeClients, connectThroughRelays, connectTo, countOf } from './support.ts';

afterEach(async () => {
  await closeClients();
  await cleanUp();
});

/** A client that has put one value, on links that can fall silent. */
async function clientBehindRelays() {
  const cluster = await createCluster(4);
  await startAll(cluster);
  const watched = await connectThroughRelays(cluster);
  const store = kv(watched.client);
  await store.put('a', '1');
  return { ...watched, store };
}

const text = async (value: Promise<{ readonly value: Uint8Array } | undefined>) =>
  new TextDecoder().decode((await value)?.value);

describe('without a quorum in reach, though all links are up', () => {
  it('what was sent ends unknown, what was not is not applied; both say who is silent, and all resumes by itself', async () => {
    const { client, store, relays } = await clientBehindRelays();
    for (const relay of relays.slice(1)) relay.mute();
    const sent = store.put('a', '2', { deadlineMs: 1_200 });
    const queued = store.put('a', '3', { deadlineMs: 1_200 });
    const read = store.get('a', { deadlineMs: 1_200 });
    await expect(sent).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      outcome: 'unknown',
      reachable: 1,
      needed: 3,
    });
    await expect(sent).rejects.toThrow(
      /1 of 4 replicas can be reached, 3 must answer \(replica 1: connected, but silent; .*it may still be applied/,
    );
    const refusal = { code: 'NO_QUORUM', outcome: 'not-applied', reachable: 1, needed: 3 };
    await expect(queued).rejects.toMatchObject(refusal);
    await expect(read).rejects.toMatchObject(refusal);
    expect(client.links().map(({ reachable }) => reachable)).toEqual([true, false, false, false]);
    for (const relay of relays) relay.unmute();
    await store.put('b', '4');
    expect(await text(store.get('a'))).toBe('2');
  });

  it('nothing new is sent once that is known, so it is certainly not applied', async () => {
    const { store, until, notices, relays } = await clientBehindRelays();
    for (const relay of relays.slice(2)) relay.mute();
    // A read in vain shows who is silent.
    const start = notices.length;
    const read = store.get('a');
    await until((it) => it.type === 'reach' && it.reachable === 2 && notices.indexOf(it) >= start);
    const sent = countOf(notices, 'sent');
    const late = store.put('a', '2', { deadlineMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'NO_QUORUM', outcome: 'not-applied', reachable: 2 });
    expect(countOf(notices, 'sent')).toBe(sent);
    relays[2]!.unmute();
    expect(await text(read)).toBe('1');
  });

  it('a read changes nothing, even one that had to be ordered', async () => {
    const { store, notices, relays } = await clientBehindRelays();
    for (const relay of relays.slice(2)) relay.mute();
    const late = store.get('a', { deadlineMs: 600 });
    await expect(late).rejects.toMatchObject({ code: 'NO_QUORUM', outcome: 'not-applied' });
    expect(countOf(notices, 'readOrdered')).toBe(1);
  });

  it('ends calls before their deadline when they have been without one for long enough', async () => {
    const cluster = await createCluster(4);
    await startAll(cluster);
    const { client } = await connectTo(cluster, { noQuorumMs: 300 });
    await kv(client).put('a', '1');
    await cluster.stop(2);
    await cluster.stop(3);
    const late = kv(client).put('a', '2', { deadlineMs: 2 ** 31 - 1 });
    await expect(late).rejects.toThrow(/no answer of a quorum within 300 ms: 2 of 4/);
  });

  it('a link that stays silent is dialled anew', async () => {
    const { store, until, relays } = await clientBehindRelays();
    relays[3]!.mute();
    relays[2]!.mute();
    const put = store.put('a', '2');
    const down = await until((notice) => notice.type === 'linkDown');
    expect(down).toMatchObject({ reason: expect.stringMatching(/replica [23] was silent for 3000 ms/) });
    for (const relay of relays) relay.unmute();
    await put;
    expect(relays.map(({ connections }) => connections > 1).slice(0, 2)).toEqual([false, false]);
  });
});
