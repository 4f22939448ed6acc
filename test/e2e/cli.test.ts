/** The command line as users run it: the compiled program, real processes, real signals. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROGRAM, PROGRAM_DIRECTORY, ROOT } from './support/program.ts';

const LOCK = fileURLToPath(new URL('../../package-lock.json', import.meta.url));

let directory: string;
const running = new Set<Running>();

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'bft2f-e2e-')), 'cluster');
});

afterEach(async () => {
  for (const it of running) {
    it.process.kill('SIGTERM');
    await it.ended;
  }
  await rm(join(directory, '..'), { recursive: true, force: true });
});

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  /** Resolves when the standard error holds `text`. */
  until(text: string): Promise<void>;
}

function start(...args: string[]): Running {
  return startNode(PROGRAM, ...args);
}

function startNode(...args: string[]): Running {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  const looks = new Set<() => void>();
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
    for (const look of looks) look();
  });
  const started: Running = {
    process: child,
    ended: new Promise((resolve) => {
      child.once('close', (code) => {
        running.delete(started);
        for (const look of looks) look();
        resolve({ code, out, err });
      });
    }),
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (err.includes(text)) resolve();
          else if (child.exitCode !== null) reject(new Error(`ended without "${text}": ${err}`));
        };
        looks.add(look);
        look();
      }),
  };
  running.add(started);
  return started;
}

function bft2f(...args: string[]) {
  return start(...args).ended;
}

function pidOf(index: number): number {
  return Number(readFileSync(join(directory, `replica-${index}`, 'pid'), 'utf8'));
}

/** README's program, on the cluster of this test and the package as it was compiled for it. */
function runReadmeProgram() {
  const blocks = readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```/gms);
  const program = [...blocks].map(([, code]) => code!).find((code) => code.includes('await connect('))!;
  const path = join(PROGRAM_DIRECTORY, 'readme.mjs');
  const adapted = program
    .replace(/'bft2f\/(\w+)'/g, "'./$1/index.js'")
    .replaceAll('.bft2f/', `${directory}/`);
  writeFileSync(path, adapted);
  return startNode(path).ended;
}

/** What a replica logged last. */
function lastLine(index: number): unknown {
  const log = readFileSync(join(directory, `replica-${index}`, 'log.jsonl'), 'utf8');
  return JSON.parse(log.trimEnd().split('\n').at(-1)!);
}

describe('init, up, kv, status, stop', () => {
  it('run a cluster through the death of its primary and a restart of everything', async () => {
    const extra = ['--directory', directory];
    expect(await bft2f('init', ...extra)).toMatchObject({ code: 0 });
    const up = start('up', ...extra);
    await up.until('stop with Ctrl-C');
    expect(await bft2f('kv', 'put', 'a', '1', ...extra)).toMatchObject({ code: 0 });

    expect(await runReadmeProgram()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^hello as of batch \d+\n$/),
    });

    process.kill(pidOf(0), 'SIGKILL');
    await up.until('replica 0 was ended by SIGKILL');
    expect(await bft2f('kv', 'incr', 'a', '41', ...extra)).toMatchObject({ code: 0, out: '42\n' });
    const status = await bft2f('status', ...extra, '--json');
    expect(JSON.parse(status.out)).toMatchObject({
      promised: 'all',
      good: [1, 2, 3],
      doubts: [{ index: 0 }],
    });

    const second = await bft2f('up', ...extra);
    expect(second.code).toBe(2);
    expect(second.err).toContain('is running already');

    expect(await bft2f('stop', ...extra)).toMatchObject({ code: 0 });
    // One replica failed: that is not forgotten at the end.
    const end = await up.ended;
    expect(end.code).toBe(1);
    expect(end.err).toContain('1 of 4 replicas failed; it was replica 0, which was ended by SIGKILL');
    expect(lastLine(1)).toMatchObject({ event: 'stopped', signal: 'SIGTERM', executed: expect.any(Number) });
    expect(existsSync(join(directory, 'replica-1', 'pid'))).toBe(false);

    const again = start('up', ...extra);
    await again.until('stop with Ctrl-C');
    expect(await bft2f('kv', 'get', 'a', ...extra)).toMatchObject({ code: 0, out: '42\n' });
    again.process.kill('SIGINT');
    const { code, err } = await again.ended;
    expect(code).toBe(0);
    for (const index of [0, 1, 2, 3]) expect(err).toContain(`replica ${index} has stopped`);
  });
});

describe('up that does not come up', () => {
  it('ends all replicas when one fails, with the exit code of that one and its last words', async () => {
    await bft2f('init', '--directory', directory);
    const { replicas } = JSON.parse(readFileSync(join(directory, 'client.json'), 'utf8'));
    const taken = createServer().listen(replicas[2].port, replicas[2].host);
    await once(taken, 'listening');
    const { code, err } = await bft2f('up', '--directory', directory);
    taken.close();
    expect(code).toBe(4);
    expect(err).toContain('1 of 4 replicas failed; it was replica 2, which ended with exit code 4:');
    expect(err).toMatch(/address already in use|EADDRINUSE/);
    expect(existsSync(join(directory, 'replica-1', 'pid'))).toBe(false);
  });

  it('is ended by "stop", however early', async () => {
    await bft2f('init', '--directory', directory);
    // Replicas that reach no other never become ready.
    for (const index of [0, 1, 2, 3]) {
      const path = join(directory, `replica-${index}`, 'replica.json');
      const config = JSON.parse(readFileSync(path, 'utf8'));
      for (const peer of config.peers) peer.port = 1;
      writeFileSync(path, JSON.stringify(config));
    }
    const up = start('up', '--directory', directory);
    let hasEnded = false;
    void up.ended.then(() => {
      hasEnded = true;
    });
    while (!hasEnded) expect((await bft2f('stop', '--directory', directory)).code).toBe(0);
    const { code, err } = await up.ended;
    expect(code).toBe(130);
    expect(err).toContain('stopped before all replicas were ready');
    for (const index of [0, 1, 2, 3]) {
      expect(existsSync(join(directory, `replica-${index}`, 'pid'))).toBe(false);
    }
  });
});

describe('demo registry', () => {
  it('loads the lockfile while the primary dies, and ends with all replicas equal', async () => {
    const { code, out, err } = await bft2f(
      'demo',
      'registry',
      '--lock',
      LOCK,
      '--exit',
      '--directory',
      directory,
    );
    expect(err).toMatch(/killed replica \d, the primary of view \d+ \(SIGKILL\)/);
    expect(out).toMatch(/replicas that agree +all 4/);
    expect(code).toBe(0);
    expect(existsSync(join(directory, 'replica-0', 'pid'))).toBe(false);
  });
});
