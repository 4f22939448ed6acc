/** Results that are handed out only once witnesses have cosigned their history: real replicas, real witnesses, real HTTP. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Client,
  type ConnectOptions,
  type Head,
  kv,
  type WitnessOption,
} from '../../src/client/index.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import {
  cosign,
  formatHead,
  formatSignature,
  formatSubmission,
  formatVerifierKey,
  headText,
  verifyHead,
} from '../../src/protocol/accountability/index.ts';
import { makeCluster } from '../../src/protocol/genesis.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { startWitness } from '../../src/witness/start-witness.ts';
import { formatVault } from '../../src/witness/vault.ts';
import {
  cleanUp,
  createCluster,
  HOST,
  seedOf,
  startAll,
  type TestCluster,
  temporaryDirectory,
} from '../node/support.ts';
import { closeClients, connectTo, countOf } from './support.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await closeClients();
  for (const close of closers.splice(0).reverse()) await close();
  await cleanUp();
});

async function runningCluster(): Promise<TestCluster> {
  const cluster = await createCluster(4);
  await startAll(cluster);
  return cluster;
}

/** Its option, for clients; it never polls by itself but once. */
async function witnessOf({ genesis, ports }: TestCluster, number = 0) {
  const seed = seedOf(150 + number);
  const name = `witness.example/${number}`;
  const dataDirectory = join(await temporaryDirectory(), 'data');
  const { publicKey } = signerFromSeed(seed);
  await formatVault(nodeFiles, dataDirectory, makeCluster(genesis, sodiumCrypto).id, publicKey);
  const running = await startWitness({
    genesis,
    seed,
    name,
    dataDirectory,
    listen: { host: HOST, port: 0 },
    replicas: ports.map((port) => ({ host: HOST, port })),
    pollMs: 3_600_000,
  });
  closers.push(() => running.stop());
  const url = `http://${HOST}:${running.port}`;
  return { running, url, option: { url, key: formatVerifierKey(sodiumCrypto, { name, publicKey }) } };
}

/** A witness that answers as it likes, under the key of `witnessOf(cluster, 9)`. */
async function lyingWitness(answer: RequestListener): Promise<WitnessOption> {
  const server = createServer(answer);
  server.listen(0, HOST);
  await once(server, 'listening');
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  const { publicKey } = signerFromSeed(seedOf(159));
  const key = formatVerifierKey(sodiumCrypto, { name: 'witness.example/9', publicKey });
  return { url: `http://${HOST}:${(server.address() as AddressInfo).port}`, key };
}

interface Lie {
  readonly lie: 'proof' | 'key' | 'text' | 'endless';
  readonly earlier: Head;
}

/** Cosigns whatever it is shown, under the key of `lyingWitness`; or something else. */
function reply(
  { genesis }: TestCluster,
  request: IncomingMessage,
  response: ServerResponse,
  { lie, earlier }: Partial<Lie> = {},
): void {
  const context = { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto };
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    if (lie === 'endless') {
      const pour = (): void => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.writeHead(200).on('drain', pour);
      return pour();
    }
    const verified = verifyHead(context, Buffer.concat(parts));
    if (!verified.ok) throw new Error(verified.error.text);
    const head = lie === 'proof' ? earlier! : verified.value;
    const signer = signerFromSeed(seedOf(lie === 'key' ? 158 : 159));
    const text = headText(context.cluster, head);
    const line = cosign(
      sodiumCrypto,
      { name: 'witness.example/9', signer },
      lie === 'text' ? `${text}x\n` : text,
      1,
    );
    const note = utf8(formatHead(context, head) + formatSignature(line));
    response.end(formatSubmission({ oldSize: verified.value.sequenceNumber, path: [], note }));
  });
}

async function sizeOf(url: string): Promise<number> {
  const response = await fetch(`${url}/checkpoint`);
  return response.ok ? Number((await response.text()).split('\n')[1]) : 0;
}

const client = async (cluster: TestCluster, options: Partial<ConnectOptions>): Promise<Client> =>
  (await connectTo(cluster, options)).client;

describe('a write', () => {
  it('is handed out once all witnesses have cosigned its history', async () => {
    const cluster = await runningCluster();
    const witnesses = [await witnessOf(cluster, 0), await witnessOf(cluster, 1)];
    const store = await client(cluster, { sessions: 4, witnesses: witnesses.map(({ option }) => option) });
    await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((i) => kv(store).put(`${i}`, 'x')));
    for (const { url } of witnesses) {
      expect(await sizeOf(url)).toBeGreaterThanOrEqual(store.accepted!.sequenceNumber);
    }
  });

  it('needs as many as were demanded, and waits for no others', async () => {
    const cluster = await runningCluster();
    const witness = await witnessOf(cluster);
    const silent = await lyingWitness(() => undefined);
    const witnesses = [silent, witness.option];
    const store = await client(cluster, { witnesses, cosignaturesNeeded: 1 });
    await kv(store).put('a', '1');
    expect(await sizeOf(witness.url)).toBe(store.accepted!.sequenceNumber);
    await expect(kv(store).get('a')).resolves.toBeDefined();
  });

  it('that too few have cosigned in time ends as NOT_WITNESSED: it was applied', async () => {
    const cluster = await runningCluster();
    const witness = await witnessOf(cluster);
    const silent = await lyingWitness(() => undefined);
    const store = await client(cluster, { witnesses: [witness.option, silent] });
    const receipts: unknown[] = [];
    const call = kv(store).put('a', '1', { deadlineMs: 600, onReceipt: (it) => receipts.push(it) });
    await expect(call).rejects.toMatchObject({ code: 'NOT_WITNESSED', outcome: 'applied' });
    expect(receipts).toEqual([]);
    expect((await kv(store).get('a'))?.value).toEqual(utf8('1'));
  });

  it('that waits for witnesses ends with its signal, or with the client', async () => {
    const cluster = await runningCluster();
    let onAsked: () => void = () => undefined;
    const silent = await lyingWitness(() => onAsked());
    const store = await client(cluster, { witnesses: [silent] });
    const abort = new AbortController();
    onAsked = () => abort.abort();
    const first = kv(store).put('a', '2', { signal: abort.signal });
    await expect(first).rejects.toMatchObject({ code: 'ABORTED', outcome: 'applied' });
    onAsked = () => void store.close();
    await expect(kv(store).put('a', '3')).rejects.toMatchObject({ code: 'CLOSED', outcome: 'applied' });
  });

  it('is shown to a witness again until it can answer', async () => {
    const cluster = await runningCluster();
    let requests = 0;
    const option = await lyingWitness((request, response) => {
      if (++requests < 3) response.writeHead(503).end();
      else reply(cluster, request, response);
    });
    const store = await client(cluster, { witnesses: [option] });
    await kv(store).put('a', '1');
    expect(requests).toBe(3);
  });

  it('of a client that demands nothing is shown to witnesses all the same', async () => {
    const cluster = await runningCluster();
    const witness = await witnessOf(cluster);
    const silent = await lyingWitness(() => undefined);
    const witnesses = [witness.option, silent];
    const store = await client(cluster, { witnesses, cosignaturesNeeded: 0 });
    for (let i = 0; i < 5; i++) await kv(store).put(`${i}`, 'x');
    while ((await sizeOf(witness.url)) < store.accepted!.sequenceNumber) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
});

describe('a cosignature counts for nothing', () => {
  it.each([
    ['of another head, without a proof', 'proof'],
    ['by another key', 'key'],
    ['for another text', 'text'],
    ['in an endless answer', 'endless'],
  ] as const)('%s', async (_name, lie) => {
    const cluster = await runningCluster();
    const { client: other } = await connectTo(cluster, { key: seedOf(101) });
    for (const key of ['x', 'y', 'z', 'w']) await kv(other).put(key, '1');
    const earlier = other.accepted!;
    const option = await lyingWitness((request, response) =>
      reply(cluster, request, response, { lie, earlier }),
    );
    const store = await client(cluster, { witnesses: [option] });
    const call = kv(store).put('a', '1', { deadlineMs: 500 });
    await expect(call).rejects.toMatchObject({ code: 'NOT_WITNESSED' });
  });
});

describe('a fork', () => {
  it('that a witness has found reaches clients of both histories, with the evidence', async () => {
    const [here, there] = [await runningCluster(), await runningCluster()];
    const witness = await witnessOf(here);
    const options = { witnesses: [witness.option] };
    const stateDirectory = await temporaryDirectory();
    const one = await connectTo(here, { ...options, stateDirectory });
    const other = await connectTo(there, { ...options, key: seedOf(101) });
    await kv(one.client).put('a', '1');
    const call = kv(other.client).put('b', '1');
    await expect(call).rejects.toMatchObject({ code: 'FORKED', outcome: 'applied' });
    await expect(kv(one.client).put('c', '1')).rejects.toMatchObject({ code: 'FORKED' });
    for (const each of [one, other]) {
      expect(countOf(each.notices, 'witnessedFork')).toBe(1);
      await expect(kv(each.client).put('d', '1')).rejects.toMatchObject({ code: 'FORKED' });
    }
    await one.client.close();
    expect(await nodeFiles.list(`${stateDirectory}/evidence`)).toHaveLength(1);
  });
});

it('options that cannot be are refused', async () => {
  const cluster = await createCluster(4);
  const { publicKey } = signerFromSeed(seedOf(159));
  const key = formatVerifierKey(sodiumCrypto, { name: 'w', publicKey });
  for (const [options, words] of [
    [{ cosignaturesNeeded: 1 }, 'cosignaturesNeeded is 1'],
    [{ witnesses: [{ url: 'x', key }] }, 'witnesses[0].url'],
    [{ witnesses: [{ url: 'http://x', key: `${key}x` }] }, 'witnesses[0].key'],
  ] as const) {
    const refused = expect(connectTo(cluster, options)).rejects;
    await refused.toMatchObject({ code: 'INVALID', message: expect.stringContaining(words) });
  }
});
