/** The demonstrations, by their command: what they claim is observed, and nothing is left of them. */

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runDirectory } from './support/leftovers.ts';
import { bft2f, PROGRAM, PROGRAM_DIRECTORY, ROOT } from './support/program.ts';

interface Shown {
  readonly observed: boolean;
  readonly steps: readonly {
    readonly title: string;
    readonly claims: readonly { readonly holds: boolean }[];
  }[];
  readonly forkTree?: { readonly guilty: readonly number[]; readonly branches: readonly unknown[] };
  readonly svg?: string;
}

async function demo(...args: readonly string[]): Promise<Shown> {
  const { code, out, err } = await bft2f(['demo', ...args, '--json']);
  const shown = out === '' ? undefined : (JSON.parse(out) as Shown);
  expect({ code, err, steps: shown?.steps }).toEqual({ code: 0, err: '', steps: expect.anything() });
  expect(shown!.observed).toBe(true);
  return shown!;
}

function claimsOf({ steps }: Shown): number {
  return steps.reduce((sum, { claims }) => sum + claims.filter(({ holds }) => holds).length, 0);
}

/** Process numbers of all that name `text` on their command line. */
function processesNaming(text: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || !existsSync(`/proc/${pid}/cmdline`)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words.includes('--config') && words.some((word) => word.startsWith(text));
    } catch {
      return false;
    }
  });
}

describe('bft2f demo', () => {
  it('up-to-f: each replica in turn is faulty, in another way each time', async () => {
    const shown = await demo('up-to-f', '--per-choice', '1');
    expect(shown.steps.slice(1).map(({ title }) => title)).toEqual(
      [0, 1, 2, 3].map((index) => `Faulty: ${index}`),
    );
    expect(claimsOf(shown)).toBe(4);
  });

  it('beyond-f: the fork is found, and the guilty are named', async () => {
    const shown = await demo('beyond-f', '--faulty', '1,3');
    expect(shown.forkTree).toMatchObject({ guilty: [1, 3], branches: [{ name: 'A' }, { name: 'B' }] });
    expect(shown.svg).toMatch(/^<svg [\s\S]*replicas 1, 3 signed both branches[\s\S]*<\/svg>\n$/);
  });

  it('beyond-2f: a forged operation is accepted, and an auditor finds it', async () => {
    expect(claimsOf(await demo('beyond-2f'))).toBe(4);
  });

  it('partition: refused in time, and resumed', async () => {
    expect(claimsOf(await demo('partition'))).toBe(8);
  });

  it('ends all its processes when it is interrupted', async () => {
    const directory = join(runDirectory(), 'interrupted');
    const child = spawn(process.execPath, [PROGRAM, 'demo', 'beyond-f', '--directory', directory], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await new Promise<void>((resolve) => {
      let out = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
        if (out.includes('alice: put')) resolve();
      });
      void exited.then(() => resolve());
    });
    expect(processesNaming(directory)).not.toEqual([]);
    child.kill('SIGTERM');
    expect(await exited).toBe(130);
    expect(processesNaming(directory)).toEqual([]);
  });

  it('refuses what cannot be played, in words that say what can', async () => {
    const tooFew = await bft2f(['demo', 'beyond-f', '--faulty', '1']);
    expect(tooFew).toMatchObject({
      code: 2,
      err: expect.stringContaining('beyond-f with 4 replicas needs 2'),
    });
    const uneven = await bft2f(['demo', 'partition', '--replicas', '5']);
    expect(uneven).toMatchObject({ code: 2, err: expect.stringContaining('need 3f+1') });
    const strange = await bft2f(['demo', 'up-to-f', '--behaviour', 'polite']);
    expect(strange).toMatchObject({ code: 2, err: expect.stringContaining('there are silent, crashing') });
  });

  it('an installed package has no malicious replicas, and says so', async () => {
    const installed = join(runDirectory(), 'installed');
    mkdirSync(installed);
    cpSync(PROGRAM_DIRECTORY, join(installed, 'dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
    expect(files).not.toContain('adversary');
    const child = spawn(process.execPath, [join(installed, 'dist/cli/main.js'), 'demo', 'beyond-f'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(err).toContain('run it in a clone of the repository');
  });
});
