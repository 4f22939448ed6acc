/** Heads between clients (docs/protocol.md §8), with real replicas. */

import { readdir, readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientError, kv } from '../../src/client/index.ts';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { verifyEvidence } from '../../src/protocol/accountability/index.ts';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { cleanUp, createCluster, seedOf, startAll, temporaryDirectory } from '../node/support.ts';
import { closeClients, connectTo } from './support.ts';

afterEach(async () => {
  await closeClients();
  await cleanUp();
});

async function runningCluster() {
  const cluster = await createCluster(4);
  await startAll(cluster);
  return cluster;
}

describe('a head', () => {
  it('is the newest of the replicas, verified, and not the client’s own until it is observed', async () => {
    const cluster = await runningCluster();
    const { client: writer } = await connectTo(cluster);
    for (const key of ['a', 'b', 'c']) await kv(writer).put(key, '1');
    const { client } = await connectTo(cluster, { key: seedOf(101) });
    const head = await client.head();
    expect(rejectHead({ cluster: client.cluster, crypto: sodiumCrypto }, head)).toBeUndefined();
    expect(head.sequenceNumber).toBeGreaterThanOrEqual(writer.accepted!.sequenceNumber);
    expect(client.accepted).toBeUndefined();
    expect(await client.observe(head)).toEqual(head);
    expect(client.accepted).toEqual(head);
  });

  it('of another client, once observed, is what all sessions go on from; it outlives the process', async () => {
    const cluster = await runningCluster();
    const { client: other } = await connectTo(cluster);
    const stateDirectory = await temporaryDirectory();
    const options = { key: seedOf(101), stateDirectory, sessions: 3 };
    const { client } = await connectTo(cluster, options);
    await Promise.all([1, 2, 3].map(() => kv(client).increment('n')));
    for (let i = 0; i < 5; i++) await kv(other).put('k', `${i}`);
    const head = other.accepted!;
    expect(await client.observe(head)).toEqual(head);
    // An older one is on the same history, and moves nothing.
    expect(await client.observe((await client.read(new Uint8Array(0))).head)).toEqual(head);
    await client.close();
    const { client: next } = await connectTo(cluster, options);
    expect(next.accepted).toEqual(head);
  });

  it('of a fork ends the client, with evidence that names f+1 replicas', async () => {
    const [here, there] = [await runningCluster(), await runningCluster()];
    const { client: other } = await connectTo(there);
    for (const key of ['a', 'b', 'c']) await kv(other).put(key, '1');
    const stateDirectory = await temporaryDirectory();
    const { client, notices } = await connectTo(here, { key: seedOf(101), stateDirectory });
    for (const key of ['d', 'e', 'f', 'g']) await kv(client).put(key, '1');
    const own = client.accepted;
    const { client: third } = await connectTo(here, {
      key: seedOf(102),
      stateDirectory: await temporaryDirectory(),
    });
    await kv(third).put('z', '1');
    const error = await client.observe(other.accepted!).catch((it: unknown) => it);
    expect(error).toMatchObject({ code: 'FORKED', outcome: 'not-applied' });
    const path = (error as ClientError).evidence!;
    expect((error as ClientError).message).toContain(path);
    const judge = { cluster: client.cluster, crypto: sodiumCrypto };
    expect(verifyEvidence(judge, await readFile(path))).toMatchObject({
      value: { verdict: { forked: true } },
    });
    expect(client.accepted).toEqual(own);
    await expect(kv(client).put('h', '1')).rejects.toMatchObject({ code: 'FORKED', evidence: path });
    const found = notices.find((it) => it.type === 'evidence');
    expect(found?.type === 'evidence' && found.forked && found.guilty.length).toBeGreaterThanOrEqual(2);
    await client.close();
    const kept = await readdir(stateDirectory, { recursive: true });
    expect(kept.filter((name) => /^(fork|evidence)/.test(name)).length).toBeGreaterThanOrEqual(2);
    // The next process of this key knows it still.
    const { client: next } = await connectTo(here, { key: seedOf(101), stateDirectory });
    await expect(kv(next).get('d')).rejects.toMatchObject({ code: 'FORKED', evidence: path });
    // The replicas were told, have stopped, and tell the others.
    const told = await kv(third)
      .put('z', '2')
      .catch((it: unknown) => it);
    expect(told).toMatchObject({ code: 'FORKED' });
    expect(verifyEvidence(judge, await readFile((told as ClientError).evidence!))).toMatchObject({
      ok: true,
    });
  });

  it('that is none is refused', async () => {
    const cluster = await runningCluster();
    const { client } = await connectTo(cluster);
    await kv(client).put('a', '1');
    const head = client.accepted!;
    await expect(client.observe({ ...head, votes: head.votes.slice(1) })).rejects.toMatchObject({
      code: 'INVALID',
    });
    await expect(client.observe({ ...head, logRoot: new Uint8Array(3) })).rejects.toMatchObject({
      code: 'INVALID',
    });
    await expect(client.observe(undefined as never)).rejects.toMatchObject({ code: 'INVALID' });
    const { client: closed } = await connectTo(cluster, { key: seedOf(101) });
    await closed.close();
    await expect(closed.observe(head)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('before anything was executed there is none', async () => {
    const { client } = await connectTo(await runningCluster());
    await expect(client.head({ deadlineMs: 300 })).rejects.toMatchObject({ code: 'NO_QUORUM' });
  });
});
