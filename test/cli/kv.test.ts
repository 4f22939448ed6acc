import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterPaths, writeClientConfig } from '../../src/cli/cluster-directory.ts';
import { generateKey, writeGenesisFile, writeKeyFile } from '../../src/node/index.ts';
import { decodeKvResult } from '../../src/services/kv/index.ts';
import {
  cleanUp,
  createCluster,
  HOST,
  startAll,
  type TestCluster,
  temporaryDirectory,
} from '../node/support.ts';
import { bft2f, type RunOptions } from './support.ts';

let directory: string;
let cluster: TestCluster;

beforeAll(async () => {
  directory = await temporaryDirectory();
  cluster = await createCluster(4, {}, { metrics: { host: HOST, port: 0 } });
  await startAll(cluster);
  const paths = clusterPaths(directory);
  await mkdir(paths.clientDirectory);
  await writeGenesisFile(paths.genesis, cluster.genesis);
  await writeKeyFile(paths.clientKey, generateKey());
  await writeClientConfig(paths.client, {
    genesis: 'genesis.json',
    key: 'client/key.json',
    state: 'client/state',
    replicas: cluster.nodes.map((node) => ({
      host: HOST,
      port: node!.port,
      status: { host: HOST, port: node!.metricsPort! },
    })),
  });
});

afterAll(cleanUp);

function kv(args: readonly string[], options?: RunOptions) {
  return bft2f(['kv', ...args, '--directory', directory], options);
}

function withoutVersions(lines: string): string {
  return lines.replace(/,"version":\d+/g, '');
}

describe('bft2f kv', () => {
  it('puts, gets and deletes', async () => {
    expect(await kv(['put', 'greeting', 'hello'])).toMatchObject({ code: 0, out: '1\n', err: '' });
    expect(await kv(['get', 'greeting'])).toMatchObject({ code: 0, out: 'hello\n' });
    expect(await kv(['get', 'greeting', '--raw', '--ordered'])).toMatchObject({ code: 0, out: 'hello' });
    expect(await kv(['delete', 'greeting'])).toMatchObject({ code: 0, out: '' });
    expect(await kv(['delete', 'greeting'])).toMatchObject({ code: 10 });
    expect(await kv(['get', 'greeting'])).toMatchObject({
      code: 10,
      err: 'error: there is no key "greeting"\n',
    });
  });

  it('writes receipts, of what was refused too, that anyone can verify', async () => {
    const [written, refused] = [join(directory, 'w.receipt'), join(directory, 'r.receipt')];
    expect((await kv(['put', 'deed', 'signed', '--receipt', written])).code).toBe(0);
    expect((await kv(['incr', 'deed', '--receipt', refused])).code).toBe(10);
    for (const file of [written, refused]) {
      expect(await bft2f(['receipt', 'verify', file, '--directory', directory])).toMatchObject({
        code: 0,
        out: expect.stringContaining('status OK'),
      });
    }
  });

  it('proves a key present or absent', async () => {
    await kv(['put', 'seal', 'unbroken']);
    const [present, absent] = [join(directory, 'p.receipt'), join(directory, 'a.receipt')];
    expect(await kv(['get', 'seal', '--receipt', present])).toMatchObject({ code: 0, out: 'unbroken\n' });
    expect(await kv(['get', 'seals', '--receipt', absent])).toMatchObject({ code: 10 });
    const results = [];
    for (const file of [present, absent]) {
      const { code, out } = await bft2f(['receipt', 'verify', file, '--json', '--directory', directory]);
      expect(code).toBe(0);
      results.push(decodeKvResult(Buffer.from(JSON.parse(out).receipt.results[0], 'hex')));
    }
    expect(results).toMatchObject([
      { value: { type: 'value', value: new Uint8Array(Buffer.from('unbroken')) } },
      { value: { type: 'absent' } },
    ]);
  });

  it('heads are got, verified and compared', async () => {
    const [a, b] = [join(directory, 'a.head'), join(directory, 'b.head')];
    for (const file of [a, b]) {
      await kv(['put', 'headed', file]);
      const got = await bft2f(['head', 'get', '--directory', directory]);
      expect(got).toMatchObject({ code: 0, err: '' });
      await writeFile(file, got.out);
      expect(await bft2f(['head', 'verify', file, '--directory', directory])).toMatchObject({ code: 0 });
    }
    const compare = (x: string, y: string) => bft2f(['head', 'compare', x, y, '--directory', directory]);
    expect(await compare(a, b)).toMatchObject({ code: 0, out: expect.stringMatching(/^EXTENDS/) });
    expect(await compare(a, a)).toMatchObject({ code: 0, out: expect.stringMatching(/^CONSISTENT/) });
  });

  it('puts the standard input, and lets it expire', async () => {
    const long = await kv(['put', 'p', '-', '--expire-after', '3600000'], { input: 'from stdin' });
    expect(long.code).toBe(0);
    expect((await kv(['get', 'p'])).out).toBe('from stdin\n');
    const tooLong = await kv(['put', 'p', 'x'.repeat(61 * 1024)]);
    expect(tooLong).toMatchObject({
      code: 2,
      err: 'error: the value has 62464 bytes; a value has at most 61440\n',
    });
    expect(await kv(['get', 'k'.repeat(1025)])).toMatchObject({
      code: 2,
      err: 'error: the key has 1025 bytes; a key has at most 1024\n',
    });
  });

  it('compares and sets', async () => {
    const made = await kv(['cas', 'owner', 'alice', '--expect-absent']);
    expect(made.code).toBe(0);
    const refused = await kv(['cas', 'owner', 'bob', '--expect-value', 'carol']);
    expect(refused).toMatchObject({
      code: 10,
      err: expect.stringContaining(`it has version ${made.out.trim()}`),
    });
    expect((await kv(['cas', 'owner', 'bob', '--expect-version', made.out.trim()])).code).toBe(0);
    expect((await kv(['cas', 'owner', 'dave', '--expect-present'])).code).toBe(0);
  });

  it('increments', async () => {
    expect((await kv(['incr', 'n'])).out).toBe('1\n');
    expect((await bft2f(['kv', 'incr', '--directory', directory, 'n', '--', '-5'])).out).toBe('-4\n');
    expect(await kv(['incr', 'owner'])).toMatchObject({ code: 10 });
  });

  it('loads and scans', async () => {
    const file = join(directory, 'words.tsv');
    await writeFile(file, Array.from({ length: 30 }, (_, i) => `load/${10 + i}\tvalue\t${i}\n`).join(''));
    const loaded = await kv(['load', file, '--in-flight', '8'], { isLive: true });
    expect(loaded.code).toBe(0);
    expect(loaded.err).toContain('30/30');
    expect(loaded.err).toContain('loaded 30 entries');
    expect((await kv(['scan', '--prefix', 'load/', '--limit', '2'])).out).toBe(
      'load/10\tvalue\\t0\nload/11\tvalue\\t1\n',
    );
    const all = await kv(['scan', '--from', 'load/', '--to', 'load0', '--json']);
    expect(all.out.trimEnd().split('\n')).toHaveLength(30);
    expect(JSON.parse(all.out.split('\n')[0]!)).toMatchObject({ key: 'load/10', value: 'value\t0' });
    await kv(['put', 'bytes', '-'], { input: Uint8Array.of(255) });
    expect((await kv(['scan', '--prefix', 'bytes', '--json'])).out).toContain('"valueBase64":"/w=="');
  });

  it.each(['', '--json'])('scans and loads again whatever bytes there are %s', async (option) => {
    const form = option === '' ? [] : [option];
    const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await kv(['put', 'copy/\ttab\nnewline\\n', '-'], { input: value });
    await kv(['put', 'copy/\ufefftext', '-'], { input: '\ufeffé\u009b\r' });
    const scan = ['scan', '--prefix', 'copy/', ...form];
    const { out } = await kv(scan);
    await kv(['delete', 'copy/\ttab\nnewline\\n']);
    await kv(['delete', 'copy/\ufefftext']);
    expect((await kv(scan)).out).toBe('');
    expect(await kv(['load', '-', ...form], { input: out })).toMatchObject({ code: 0 });
    const again = (await kv(scan)).out;
    expect(withoutVersions(again)).toBe(withoutVersions(out));
    expect(again.trimEnd().split('\n')).toHaveLength(2);
    expect(again).not.toContain('\u009b');
    const { value: held } = JSON.parse((await kv(['scan', '--prefix', 'copy/\ufeff', '--json'])).out);
    expect(held).toBe('\ufeffé\u009b\r');
  });

  it('waits for another command that uses the session', async () => {
    const runs = await Promise.all([kv(['incr', 'both']), kv(['incr', 'both']), kv(['incr', 'both'])]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(runs.map(({ out }) => out).sort()).toEqual(['1\n', '2\n', '3\n']);
  });

  it('ends when it is interrupted', async () => {
    const signal = AbortSignal.abort();
    expect(await kv(['get', 'n'], { signal })).toMatchObject({ code: 130 });
  });
});

describe('bft2f status', () => {
  it('shows all replicas and what is promised, and less once one is missing', async () => {
    const all = await bft2f(['status', '-d', directory]);
    expect(all.code).toBe(0);
    expect(all.out).toContain('4 of 4 replicas answer and agree. Linearizable and live');
    const { executed, hashChainDigest } = cluster.nodes[0]!.status();
    expect(all.out).toMatch(new RegExp(`^0\\* +0 +${executed} +0 +${hashChainDigest.slice(0, 12)}`, 'm'));

    await cluster.stop(3);
    const json = await bft2f(['status', '-d', directory, '--json']);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toMatchObject({
      promised: 'all',
      good: [0, 1, 2],
      doubts: [{ index: 3, why: 'does not run (connection refused)' }],
      replicas: [{ answers: true, status: { index: 0 } }, {}, {}, { answers: false }],
    });
    await cluster.stop(2);
    const two = await bft2f(['status', '-d', directory]);
    expect(two.code).toBe(14);
    expect(two.out).toContain('No progress: 3 are needed, so 1 more must come back.');

    const stuck = await kv(['put', 'k', 'v', '--deadline', '300']);
    // Nothing is sent while no quorum is in reach.
    expect(stuck.code).toBe(11);
    expect(stuck.err).toContain('2 of 4 replicas can be reached, 3 must answer');
    expect(stuck.err).toContain('replica 3: cannot connect');
  });
});
