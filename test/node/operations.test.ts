/** What an operator meets: metrics, health, status, and a replica that refuses to start or stops, with its reason and its exit status. */

import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { formatReplica, formatReplicaDirectory } from '../../src/node/format-replica.ts';
import { createGenesis, writeGenesisFile } from '../../src/node/genesis-file.ts';
import { keyOfSeed, writeKeyFile } from '../../src/node/key-file.ts';
import { createLogger } from '../../src/node/logging.ts';
import { EXIT_STATUS, NodeError } from '../../src/node/node-error.ts';
import type { NodeOptions } from '../../src/node/node-options.ts';
import type { NodeStatus } from '../../src/node/node-status.ts';
import { writeReplicaConfig } from '../../src/node/replica-config.ts';
import { runReplica } from '../../src/node/replica-process.ts';
import { startNode } from '../../src/node/start-node.ts';
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

const METRICS = { host: HOST, port: 0 };

describe('what a replica serves to its operator', () => {
  test('metrics, health, readiness and status', async () => {
    const cluster = await createCluster(4, { checkpointInterval: 4, watermarkWindow: 16 });
    const first = await cluster.start(0, { metrics: METRICS });
    const base = `http://${HOST}:${first.metricsPort}`;
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    const unready = await fetch(`${base}/readyz`);
    expect([unready.status, await unready.text()]).toEqual([503, expect.stringContaining('not started')]);

    for (let i = 1; i < 4; i++) await cluster.start(i);
    const client = createClient(cluster);
    for (let i = 0; i < 5; i++) await client.put(`${i}`, 'x');
    await cluster.until(
      0,
      ({ ready, executed, peers }) =>
        ready && executed >= 6 && peers.every(({ heard }) => heard !== undefined),
    );
    expect((await fetch(`${base}/readyz`)).status).toBe(200);

    const status = (await (await fetch(`${base}/status`)).json()) as NodeStatus;
    expect(status).toMatchObject({
      index: 0,
      name: 'test',
      service: 'kv/1',
      view: 0,
      primary: 0,
      sessions: 1,
    });
    expect(status.executed).toBeGreaterThanOrEqual(5);
    expect(status.hashChainDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(status.peers.map(({ index, connected }) => [index, connected])).toEqual(
      [1, 2, 3].map((i) => [i, true]),
    );
    expect(status.peers.every(({ heard }) => heard !== undefined && heard.heardMsAgo < 60_000)).toBe(true);

    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toMatch(/^bft2f_executed [5-9]/m);
    expect(text).toMatch(/^bft2f_stable 4/m);
    expect(text).toMatch(/^bft2f_requests_total 6$/m);
    expect(text).toMatch(/^bft2f_events_total\{type="executed"\} [5-9]/m);
    expect(text).toMatch(/^bft2f_sync_seconds_count [1-9]/m);
    expect(text).toMatch(/^bft2f_peer_connected\{peer="3"\} 1$/m);
    expect(text).toMatch(/^bft2f_transport_total\{what="framesReceived"\} [1-9]/m);
    expect(text).toMatch(/^bft2f_signatures_total\{how="remembered"\} [1-9]/m);
  });

  test('other paths and methods are refused; the port is free after the stop', async () => {
    const cluster = await createCluster(1);
    const node = await cluster.start(0, { metrics: METRICS });
    const base = `http://${HOST}:${node.metricsPort}`;
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect((await fetch(`${base}/status?x=1`)).status).toBe(200);
    const post = httpRequest(`${base}/status`, { method: 'POST' });
    post.end();
    const [answer] = (await once(post, 'response')) as [{ statusCode: number; resume(): void }];
    answer.resume();
    expect(answer.statusCode).toBe(405);
    await cluster.stop(0);
    await expect(fetch(`${base}/healthz`)).rejects.toThrow();
  });
});

describe('log lines', () => {
  test('one JSON line per event, with digests in hexadecimal', async () => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>);
    const cluster = await createCluster(1);
    await cluster.start(0, { logger: createLogger('debug', 0, { write }) });
    await createClient(cluster).put('a', '1');
    await cluster.stop(0);
    const executed = lines.find((line) => line.event === 'executed');
    expect(executed).toMatchObject({ replica: 0, msg: 'executed', view: 0 });
    expect(JSON.stringify(executed)).toMatch(/"hashChainDigest":"[0-9a-f]{64}"/);
    expect(lines.some((line) => line.event === 'listening')).toBe(true);
  });
});

describe('a replica that cannot start says why', () => {
  async function base(): Promise<NodeOptions> {
    const directory = join(await temporaryDirectory(), 'data');
    const genesis = createGenesis({ name: 'test', replicas: [1, 2, 3, 4].map(publicKeyOf) });
    await formatReplicaDirectory(genesis, 1, directory);
    const peers = genesis.replicas.map(() => ({ host: HOST, port: 1 }));
    const listen = { host: HOST, port: 0 };
    return { genesis, index: 1, seed: seedOf(2), dataDirectory: directory, listen, peers };
  }

  async function failureOf(options: NodeOptions): Promise<[string, string]> {
    const error = await startNode(options).then(
      async (node) => {
        await node.stop();
        return undefined;
      },
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NodeError);
    return [(error as NodeError).code, (error as NodeError).message];
  }

  test.each<[string, (options: NodeOptions) => Partial<NodeOptions>, string, readonly string[]]>([
    [
      'a key of another replica',
      () => ({ seed: seedOf(3) }),
      'CONFIG',
      ['index is 1', 'is that of replica 2'],
    ],
    ['a key of nobody', () => ({ seed: seedOf(9) }), 'CONFIG', ['not in the genesis']],
    ['an index of nobody', () => ({ index: 7 }), 'CONFIG', ['index is 7']],
    ['too few peers', ({ peers }) => ({ peers: peers.slice(1) }), 'CONFIG', ['3 addresses', '4 replicas']],
    ['the disk of another', () => ({ index: 2, seed: seedOf(3) }), 'STORAGE', ['belongs to replica 1']],
    ['no disk', () => ({ dataDirectory: '/nowhere' }), 'STORAGE', ['/nowhere is not a replica', 'new key']],
    ...(
      [
        [
          'index',
          '1',
          'index is "1"; expected this replica\'s index in the genesis: an integer from 0 to 30',
        ],
        ['seed', seedOf(2).slice(1), 'seed is something else; expected a Uint8Array of 32 bytes'],
        ['genesis', 'genesis.json', 'genesis is "genesis.json"; expected what readGenesisFile(path)'],
        ['genesis', undefined, 'genesis is missing; expected what readGenesisFile(path)'],
        ['listen', 7000, 'listen is 7000; expected where to listen: {"host": …, "port": …}'],
        ['peers', [{ host: HOST, port: '1' }], 'peers[0].port is "1"; expected a port: an integer'],
        ['durability', 'ram', 'durability is "ram"; expected "disk" or "memory"'],
        ['limits', { heartbeat: 1 }, 'limits has unknown fields (heartbeat); known are: '],
        ['networkLimits', { idleTimeoutMs: 2 ** 31 }, 'networkLimits.idleTimeoutMs is 2147483648; expected'],
        ['networkLimits', { idleTimeoutMs: undefined }, 'networkLimits.idleTimeoutMs is missing; expected'],
        ['service', 'kv/1', 'service is "kv/1"; expected a function that makes the service'],
        ['logger', console, 'logger is {'],
        ['smallLogBytes', 8n, 'smallLogBytes is 8; expected a size'],
        ['onevent', () => undefined, 'the argument has unknown fields (onevent); known are: genesis, index'],
      ] as const
    ).map(([name, value, words]): [string, () => Partial<NodeOptions>, string, readonly string[]] => [
      words,
      () => ({ [name]: value }),
      'CONFIG',
      ['startNode cannot use its options; correct them:\n  ', words],
    ]),
    [
      'a genesis made by hand that cannot work',
      ({ genesis }) => ({ genesis: { ...genesis, quorumSize: 2 } }),
      'CONFIG',
      ['genesis: quorum is 2; expected 2f+1 = 3 up to n = 4'],
    ],
    [
      'a service of nobody',
      ({ genesis }) => ({ genesis: { ...genesis, service: 'sql/9' } }),
      'CONFIG',
      ['"sql/9"', 'kv/1'],
    ],
  ])('%s', async (_, change, code, parts) => {
    const options = await base();
    const [actual, message] = await failureOf({ ...options, ...change(options) });
    expect(actual).toBe(code);
    for (const part of parts) expect(message).toContain(part);
    // Nothing was left open: it can start now.
    await (await startNode(options)).stop();
  });

  test('no options at all', async () => {
    const [code, message] = await failureOf(undefined as unknown as NodeOptions);
    expect([code, message]).toEqual([
      'CONFIG',
      expect.stringContaining('the argument is missing; expected an object'),
    ]);
  });

  test('a port in use, for replicas or for metrics; a directory in use', async () => {
    const server = createServer().listen(0, HOST);
    await once(server, 'listening');
    const taken = { host: HOST, port: (server.address() as AddressInfo).port };
    const options = await base();
    const [code, message] = await failureOf({ ...options, listen: taken });
    expect([code, message]).toEqual(['NETWORK', expect.stringContaining(`${taken.port}`)]);
    const [metricsCode, metricsMessage] = await failureOf({ ...options, metrics: taken });
    expect([metricsCode, metricsMessage]).toEqual(['NETWORK', expect.stringContaining('another port')]);
    server.close();
    const node = await startNode(options);
    const [lockCode, lockMessage] = await failureOf(options);
    expect([lockCode, lockMessage]).toEqual(['STORAGE', expect.stringContaining('in use by process')]);
    await node.stop();
    expect(await node.stopped).toBeUndefined();
  });
});

describe('damage on disk', () => {
  const SHORT = { checkpointInterval: 4, watermarkWindow: 16 };

  async function loaded() {
    const cluster = await createCluster(4, SHORT);
    await startAll(cluster);
    const client = createClient(cluster);
    for (let i = 0; i < 22; i++) await client.put('key', `value ${i}`);
    await cluster.until(3, (status) => status.stable >= 16 && status.executed >= 23);
    await cluster.stop(3);
    return { cluster, client, data: join(cluster.directory, '3') };
  }

  test('a damaged chunk: an older snapshot, or the peers, lead on', async () => {
    const { cluster, client, data } = await loaded();
    const chunks = join(data, 'snapshots/chunks');
    for (const name of await readdir(chunks)) await writeFile(join(chunks, name), 'damaged');
    const lines: string[] = [];
    await cluster.start(3, { logger: createLogger('warn', 3, { write: (line) => lines.push(line) }) });
    await cluster.until(3, (status) => status.ready && status.executed >= 22);
    expect(lines.join()).toContain('damaged snapshot');
    await client.put('after', '1');
    expect(cluster.nodes[3]!.status().silence).toBe('none');
  });

  test('leaves that were lost: the peers give them again', async () => {
    const { cluster, data } = await loaded();
    await truncate(join(data, 'leaves'), 100);
    await cluster.start(3);
    await cluster.until(3, (status) => status.ready && status.executed >= 22);
  });

  test('promises damaged in both copies: a learner, which catches up and signs nothing', async () => {
    const { cluster, data } = await loaded();
    for (const name of await readdir(join(data, 'log'))) {
      const path = join(data, 'log', name);
      const bytes = await readFile(path);
      // In the middle of the records, far from the header.
      bytes.fill(0xff, Math.floor(bytes.length / 3), Math.floor(bytes.length / 2));
      await writeFile(path, bytes);
    }
    await cluster.start(3);
    const status = await cluster.until(3, (now) => now.executed >= 22);
    expect(status.silence).toBe('learner');
    expect(status.ready).toBe(false);
  });

  test('an emptied disk under a used key: a learner, once the peers have told what it promised', async () => {
    const { cluster, client, data } = await loaded();
    const fresh = `${data}-new`;
    await formatReplicaDirectory(cluster.genesis, 3, fresh);
    await cluster.start(3, { dataDirectory: fresh });
    await client.put('more', '1');
    await cluster.until(3, (now) => now.silence === 'learner' && now.executed >= 22);
  });
});

describe('a process', () => {
  async function configured(): Promise<{ folder: string; path: string }> {
    const folder = await temporaryDirectory();
    const key = keyOfSeed(seedOf(1));
    await writeGenesisFile(
      join(folder, 'genesis.json'),
      createGenesis({ name: 'one', replicas: [key.publicKey] }),
    );
    await writeKeyFile(join(folder, 'key.json'), key);
    const path = join(folder, 'replica.json');
    await writeReplicaConfig(path, {
      genesis: 'genesis.json',
      index: 0,
      key: 'key.json',
      data: 'data',
      listen: { host: HOST, port: 0 },
      peers: [{ host: HOST, port: 1 }],
    });
    await formatReplica({ genesis: join(folder, 'genesis.json'), index: 0, data: join(folder, 'data') });
    return { folder, path };
  }

  test('says that nothing is synced, runs until it gets SIGTERM, then ends with 0', async () => {
    const { path } = await configured();
    const before = process.listenerCount('SIGTERM');
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const running = runReplica(path, { logLevel: 'silent', durability: 'memory' });
    process.emit('SIGTERM', 'SIGTERM');
    while (process.listenerCount('SIGTERM') === before) await new Promise((resolve) => setImmediate(resolve));
    process.emit('SIGTERM', 'SIGTERM');
    expect(await running).toBe(EXIT_STATUS.OK);
    expect(process.listenerCount('SIGTERM')).toBe(before);
    expect(said.mock.calls).toEqual([[expect.stringMatching(/durability is "memory": nothing is synced/)]]);
    said.mockRestore();
  });

  test('says where a file comes from that is not there, and only then', async () => {
    const { folder, path } = await configured();
    const words: string[] = [];
    const write = vi
      .spyOn(process.stderr, 'write')
      .mockImplementation((text) => words.push(String(text)) > 0);
    await rm(join(folder, 'genesis.json'));
    await runReplica(path);
    await mkdir(join(folder, 'genesis.json'));
    await runReplica(path);
    write.mockRestore();
    expect(words[0]).toContain('there is no such file. Correct the path, or get a copy');
    expect(words[1]).toMatch(/cannot read the genesis file .*: EISDIR: .*directory/);
    expect(words[1]).not.toContain('"bft2f genesis"');
  });

  test.each([
    ['genesis.json', EXIT_STATUS.CONFIG],
    ['data/FORMAT', EXIT_STATUS.STORAGE],
  ])('%s is damaged: exit status %i', async (file, status) => {
    const { folder, path } = await configured();
    await writeFile(join(folder, file), 'damaged');
    if (file.startsWith('data')) await writeFile(join(folder, `${file}.copy`), 'damaged');
    expect(await runReplica(path)).toBe(status);
  });

  test('no replica file: exit status 2', async () => {
    expect(await runReplica('/nowhere/replica.json')).toBe(EXIT_STATUS.CONFIG);
  });
});
