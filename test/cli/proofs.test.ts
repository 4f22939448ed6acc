import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGenesisFile } from '../../src/node/index.ts';
import { encodeEvidence, encodeReceipt, formatHead } from '../../src/protocol/accountability/index.ts';
import { context, evidence, genesis, head, receipt, rival } from '../accountability/real-proofs.ts';
import { cleanUp, temporaryDirectory } from '../node/support.ts';
import { bft2f } from './support.ts';

interface ListJson {
  readonly pieces: readonly object[];
}

let directory: string;
const at = (name: string) => join(directory, name);
const judge = (...args: readonly string[]) => bft2f([...args, '--genesis', at('genesis.json')]);

beforeAll(async () => {
  directory = await temporaryDirectory();
  await writeGenesisFile(at('genesis.json'), genesis);
  await writeFile(at('receipt'), encodeReceipt(context.cluster, receipt));
  await mkdir(at('found'));
  for (const [name, [piece]] of Object.entries(evidence)) {
    await writeFile(join(at('found'), name.replaceAll(/\W+/g, '-')), encodeEvidence(context.cluster, piece));
  }
  await writeFile(at('other'), 'something else');
});

afterAll(cleanUp);

describe('bft2f receipt', () => {
  it('verifies one without a cluster, and says what it proves', async () => {
    const run = await judge('receipt', 'verify', at('receipt'));
    expect(run).toMatchObject({ code: 0, err: '' });
    expect(run.out).toContain('operation 2 of 2: 7365636f6e64  second');
    expect(run.out).toContain('in batch 5, answer 2 of 3, status OK');
    expect(run.out).toContain('replicas 0, 1, 2 have signed the result');
    expect(JSON.parse((await judge('receipt', 'verify', at('receipt'), '--json')).out)).toMatchObject({
      holds: true,
      receipt: { operation: 1, head: { sequenceNumber: 5 } },
    });
  });

  it('ends with 10 and the first thing that is wrong', async () => {
    const results = receipt.results.map(() => new Uint8Array(1));
    await writeFile(at('forged'), encodeReceipt(context.cluster, { ...receipt, results }));
    const run = await judge('receipt', 'verify', at('forged'));
    expect(run.code).toBe(10);
    expect(run.err).toContain('(NOT_IN_REPLIES_ROOT)');
    expect((await judge('receipt', 'show', at('forged'))).out).toContain('(not verified)');
    expect((await judge('receipt', 'verify', at('other'))).err).toContain('(NOT_SUCH_A_FILE)');
    expect((await judge('receipt', 'verify', at('nowhere'))).code).toBe(2);
  });
});

describe('bft2f head', () => {
  it('compares heads of one batch without a cluster: a fork names the guilty, and the evidence is written', async () => {
    const [piece] = evidence['histories, two heads']!;
    if (piece.type !== 'histories' || piece.first.type !== 'head') throw new Error('not two heads');
    await writeFile(at('a.head'), formatHead(context, piece.first));
    await writeFile(at('b.head'), formatHead(context, rival));
    const run = await judge('head', 'compare', at('a.head'), at('b.head'), '--out', at('fork.evidence'));
    expect(run.code).toBe(13);
    expect(run.out).toContain('Guilty: replica 0');
    expect((await judge('evidence', 'verify', at('fork.evidence'))).code).toBe(0);
    expect((await judge('head', 'verify', at('receipt'))).code).toBe(10);
    const forked = await judge('head', 'compare', at('a.head'), at('b.head'), '--json');
    expect(forked.code).toBe(13);
    expect(JSON.parse(forked.out)).toMatchObject({ result: 'FORK', guilty: [0, 1], forked: true });
    const same = await judge('head', 'compare', at('a.head'), at('a.head'), '--json');
    expect(JSON.parse(same.out)).toEqual({ result: 'CONSISTENT', from: 6, to: 6 });
    await writeFile(at('head'), formatHead(context, head));
    const verified = await judge('head', 'verify', at('head'), '--json');
    expect(JSON.parse(verified.out)).toMatchObject({ holds: true, head: { sequenceNumber: 5 } });
  });
});

describe('bft2f evidence', () => {
  it('names the guilty and says why', async () => {
    const run = await judge('evidence', 'verify', join(at('found'), 'histories-two-heads'));
    expect(run.code).toBe(0);
    expect(run.out).toContain('Guilty: replica 0');
    expect(run.out).toContain('This proves a fork');
    const json = JSON.parse(
      (await judge('evidence', 'verify', join(at('found'), 'commits'), '--json')).out,
    ) as object;
    expect(json).toMatchObject({ type: 'commits', guilty: [3], forked: false });
  });

  it('lists a directory, whatever else lies there', async () => {
    await writeFile(join(at('found'), 'zzz'), 'something else');
    const run = await judge('evidence', 'list', at('found'));
    expect(run.code).toBe(0);
    expect(run.out.match(/: guilty/g)).toHaveLength(Object.keys(evidence).length);
    expect(run.out).toContain('does not begin with its tag');
    expect(run.out).toContain(
      'Named in all: 0, 1, 2, 3. More replicas are faulty than this cluster tolerates.',
    );
    const count = Object.keys(evidence).length + 1;
    const json = JSON.parse((await judge('evidence', 'list', at('found'), '--json')).out) as ListJson;
    expect(json).toMatchObject({
      guilty: [0, 1, 2, 3],
      forked: true,
      covers: [{ path: at('found'), files: count }],
    });
    expect(json.pieces).toHaveLength(count);
  });

  it('lists those of all local replicas and the client, and says which places it covers', async () => {
    const data = at('replica-2/data/evidence');
    await mkdir(data, { recursive: true });
    const empty = await judge('evidence', 'list', '--directory', directory);
    expect(empty.out).toContain('no evidence\n');
    expect(empty.out).toContain(`${data}: 0 files`);
    expect(empty.out.match(/: not there/g)).toHaveLength(4);
    await writeFile(join(data, 'one'), encodeEvidence(context.cluster, evidence.commits![0]));
    const run = await judge('evidence', 'list', '--directory', directory);
    expect(run.out).toContain('commits: guilty 3');
    expect(run.out).toContain('Named in all: 3.\n');
  });

  it('ends with 10 if it proves nothing', async () => {
    expect(await judge('evidence', 'verify', at('receipt'))).toMatchObject({ code: 10 });
  });
});
