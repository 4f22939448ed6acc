/** The witness file, and how a witness's process ends. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EXIT_STATUS, keyOfSeed, writeGenesisFile, writeKeyFile } from '../../src/node/index.ts';
import { parseVerifierKey } from '../../src/protocol/accountability/index.ts';
import { readWitnessConfig } from '../../src/witness/witness-config.ts';
import { formatWitness, runWitness } from '../../src/witness/witness-process.ts';
import { cleanUp, context, cosigner, genesis, HOST, NAME, seed, temporaryDirectory } from './support.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

const file = {
  genesis: 'genesis.json',
  key: 'key.json',
  name: NAME,
  data: 'data',
  listen: { host: HOST, port: 0 },
  replicas: [1, 2, 3, 4].map((port) => ({ host: HOST, port })),
  logLevel: 'silent',
};

async function written(changes: object = {}): Promise<string> {
  const directory = await temporaryDirectory();
  await writeGenesisFile(join(directory, 'genesis.json'), genesis);
  await writeKeyFile(join(directory, 'key.json'), keyOfSeed(seed));
  const path = join(directory, 'witness.json');
  await writeFile(path, JSON.stringify({ ...file, ...changes }));
  return path;
}

/** What it said on the standard error, and its exit status. */
async function outcomeOf(path: string): Promise<[number, string]> {
  let words = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    words += String(text);
    return true;
  });
  return [await runWitness(path), words];
}

describe('the witness file', () => {
  it('has paths relative to its folder', async () => {
    const path = await written();
    const config = await readWitnessConfig(path);
    expect(config.data).toBe(join(path, '..', 'data'));
    expect(config.replicas).toEqual(file.replicas);
  });

  it.each([
    [{ name: 'two words' }, 'name is "two words"; expected the name in signature lines'],
    [{ webhook: 'ftp://x' }, 'webhook is "ftp://x"; expected an http or https URL'],
    [{ pollMs: 1 }, 'pollMs is 1; expected milliseconds between two rounds'],
    [{ replicas: [{ host: HOST, port: 0 }] }, 'replicas[0].port is 0; expected a port'],
    [{ colour: 'blue' }, 'has unknown fields (colour)'],
  ])('%o is refused by the path of the field', async (changes, complaint) => {
    const [status, words] = await outcomeOf(await written(changes));
    expect(status).toBe(EXIT_STATUS.CONFIG);
    expect(words).toContain(complaint);
  });
});

describe('the process', () => {
  it('needs memory that was made for it, once', async () => {
    const path = await written();
    const [status, words] = await outcomeOf(path);
    expect(status).toBe(EXIT_STATUS.STORAGE);
    expect(words).toContain('--format');
    const key = await formatWitness(path);
    expect(parseVerifierKey(context.crypto, key)).toEqual(cosigner);
    await expect(formatWitness(path)).rejects.toMatchObject({ code: 'STORAGE' });
  });

  it('ends with 0 at SIGTERM, and with 4 if its port is taken', async () => {
    const path = await written();
    await formatWitness(path);
    const running = runWitness(path);
    process.emit('SIGTERM', 'SIGTERM');
    expect(await running).toBe(EXIT_STATUS.OK);

    const server = createServer().listen(0, HOST);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const taken = await written({ listen: { host: HOST, port } });
    await formatWitness(taken);
    const [status, words] = await outcomeOf(taken);
    server.close();
    expect(status).toBe(EXIT_STATUS.NETWORK);
    expect(words).toContain(`${HOST}:${port}`);
  });

  it('is told of a genesis with another number of replicas', async () => {
    const path = await written({ replicas: file.replicas.slice(1) });
    await formatWitness(path);
    const [status, words] = await outcomeOf(path);
    expect([status, words]).toEqual([EXIT_STATUS.CONFIG, expect.stringContaining('3 addresses')]);
  });
});
