/** What a witness does when no history holds all that it is shown. */

import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { verifyEvidence } from '../../src/protocol/accountability/index.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import type { WebhookCall } from '../../src/witness/webhook.ts';
import {
  cleanUp,
  context,
  formatted,
  HOST,
  headAt,
  historyOf,
  onCleanUp,
  scriptedReplicas,
  start,
  submissionIn,
  type TestWitness,
  until,
  untilConnected,
} from './support.ts';

afterEach(cleanUp);

const one = historyOf('one', 4);
const other = historyOf('other', 4);

async function evidenceIn(directory: string, name: string) {
  const proved = verifyEvidence(context, await readFile(join(directory, 'evidence', name)));
  if (!proved.ok) throw new Error(proved.error.text);
  return proved.value;
}

async function expectForked(witness: TestWitness, directory: string): Promise<void> {
  const { verdict } = await evidenceIn(directory, 'fork');
  expect(verdict).toEqual({ guilty: [0, 1], forked: true });
  expect(await witness.metrics()).toMatch(/^bft2f_witness_forked 1$/m);
  for (const response of [
    await witness.addHead(headAt(one, 9)),
    await witness.addCheckpoint(5, [...one.tree.consistencyPath(5, 9)], headAt(one, 9)),
    await fetch(`${witness.base}/checkpoint`),
  ]) {
    expect(response.status).toBe(403);
    // The refusal is its own reason.
    const proof = verifyEvidence(context, new Uint8Array(await response.arrayBuffer()));
    expect(proof.ok && proof.value.verdict).toEqual(verdict);
  }
}

describe('a fork', () => {
  it('by two heads of one size needs no replica: stored, raised, and nothing is cosigned from then on', async () => {
    const directory = await formatted();
    const witness = await start(directory);
    expect((await witness.addHead(headAt(one, 5))).status).toBe(200);
    expect((await witness.addHead(headAt(other, 5, [0, 1, 3]))).status).toBe(403);
    await expectForked(witness, directory);
  });

  it('is found in what add-checkpoint refuses as well', async () => {
    const directory = await formatted();
    const witness = await start(directory);
    expect((await witness.addHead(headAt(one, 5))).status).toBe(200);
    expect((await witness.addCheckpoint(5, [], headAt(other, 5, [0, 1, 3]))).status).toBe(409);
    await expectForked(witness, directory);
  });

  it.each([
    ['the later', 5, 8],
    ['the earlier', 8, 5],
  ])('by heads of different size is proved by those who signed %s one', async (_, first, second) => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, 8);
    for (const script of replicas.scripts.slice(0, 2)) script.executed = 0;
    replicas.scripts[3]!.history = other;
    const witness = await start(directory, replicas.ports);
    await untilConnected(witness);
    expect((await witness.addHead(headAt(one, first))).status).toBe(200);
    expect((await witness.addHead(headAt(other, second, [0, 1, 3]))).status).toBe(403);
    await expectForked(witness, directory);
  });

  it('is found by asking each replica for itself', async () => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, 5);
    const [, , correct, misled] = replicas.scripts;
    const witness = await start(directory, replicas.ports, { pollMs: 10 });
    await untilConnected(witness);
    correct!.head = headAt(one, 5);
    misled!.history = other;
    misled!.executed = 7;
    misled!.head = headAt(other, 7, [0, 1, 3]);
    await until(async () => /^bft2f_witness_forked 1$/m.test(await witness.metrics()));
    await until(async () => (await readdir(join(directory, 'evidence'))).includes('fork'));
    await expectForked(witness, directory);
  });

  it('is remembered: a witness that starts again cosigns nothing, and calls the webhook again', async () => {
    const directory = await formatted();
    const first = await start(directory);
    await first.addHead(headAt(one, 5));
    await first.addHead(headAt(other, 5, [0, 1, 3]));
    await first.stop();
    const { url, calls } = await webhook([200]);
    const witness = await start(directory, undefined, { webhook: url });
    await expectForked(witness, directory);
    await until(() => calls.length === 1);
  });

  it('is told to the webhook, more than once if need be', async () => {
    const directory = await formatted();
    const { url, calls } = await webhook([500, 200]);
    const witness = await start(directory, undefined, { webhook: url, webhookDelaysMs: [1, 1, 1] });
    await witness.addHead(headAt(one, 5));
    await witness.addHead(headAt(other, 5, [0, 1, 3]));
    await until(async () => /webhooks_total\{outcome="delivered"\} 1$/m.test(await witness.metrics()));
    expect(await witness.metrics()).toMatch(/webhooks_total\{outcome="failed"\} 1$/m);
    expect(calls).toHaveLength(2);
    expect(calls[1]).toMatchObject({ guilty: [0, 1], forked: true, witness: 'witness.example/w' });
    expect(calls[1]!.evidence).toBe(join(directory, 'evidence', 'fork'));
    expect(calls[1]!.explanation.join(' ')).toContain('This proves a fork');
  });

  it('does not wait for a webhook that nobody answers, and gives it up after some attempts', async () => {
    const directory = await formatted();
    const options = { webhook: `http://${HOST}:1/`, webhookDelaysMs: [1, 1] };
    const witness = await start(directory, undefined, options);
    await witness.addHead(headAt(one, 5));
    await witness.addHead(headAt(other, 5, [0, 1, 3]));
    await expectForked(witness, directory);
    await until(async () => /webhooks_total\{outcome="given-up"\} 1$/m.test(await witness.metrics()));
    expect(await witness.metrics()).toMatch(/webhooks_total\{outcome="failed"\} 3$/m);
  });
});

async function webhook(statuses: readonly number[]) {
  const calls: WebhookCall[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => {
      text += part.toString();
    });
    request.on('end', () => {
      response.statusCode = statuses[calls.length] ?? 200;
      calls.push(JSON.parse(text) as WebhookCall);
      response.end();
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  onCleanUp(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return { url: `http://${HOST}:${(server.address() as AddressInfo).port}/hook`, calls };
}

describe('a replica that contradicts itself', () => {
  it.each([
    ['the same size', 5, 5, 'entries'],
    ['different sizes', 5, 9, 'histories'],
  ])('at %s is named; the others go on being cosigned', async (_, before, after, kind) => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, before);
    const witness = await start(directory, replicas.ports, { pollMs: 10 });
    await until(async () => /^bft2f_witness_size 5$/m.test(await witness.metrics()));
    replicas.scripts[1]!.history = other;
    replicas.scripts[1]!.executed = after;
    await until(async () => (await readdir(join(directory, 'evidence'))).length === 1);
    const [name] = await readdir(join(directory, 'evidence'));
    expect(name).toContain(kind);
    expect((await evidenceIn(directory, name!)).verdict).toEqual({ guilty: [1], forked: false });
    expect((await witness.addHead(headAt(one, 5))).status).toBe(200);
    expect(await witness.metrics()).toMatch(/^bft2f_witness_forked 0$/m);
  });

  it('is known by what it said before a restart of the witness', async () => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, 5);
    // No quorum, so no head: only what each one says for itself.
    for (const script of replicas.scripts.slice(2)) script.executed = 0;
    const first = await start(directory, replicas.ports, { pollMs: 10 });
    await until(async () =>
      /asked_total\{replica="1",outcome="answered"\} [3-9]/m.test(await first.metrics()),
    );
    await first.stop();
    replicas.scripts[1]!.history = other;
    replicas.scripts[1]!.executed = 7;
    await start(directory, replicas.ports, { pollMs: 10 });
    await until(async () => (await readdir(join(directory, 'evidence'))).length === 1);
  });
});

describe('no fork is proved', () => {
  it('by a replica that gives wrong proofs, or none', async () => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, 9);
    const witness = await start(directory, replicas.ports);
    await untilConnected(witness);
    expect((await witness.addHead(headAt(one, 5))).status).toBe(200);
    // Proofs of another log than that of the head: they prove nothing about it.
    for (const script of replicas.scripts) script.history = other;
    expect((await witness.addHead(headAt(one, 9))).status).toBe(503);
    expect((await witness.addHead(headAt(one, 4))).status).toBe(503);
    for (const script of replicas.scripts) script.executed = 0;
    expect((await witness.addHead(headAt(one, 9))).status).toBe(503);
    replicas.scripts[3]!.history = one;
    replicas.scripts[3]!.executed = 9;
    expect((await witness.addHead(headAt(one, 9))).status).toBe(200);
    expect(await nodeFiles.list(join(directory, 'evidence'))).toEqual([]);
  });
});

describe('heads of one history', () => {
  it('are cosigned by polling alone, also while replicas differ in how far they are', async () => {
    const directory = await formatted();
    const replicas = await scriptedReplicas(one, 7);
    replicas.scripts[0]!.executed = 6;
    replicas.scripts[1]!.silent = true;
    replicas.scripts[2]!.executed = 6;
    const witness = await start(directory, replicas.ports, { pollMs: 10 });
    // Replica 3 alone has executed batch 7; the others answer for the state of 7 once they have.
    for (const index of [0, 2]) replicas.scripts[index]!.executed = 7;
    await until(async () => /^bft2f_witness_size 7$/m.test(await witness.metrics()));
  });

  it('that are older are answered with the proof that the latest extends them', async () => {
    const replicas = await scriptedReplicas(one, 12);
    const witness = await start(await formatted(), replicas.ports);
    await untilConnected(witness);
    await witness.addHead(headAt(one, 11));
    for (const s of [11, 5, 4, 12]) {
      const { oldSize, path, note } = await submissionIn(await witness.addHead(headAt(one, s)));
      expect(oldSize).toBe(s);
      const size = Math.max(s, 11);
      expect(note.text.split('\n')[1]).toBe(String(size));
      expect(path).toEqual([...one.tree.consistencyPath(s, size)]);
    }
  });
});
