/** What a replica cosigns for tools that know no executed entries. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { cosignedCheckpoint } from '../../src/node/cosigned-checkpoint.ts';
import { readReplicaConfig } from '../../src/node/replica-config.ts';
import { cosignedAt, headText, originOf, parseNote } from '../../src/protocol/accountability/index.ts';
import { makeCluster } from '../../src/protocol/genesis.ts';
import type { Replica } from '../../src/protocol/replica/index.ts';
import { fromHex } from '../../src/types/bytes.ts';
import {
  cleanUp,
  createClient,
  createCluster,
  HOST,
  publicKeyOf,
  seedOf,
  startAll,
  temporaryDirectory,
} from './support.ts';

afterEach(cleanUp);

const metrics = { host: HOST, port: 0 };
const checkpointSeed = seedOf(90);

describe('GET /checkpoint', () => {
  it('is the newest executed (s, L), cosigned by the second key', async () => {
    const cluster = await createCluster(4);
    const first = await cluster.start(0, { metrics, checkpointSeed });
    const url = `http://${HOST}:${first.metricsPort}/checkpoint`;
    expect((await fetch(url)).status).toBe(503);
    for (let i = 1; i < 4; i++) await cluster.start(i);
    const client = createClient(cluster);
    for (let i = 0; i < 3; i++) await client.put(`${i}`, 'x');
    const { executed, logRoot } = await cluster.until(0, (status) => status.executed >= 4);

    const response = await fetch(url);
    expect(response.status).toBe(200);
    const note = parseNote(new Uint8Array(await response.arrayBuffer()));
    if (!note.ok) throw new Error(note.error);
    const { id } = makeCluster(cluster.genesis, sodiumCrypto);
    const [origin, size, root] = note.value.text.split('\n');
    expect([origin, size]).toEqual([originOf({ id }), String(executed)]);
    expect(root).toBe(Buffer.from(fromHex(logRoot)!).toString('base64'));
    const cosigner = { name: `${originOf({ id })}/0`, publicKey: publicKeyOf(90) };
    expect(cosignedAt(sodiumCrypto, cosigner, note.value)).toBeTypeOf('number');
    expect(cosignedAt(sodiumCrypto, { ...cosigner, publicKey: publicKeyOf(1) }, note.value)).toBeUndefined();
  });

  it('is there only with a second key', async () => {
    const cluster = await createCluster(4);
    await startAll(cluster, { metrics });
    await createClient(cluster).put('a', '1');
    const response = await fetch(`http://${HOST}:${cluster.nodes[0]!.metricsPort}/checkpoint`);
    expect(response.status).toBe(503);
  });
});

describe('the second key', () => {
  it('must not be the first, and must be one', async () => {
    const cluster = await createCluster(1);
    const refusals = [
      [seedOf(1), 'is the replica’s own'],
      [new Uint8Array(3), 'checkpointSeed is something else'],
    ] as const;
    for (const [seed, words] of refusals) {
      const refused = expect(cluster.start(0, { checkpointSeed: seed })).rejects;
      await refused.toMatchObject({ code: 'CONFIG', message: expect.stringContaining(words) });
    }
  });

  it('is named in the replica file, relative to its folder', async () => {
    const directory = await temporaryDirectory();
    const address = { host: HOST, port: 1 };
    const file = { genesis: 'g', index: 0, key: 'k', data: 'd', listen: address, peers: [address] };
    const path = join(directory, 'replica.json');
    await writeFile(path, JSON.stringify({ ...file, checkpointKey: 'second.json' }));
    expect((await readReplicaConfig(path)).checkpointKey).toBe(join(directory, 'second.json'));
  });
});

it('nothing is signed before all that was recorded is durable, and nothing by a replica that may not sign', async () => {
  const { genesis } = await createCluster(1);
  const executed = {
    sequenceNumber: 3,
    hashChainDigest: seedOf(1),
    repliesRoot: seedOf(2),
    logRoot: seedOf(3),
  };
  const replica = {
    index: 0,
    context: { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto },
    ledger: { executed },
    started: true,
    silence: 'none',
    signFloor: 3,
  };
  const steps: string[] = [];
  const { publicKey, sign } = signerFromSeed(checkpointSeed);
  const cosignedBy = (changes: object) =>
    cosignedCheckpoint({
      replica: { ...replica, ...changes } as unknown as Replica,
      signer: {
        publicKey,
        sign(message) {
          steps.push('sign');
          return sign(message);
        },
      },
      async sync() {
        await Promise.resolve();
        steps.push('durable');
      },
      clock: () => 1,
    });
  for (const mute of [
    { silence: 'ordering' },
    { silence: 'learner' },
    { started: false },
    { signFloor: 4 },
  ]) {
    expect(await cosignedBy(mute)).toBeUndefined();
  }
  expect(steps).toEqual([]);
  expect(await cosignedBy({})).toContain(headText(replica.context.cluster, executed));
  expect(steps).toEqual(['durable', 'sign']);
});
