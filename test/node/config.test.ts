/** Files of configuration: what is written can be read, and every mistake is named with its field, the expected form and the way out. */

import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createGenesis, readGenesisFile, writeGenesisFile } from '../../src/node/genesis-file.ts';
import { generateKey, readKeyFile, writeKeyFile } from '../../src/node/key-file.ts';
import { NodeError } from '../../src/node/node-error.ts';
import { type ReplicaConfig, readReplicaConfig, writeReplicaConfig } from '../../src/node/replica-config.ts';
import { toHex } from '../../src/types/bytes.ts';
import { cleanUp, publicKeyOf, temporaryDirectory } from './support.ts';

afterEach(cleanUp);

const REPLICAS = [1, 2, 3, 4].map(publicKeyOf);
const SMALL_ORDER = `01${'00'.repeat(31)}`;

async function complaintOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NodeError);
  expect((error as NodeError).code).toBe('CONFIG');
  return (error as NodeError).message;
}

type Json = Record<string, unknown>;

/** A path such as `replicas.2.publicKey`, set in a copy; deleted if `value` is undefined. */
function changed(base: Json, path: string, value: unknown): Json {
  const copy = structuredClone(base);
  const steps = path.split('.');
  let at: Json = copy;
  for (const step of steps.slice(0, -1)) at = at[step] as Json;
  const last = steps.at(-1)!;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

describe('genesis file', () => {
  async function written(): Promise<{ path: string; json: Json }> {
    const path = join(await temporaryDirectory(), 'genesis.json');
    await writeGenesisFile(path, createGenesis({ name: 'test', replicas: REPLICAS }));
    return { path, json: JSON.parse(await readFile(path, 'utf8')) as Json };
  }

  test('what is written is read again', async () => {
    const path = join(await temporaryDirectory(), 'genesis.json');
    const genesis = createGenesis({
      name: 'test',
      service: 'counter/1',
      replicas: REPLICAS,
      quorumSize: 4,
      admission: 'listed',
      listed: [publicKeyOf(9)],
      limits: { checkpointInterval: 16 },
    });
    await writeGenesisFile(path, genesis);
    expect(await readGenesisFile(path)).toEqual(genesis);
    expect(await complaintOf(writeGenesisFile(path, genesis))).toContain('EEXIST');
  });

  test.each<[string, unknown, readonly string[]]>([
    ['name', undefined, ['name is missing', 'a name for people']],
    ['name', 7, ['name is 7', 'a name for people']],
    ['service', '', ['service is ""', '"kv/1"']],
    ['quorum', 2, ['quorum is 2', '2f+1 = 3 up to n = 4']],
    ['quorum', 5, ['quorum is 5']],
    ['quorum', '3', ['quorum is "3"', 'an integer from 1 to 31']],
    ['replicas.2.publicKey', 'abc', ['replicas[2].publicKey is "abc"', '64 hexadecimal digits']],
    ['replicas.2.publicKey', undefined, ['replicas[2].publicKey is missing']],
    [
      'replicas.2.publicKey',
      SMALL_ORDER,
      ['replicas[2].publicKey: the public key has small order', 'keygen'],
    ],
    ['replicas.2.publicKey', 'ff'.repeat(32), ['replicas[2].publicKey', 'not canonical']],
    [
      'replicas.2.publicKey',
      toHex(REPLICAS[0]!),
      ['replicas[2].publicKey is the same key as replicas[0].publicKey'],
    ],
    ['replicas', [], ['replicas has 0 entries', '3f+1']],
    ['admission', 'all', ['admission is "all"', '"open" or "listed"']],
    ['admission', 'listed', ['listed is empty']],
    ['listed', [SMALL_ORDER], ['listed[0]', 'small order']],
    ['limits.checkpointInterval', 0, ['limits.checkpointInterval is 0', 'an integer from 1']],
    ['limits.checkpointInterval', 1.5, ['limits.checkpointInterval is 1.5']],
    ['limits.checkpointInterval', undefined, ['limits.checkpointInterval is missing']],
    ['limits.watermarkWindow', 300, ['limits.watermarkWindow is 300', '512']],
    ['limits.pipelineWindow', 65, ['limits.pipelineWindow is 65', 'at most 64']],
    ['limits.requestBytesMax', 2 ** 20, ['limits.requestBytesMax', 'fits a batch']],
    ['limits.colour', 1, ['limits has unknown fields (colour)', 'pipelineWindow']],
    ['quorumm', 3, ['the file has unknown fields (quorumm)', 'quorum']],
  ])('%s = %j is refused', async (field, value, parts) => {
    const { path, json } = await written();
    await writeFile(path, JSON.stringify(changed(json, field, value)));
    const complaint = await complaintOf(readGenesisFile(path));
    for (const part of [path, ...parts]) expect(complaint).toContain(part);
  });

  test('all complaints come at once', async () => {
    const { path, json } = await written();
    await writeFile(path, JSON.stringify({ ...json, name: 7, quorum: 'x' }));
    const complaint = await complaintOf(readGenesisFile(path));
    expect(complaint).toContain('name is 7');
    expect(complaint).toContain('quorum is "x"');
  });

  test('createGenesis refuses what no file could say', () => {
    expect(() => createGenesis({ name: 'x', replicas: REPLICAS.slice(0, 3) })).toThrow(
      'replicas has 3 entries',
    );
    expect(() => createGenesis({ name: 'x', replicas: REPLICAS, quorumSize: 1 })).toThrow('quorum is 1');
  });

  test('a missing file, and one that is not JSON', async () => {
    const path = join(await temporaryDirectory(), 'genesis.json');
    expect(await complaintOf(readGenesisFile(path))).toContain('there is no such file');
    await writeFile(path, '{"name": ');
    expect(await complaintOf(readGenesisFile(path))).toContain('is not JSON');
  });
});

describe('key file', () => {
  test('is written for its owner alone, read again, and never overwritten', async () => {
    const path = join(await temporaryDirectory(), 'key.json');
    const key = generateKey();
    await writeKeyFile(path, key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readKeyFile(path)).toEqual(key);
    expect(await complaintOf(writeKeyFile(path, key))).toContain('never overwritten');
  });

  test.each([0o640, 0o604, 0o644, 0o660])('mode %o is refused, with the way out', async (mode) => {
    const path = join(await temporaryDirectory(), 'key.json');
    await writeKeyFile(path, generateKey());
    await chmod(path, mode);
    const complaint = await complaintOf(readKeyFile(path));
    expect(complaint).toContain(`mode 0${mode.toString(8)}`);
    expect(complaint).toContain(`chmod 600 ${path}`);
  });

  test('a seed that is not that of the public key, and no file at all', async () => {
    const path = join(await temporaryDirectory(), 'key.json');
    const key = generateKey();
    expect(await complaintOf(readKeyFile(path))).toContain('no such file');
    await writeKeyFile(path, { ...key, publicKey: generateKey().publicKey });
    const complaint = await complaintOf(readKeyFile(path));
    expect(complaint).toContain('publicKey is not that of seed');
    expect(complaint).not.toContain(toHex(key.seed));
  });

  const SECRET = 'abc4'.repeat(16);

  test.each([
    ['a seed too short', JSON.stringify({ publicKey: toHex(REPLICAS[0]!), seed: SECRET.slice(2) })],
    ['the two exchanged', JSON.stringify({ publicKey: `${SECRET}0`, seed: toHex(REPLICAS[0]!) })],
    ['the seed alone', JSON.stringify(SECRET)],
    ['no JSON', SECRET],
    ['JSON with a slip', `{"publicKey": "", "seed": "${SECRET}`],
  ])('a complaint about %s does not show the secret', async (_, text) => {
    const path = join(await temporaryDirectory(), 'key.json');
    await writeFile(path, text, { mode: 0o600 });
    const complaint = await complaintOf(readKeyFile(path));
    expect(complaint).toContain(path);
    expect(complaint).not.toContain('abc4');
  });
});

describe('replica file', () => {
  const config: ReplicaConfig = {
    genesis: 'genesis.json',
    index: 1,
    key: 'keys/1.json',
    data: '/var/lib/bft2f',
    listen: { host: '0.0.0.0', port: 7001 },
    peers: [7000, 7001, 7002, 7003].map((port) => ({ host: '127.0.0.1', port })),
    metrics: { host: '127.0.0.1', port: 9001 },
    limits: { requestTimeoutMs: 500 },
    durability: 'memory',
    logLevel: 'warn',
  };

  test('what is written is read again, with paths relative to its folder', async () => {
    const folder = await temporaryDirectory();
    const path = join(folder, 'replica.json');
    await writeReplicaConfig(path, config);
    expect(await readReplicaConfig(path)).toEqual({
      ...config,
      genesis: join(folder, 'genesis.json'),
      key: join(folder, 'keys/1.json'),
    });
  });

  test.each<[string, unknown, readonly string[]]>([
    ['genesis', undefined, ['genesis is missing', 'path of the genesis file']],
    ['index', -1, ['index is -1', 'an integer from 0 to 30']],
    ['index', '1', ['index is "1"']],
    ['key', 5, ['key is 5', 'path of the key file']],
    ['listen', undefined, ['listen is missing', '{"host": …, "port": …}']],
    ['listen.port', 70_000, ['listen.port is 70000', 'a port: an integer from 0 to 65535']],
    ['listen.host', '', ['listen.host is ""']],
    ['peers', {}, ['peers is {}', 'a list of the addresses of all replicas']],
    ['peers.2.port', 'x', ['peers[2].port is "x"']],
    ['metrics', 9000, ['metrics is 9000']],
    ['limits.requestTimeoutMs', 0, ['limits.requestTimeoutMs is 0']],
    ['limits.heartbeatMs', 2 ** 31, ['limits.heartbeatMs is 2147483648']],
    ['limits.speed', 1, ['limits has unknown fields (speed)', 'heartbeatMs']],
    ['durability', 'none', ['durability is "none"', '"disk" or "memory"']],
    ['logLevel', 'loud', ['logLevel is "loud"', '"info"']],
    ['datadir', 'x', ['the file has unknown fields (datadir)', 'data']],
  ])('%s = %j is refused', async (field, value, parts) => {
    const path = join(await temporaryDirectory(), 'replica.json');
    await writeFile(path, JSON.stringify(changed(config as unknown as Json, field, value)));
    const complaint = await complaintOf(readReplicaConfig(path));
    for (const part of [path, ...parts]) expect(complaint).toContain(part);
  });
});
