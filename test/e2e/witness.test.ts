/** A real witness beside a real cluster: the program makes it, the command line demands its word, and kill -9 does not make it lie. */

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { connect, kv } from '../../src/client/index.ts';
import { sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { generateKey } from '../../src/node/index.ts';
import { cosignedAt, parseNote, parseVerifierKey } from '../../src/protocol/accountability/index.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { cleanUp, onCleanUp } from './support/cleanup.ts';
import { type Cluster, createCluster } from './support/cluster.ts';
import { noteLeftover } from './support/leftovers.ts';
import { freePorts } from './support/ports.ts';
import { bft2f, PROGRAM } from './support/program.ts';
import { until } from './support/wait.ts';

afterEach(cleanUp);

const HOST = '127.0.0.1';

interface WitnessProcess {
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<number | null>;
}

interface WitnessFiles {
  readonly config: string;
  readonly url: string;
  /** Its verifier key. */
  readonly key: string;
  start(): Promise<WitnessProcess>;
  /** The note that it serves; undefined if there is none. */
  latest(): Promise<string | undefined>;
}

async function witnessOf({ paths, network }: Cluster): Promise<WitnessFiles> {
  const directory = join(paths.directory, 'witness');
  const config = join(directory, 'witness.json');
  await mkdir(directory);
  const [port] = await freePorts(HOST, 1);
  expect((await bft2f(['keygen', join(directory, 'key.json')])).code).toBe(0);
  const file = {
    genesis: '../genesis.json',
    key: 'key.json',
    name: 'witness.example/e2e',
    data: 'data',
    listen: { host: HOST, port },
    replicas: network.replicas,
    pollMs: 100,
  };
  writeFileSync(config, JSON.stringify(file));
  const formatted = await bft2f(['witness', '--config', config, '--format']);
  expect(formatted).toMatchObject({ code: 0, err: '' });
  const url = `http://${HOST}:${port}`;

  async function isUp(): Promise<true | undefined> {
    return (await fetch(`${url}/healthz`)).ok || undefined;
  }

  return {
    config,
    url,
    key: formatted.out.trim(),
    async start() {
      const out = openSync(join(directory, 'log.jsonl'), 'a');
      const args = [PROGRAM, 'witness', '--config', config];
      const child = spawn(process.execPath, args, { stdio: ['ignore', out, out] });
      closeSync(out);
      const forget = noteLeftover({ kind: 'process', pid: child.pid!, config });
      const ended = new Promise<number | null>((resolve) => {
        child.once('exit', (code) => {
          forget();
          resolve(code);
        });
      });
      onCleanUp(async () => {
        child.kill('SIGKILL');
        await ended;
      });
      await until('the witness is up', isUp);
      return { signal: (name) => void child.kill(name), ended };
    },
    async latest() {
      const response = await fetch(`${url}/checkpoint`);
      return response.ok ? response.text() : undefined;
    },
  };
}

it('polls the cluster by itself, vouches for what the command line writes, and ends with 0', async () => {
  const cluster = await createCluster('witness');
  await cluster.startAll();
  const witness = await witnessOf(cluster);
  const process = await witness.start();

  // It finds out by itself.
  const directory = ['--directory', cluster.paths.directory];
  expect((await bft2f(['kv', 'put', 'a', '1', ...directory])).code).toBe(0);
  const note = await until('the witness has a head', () => witness.latest());
  const parsed = parseNote(utf8(note));
  const cosigner = parseVerifierKey(sodiumCrypto, witness.key)!;
  expect(parsed.ok && cosignedAt(sodiumCrypto, cosigner, parsed.value)).toBeTypeOf('number');
  const head = join(cluster.paths.directory, 'witnessed.head');
  writeFileSync(head, note);
  expect((await bft2f(['head', 'verify', head, ...directory])).code).toBe(0);

  // From now on the command line demands it.
  const client = JSON.parse(readFileSync(cluster.paths.client, 'utf8'));
  const witnesses = [{ url: witness.url, key: witness.key }];
  writeFileSync(cluster.paths.client, JSON.stringify({ ...client, witnesses }));
  expect((await bft2f(['kv', 'put', 'a', '2', ...directory])).code).toBe(0);

  process.signal('SIGTERM');
  expect(await process.ended).toBe(0);
  const late = await bft2f(['kv', 'put', 'a', '3', '--deadline', '1500', ...directory]);
  expect([late.code, late.err]).toEqual([17, expect.stringContaining('it was applied')]);
  expect(cluster.surprises()).toEqual([]);
});

it('killed again and again under load, it never goes back, and every result that waited for it is vouched for', async () => {
  const cluster = await createCluster('witness-kills');
  await cluster.startAll();
  const witness = await witnessOf(cluster);
  let process = await witness.start();
  const client = await connect({
    genesis: cluster.genesis,
    replicas: cluster.network.replicas,
    key: generateKey().seed,
    witnesses: [{ url: witness.url, key: witness.key }],
  });
  onCleanUp(() => client.close());
  let written = 0;
  let isOver = false;
  const load = (async () => {
    for (; !isOver; written++) await kv(client).put('n', `${written}`);
  })();
  let size = 0;
  for (let kills = 0; kills < 5; kills++) {
    const before = written;
    await until('the load goes on', () => (written > before + 2 ? true : undefined));
    process.signal('SIGKILL');
    await process.ended;
    process = await witness.start();
    const now = Number((await witness.latest())?.split('\n')[1]);
    expect(now).toBeGreaterThanOrEqual(size);
    size = now;
  }
  isOver = true;
  await load;
  const last = Number((await witness.latest())?.split('\n')[1]);
  expect(last).toBeGreaterThanOrEqual(client.accepted!.sequenceNumber);
});
