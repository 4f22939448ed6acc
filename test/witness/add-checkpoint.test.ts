/** C2SP tlog-witness, add-checkpoint: every status code, over real HTTP. */

import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  cosignedAt,
  formatHead,
  formatSubmission,
  headText,
} from '../../src/protocol/accountability/index.ts';
import { concatBytes, utf8 } from '../../src/types/bytes.ts';
import {
  cleanUp,
  context,
  cosigner,
  formatted,
  headAt,
  historyOf,
  noteWith,
  start,
  type TestWitness,
} from './support.ts';

afterEach(cleanUp);

const history = historyOf('one');
const pathOf = (from: number, to: number) => [...history.tree.consistencyPath(from, to)];

async function sizeOf(response: Response) {
  return [response.status, response.headers.get('content-type'), await response.text()];
}

async function grown(witness: TestWitness, size: number): Promise<void> {
  expect((await witness.addCheckpoint(0, [], headAt(history, size))).status).toBe(200);
}

describe('200', () => {
  it('is a timestamped cosignature over the whole text, which anyone can verify', async () => {
    const witness = await start(await formatted());
    const head = headAt(history, 3);
    const beforeS = Math.floor(Date.now() / 1000);
    const response = await witness.addCheckpoint(0, [], head);
    const lines = await response.text();
    expect(response.status).toBe(200);
    const note = noteWith(head, lines);
    const timeS = cosignedAt(context.crypto, cosigner, note)!;
    expect(timeS).toBeGreaterThanOrEqual(beforeS);

    // The same by hand, and by another implementation of Ed25519.
    const [, name, payload = ''] = /^— (\S+) (\S+)\n$/.exec(lines) ?? [];
    expect(name).toBe('witness.example/w');
    const message = `cosignature/v1\ntime ${timeS}\n${headText(context.cluster, head)}`;
    const x = Buffer.from(cosigner.publicKey).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    expect(verify(null, Buffer.from(message), key, Buffer.from(payload, 'base64').subarray(12))).toBe(true);
  });

  it('follows a consistency proof from the latest size, and the same size again', async () => {
    const witness = await start(await formatted());
    await grown(witness, 3);
    const head = headAt(history, 8);
    for (const [old, path] of [
      [3, pathOf(3, 8)],
      [8, []],
    ] as const) {
      const response = await witness.addCheckpoint(old, path, head);
      expect(cosignedAt(context.crypto, cosigner, noteWith(head, await response.text()))).toBeDefined();
    }
    const latest = await (await fetch(`${witness.base}/checkpoint`)).text();
    expect(latest.startsWith(headText(context.cluster, head))).toBe(true);
  });
});

describe('refusals', () => {
  it('400: malformed, or an old size above that of the checkpoint', async () => {
    const witness = await start(await formatted());
    const note = formatHead(context, headAt(history, 3));
    for (const body of [
      '',
      'old 0\n',
      `old 00\n\n${note}`,
      `old x\n\n${note}`,
      `old -1\n\n${note}`,
      `old 18446744073709551616\n\n${note}`,
      `old 0\nAAAA\n\n${note}`,
      `old 0\n${`${'A'.repeat(43)}=\n`.repeat(64)}\n${note}`,
      `old 0\n\n${note.slice(0, -1)}`,
      concatBytes(utf8('old 0\n\n'), Uint8Array.of(0xff, 0xfe, 0x0a, 0x0a)),
      `old 4\n\n${note}`,
    ]) {
      expect((await witness.post('/add-checkpoint', body)).status).toBe(400);
    }
  });

  it('403: fewer signatures than a quorum, or one that does not hold', async () => {
    const witness = await start(await formatted());
    const head = headAt(history, 3);
    const few = { ...head, votes: head.votes.slice(1) };
    expect((await witness.addCheckpoint(0, [], few)).status).toBe(403);
    const wrong = { ...head, votes: head.votes.map((vote) => ({ ...vote, view: 9 })) };
    expect((await witness.addCheckpoint(0, [], wrong)).status).toBe(403);
  });

  it('404: a checkpoint of another log', async () => {
    const witness = await start(await formatted());
    const note = formatHead(context, headAt(history, 3)).replace(/^bft2f\/../, 'bft2f/xx');
    expect((await witness.post('/add-checkpoint', `old 0\n\n${note}`)).status).toBe(404);
  });

  it('409 with the latest size: a rollback is refused, also after a restart', async () => {
    const directory = await formatted();
    const first = await start(directory);
    await grown(first, 8);
    await first.stop();
    const witness = await start(directory);
    const conflict = [409, 'text/x.tlog.size', '8\n'];
    expect(await sizeOf(await witness.addCheckpoint(0, [], headAt(history, 5)))).toEqual(conflict);
    expect(await sizeOf(await witness.addCheckpoint(5, [], headAt(history, 5)))).toEqual(conflict);
    expect(await sizeOf(await witness.addCheckpoint(3, pathOf(3, 9), headAt(history, 9)))).toEqual(conflict);
    expect((await witness.addCheckpoint(8, pathOf(8, 9), headAt(history, 9))).status).toBe(200);
  });

  it('422: the proof does not hold', async () => {
    const witness = await start(await formatted());
    expect((await witness.addCheckpoint(0, pathOf(3, 8), headAt(history, 8))).status).toBe(422);
    await grown(witness, 3);
    for (const path of [[], pathOf(3, 7), pathOf(2, 8), [...pathOf(3, 8), ...pathOf(3, 8)]]) {
      expect((await witness.addCheckpoint(3, path, headAt(history, 8))).status).toBe(422);
    }
    expect((await witness.addCheckpoint(3, pathOf(3, 8), headAt(history, 3))).status).toBe(422);
    expect((await witness.addCheckpoint(3, pathOf(3, 8), headAt(history, 8))).status).toBe(200);
  });

  it('405, 413: another method, or more than a submission can have', async () => {
    const witness = await start(await formatted());
    expect((await fetch(`${witness.base}/add-checkpoint`)).status).toBe(405);
    expect((await witness.post('/nowhere', 'x')).status).toBe(404);
    expect((await witness.post('/add-head', new Uint8Array(70_000))).status).toBe(413);
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
    });
    const init = { method: 'POST', body: endless, duplex: 'half' } as RequestInit;
    const status = await fetch(`${witness.base}/add-checkpoint`, init).then(
      (response) => response.status,
      () => 'cut off',
    );
    expect([413, 'cut off']).toContain(status);
    expect((await fetch(`${witness.base}/healthz`)).status).toBe(200);
    expect(await witness.metrics()).toMatch(
      /^bft2f_witness_requests_total\{path="\/add-checkpoint",status="413"\} 1$/m,
    );
  });
});

describe('hostile bodies', () => {
  it('that differ in any byte from a good one are refused, and nothing moves', async () => {
    const witness = await start(await formatted());
    await grown(witness, 3);
    const note = utf8(formatHead(context, headAt(history, 8)));
    const good = formatSubmission({ oldSize: 3, path: pathOf(3, 8), note });
    const anyChange = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean());
    const changed = (bytes: Uint8Array, at: number, change: number, cut: boolean): Uint8Array => {
      if (cut) return bytes.slice(0, at % bytes.length);
      return bytes.map((byte, i) => (i === at % bytes.length ? byte ^ change : byte));
    };
    await fc.assert(
      fc.asyncProperty(anyChange, async (how) => {
        for (const [path, body] of [
          ['/add-checkpoint', good],
          ['/add-head', note],
        ] as const) {
          expect([400, 403, 404, 409, 422]).toContain(
            (await witness.post(path, changed(body, ...how))).status,
          );
        }
      }),
      { numRuns: 150 },
    );
    expect((await witness.post('/add-checkpoint', good)).status).toBe(200);
  });
});
