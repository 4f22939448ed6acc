import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clusterPaths, readClientConfig } from '../../src/cli/cluster-directory.ts';
import { choosePorts } from '../../src/cli/new-cluster.ts';
import { readGenesisFile, readKeyFile, readReplicaConfig } from '../../src/node/index.ts';
import { cleanUp, temporaryDirectory } from '../node/support.ts';
import { bft2f } from './support.ts';

afterEach(cleanUp);

describe('keygen and genesis', () => {
  it('make a cluster from public keys alone', async () => {
    const directory = await temporaryDirectory();
    const keys: string[] = [];
    for (let i = 0; i < 4; i++) {
      const { code, out } = await bft2f(['keygen', join(directory, `${i}.json`)]);
      expect(code).toBe(0);
      expect(out).toMatch(/^[0-9a-f]{64}\n$/);
      keys.push(out.trim());
    }
    expect((await stat(join(directory, '0.json'))).mode & 0o777).toBe(0o600);
    const file = join(directory, 'genesis.json');
    const made = await bft2f(['genesis', ...keys, '--out', file, '--name', 'n', '--quorum', '4']);
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
    const genesis = await readGenesisFile(file);
    expect(genesis).toMatchObject({ name: 'n', quorumSize: 4, listedOnly: false });
    expect(genesis.replicas[2]).toEqual((await readKeyFile(join(directory, '2.json'))).publicKey);

    const again = await bft2f(['genesis', ...keys, '--out', file]);
    expect(again.code).toBe(2);
    expect((await bft2f(['keygen', join(directory, '0.json')])).err).toContain('never overwritten');
    const twice = await bft2f(['genesis', keys[0]!, keys[0]!, keys[1]!, keys[2]!, '--out', `${file}2`]);
    expect(twice.code).toBe(2);
    expect(twice.err).toContain('replicas[1].publicKey is the same key as replicas[0].publicKey');
  });

  it('list the only clients that are admitted', async () => {
    const directory = await temporaryDirectory();
    const replica = (await bft2f(['keygen', join(directory, 'r.json')])).out.trim();
    const client = (await bft2f(['keygen', join(directory, 'c.json')])).out.trim();
    const file = join(directory, 'genesis.json');
    expect((await bft2f(['genesis', replica, '--listed', client, '--out', file])).code).toBe(0);
    expect(await readGenesisFile(file)).toMatchObject({ listedOnly: true, listed: [{ length: 32 }] });
  });
});

describe('init', () => {
  it('makes everything that a local cluster needs, once', async () => {
    const directory = join(await temporaryDirectory(), 'new');
    const made = await bft2f([
      'init',
      '-d',
      directory,
      '--replicas',
      '4',
      '--base-port',
      '7100',
      '--name',
      'mine',
    ]);
    expect(made).toMatchObject({ code: 0, out: '' });
    const paths = clusterPaths(directory);
    const genesis = await readGenesisFile(paths.genesis);
    const client = await readClientConfig(paths);
    expect(genesis).toMatchObject({ name: 'mine', quorumSize: 3 });
    expect((await stat(paths.clientKey)).mode & 0o777).toBe(0o600);
    for (let i = 0; i < 4; i++) {
      const config = await readReplicaConfig(paths.replica(i).config);
      expect(config).toMatchObject({ index: i, listen: { port: 7100 + i }, metrics: { port: 7104 + i } });
      expect(client.replicas[i]).toMatchObject({ port: 7100 + i, status: { port: 7104 + i } });
      expect((await readKeyFile(config.key)).publicKey).toEqual(genesis.replicas[i]);
      expect(existsSync(join(config.data, 'FORMAT'))).toBe(true);
    }

    const before = await readFile(paths.clientKey, 'utf8');
    const again = await bft2f(['init', '-d', directory]);
    expect(again.code).toBe(2);
    expect(again.err).toContain('holds a cluster: run it with "bft2f up --directory');
    expect(await readFile(paths.clientKey, 'utf8')).toBe(before);
  });

  it('refuses a directory with other things in it, and one that cannot be made', async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, 'file');
    await writeFile(file, '');
    const used = await bft2f(['init', '-d', directory]);
    expect(used).toMatchObject({ code: 2, err: expect.stringContaining('holds no complete cluster') });
    const noDirectory = await bft2f(['init', '-d', file]);
    expect(noDirectory).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: cannot use .* ENOTDIR/),
    });
    expect(noDirectory.err.trimEnd()).not.toContain('\n');
    if (existsSync('/proc')) expect(await bft2f(['init', '-d', '/proc/x'])).toMatchObject({ code: 3 });
    const below = await bft2f(['init', '-d', join(file, 'below')]);
    expect(below).toMatchObject({ code: 3, err: expect.stringContaining('cannot make the directory') });
    expect(below.err.trimEnd()).not.toContain('\n');
  });

  it('chooses free ports that differ', async () => {
    const directory = join(await temporaryDirectory(), 'new');
    await bft2f(['init', '-d', directory, '--replicas', '7', '--quorum', '6']);
    const { replicas } = await readClientConfig(clusterPaths(directory));
    const ports = replicas.flatMap(({ port, status }) => [port, status?.port]);
    expect(new Set(ports).size).toBe(14);
    expect((await readGenesisFile(clusterPaths(directory).genesis)).quorumSize).toBe(6);
  });
});

describe('free ports', () => {
  it('are answered once, also while nobody listens there yet', async () => {
    const ports: number[] = [];
    for (let i = 0; i < 30; i++) ports.push(...(await choosePorts('127.0.0.1', 0, 40)));
    expect(new Set(ports).size).toBe(30 * 40);
  });
});

describe('client.json', () => {
  it('is refused with the path of the wrong field', async () => {
    const directory = join(await temporaryDirectory(), 'new');
    await bft2f(['init', '-d', directory, '--replicas', '1']);
    const paths = clusterPaths(directory);
    const config = JSON.parse(await readFile(paths.client, 'utf8'));
    config.replicas[0].port = 'seven';
    await writeFile(paths.client, JSON.stringify(config));
    const { code, err } = await bft2f(['status', '-d', directory]);
    expect(code).toBe(2);
    expect(err).toContain('replicas[0].port is "seven"; expected a port');
  });
});

describe('stop', () => {
  it('signals no stranger who has got the number of a replica', async () => {
    const directory = join(await temporaryDirectory(), 'new');
    await bft2f(['init', '-d', directory, '--replicas', '1']);
    // This very process: a signal would end the test.
    await writeFile(clusterPaths(directory).replica(0).pid, `${process.pid}\n`);
    const { code, err } = await bft2f(['stop', '-d', directory]);
    expect(code).toBe(0);
    expect(err).toContain('no replica of');
  });
});
