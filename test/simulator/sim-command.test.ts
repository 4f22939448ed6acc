/** `npm run sim` as a user meets it: arguments, exit codes, files. Threads are left to the stage of `npm test` that runs it. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { main } from '../../scripts/sim/main.ts';
import { parseOptions } from '../../scripts/sim/options.ts';

const temporary = mkdtempSync(join(tmpdir(), 'bft2f-sim-'));
afterAll(() => rmSync(temporary, { recursive: true }));

async function sim(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(args, {
    log: (line: string) => out.push(line),
    error: (line: string) => err.push(line),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('arguments', () => {
  it.each([
    [['--sead', '1'], /--sead/],
    [['7'], /7/],
    [['--seed'], /--seed/],
    [['--seed', 'x'], /--seed must be a whole number from 0 to .*; got "x"/],
    [['--seeds', '0'], /--seeds must be a whole number from 1/],
    [['--replicas', '5'], /--replicas must be 3f\+1: 1, 4, 7.*got "5"/],
    [['--faults', 'crash,earthquake'], /--faults must be "none" or some of crash.*got "earthquake"/],
    [['--faulty', '5'], /--faulty must be a whole number from 0 to 4/],
    [['--attack', 'random lies'], /--attack needs --faulty/],
    [['--faulty', '1', '--attack', 'none'], /--attack must be one of "/],
    [['--bug', 'none'], /--bug must be one of "certificates of 2f"/],
    [['--trace', 'x'], /--trace is for one run: name it by --seed S or --scenario FILE/],
    [['--seed', '1', '--jobs', '2'], /--jobs is for many seeds/],
    [['--seed', '1', '--from-ms', '2'], /--from-ms belongs to --svg/],
    [['--scenario', 'x', '--seed', '1'], /exclude each other/],
    [['--scenario', 'x', '--bug', 'reads by result'], /--bug cannot change a scenario/],
    [['--scenario', join(temporary, 'none.json')], /none\.json.*no such file/],
  ])('%j: named, with the form expected', async (args, reason) => {
    const { code, err, out } = await sim(...args);
    expect(err).toMatch(reason);
    expect(err).toContain('--help');
    expect([code, out]).toEqual([64, '']);
  });

  it('--help has an example and a line for every option', async () => {
    const { code, out } = await sim('--help');
    expect(code).toBe(0);
    expect(out).toContain('npm run sim -- --seeds 2000');
    for (const line of out.matchAll(/npm run sim -- (.*)$/gm)) {
      if (!/\b[A-Z]\b|FILE/.test(line[1]!)) expect(() => parseOptions(wordsOf(line[1]!))).not.toThrow();
    }
  });

  /** As a shell would divide them. */
  const wordsOf = (line: string) =>
    [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
});

describe('one run', () => {
  it('writes its trace and its picture, the same each time', async () => {
    const files = ['a', 'b'].map(
      (name) => [join(temporary, `${name}.jsonl`), join(temporary, `${name}.svg`)] as const,
    );
    for (const [trace, svg] of files) {
      const { code, out } = await sim(
        ...[
          '--seed',
          '5',
          '--clients',
          '1',
          '--requests',
          '5',
          '--trace',
          trace,
          '--svg',
          svg,
          '--lines',
          '3',
        ],
      );
      expect(code).toBe(0);
      expect(out).toMatch(/^seed 5\n(.*\n){3}.*batches \d+/);
      expect(out).toContain('no violation');
    }
    for (const which of [0, 1] as const) {
      const [first, second] = files.map((pair) => readFileSync(pair[which], 'utf8'));
      expect(first!.length).toBeGreaterThan(1_000);
      expect(second).toBe(first);
    }
    const lines = readFileSync(files[0]![0], 'utf8').trimEnd().split('\n');
    expect(JSON.parse(lines[0]!)).toMatchObject({ type: 'header' });
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: 'end' });
  });

  it('--json is one object', async () => {
    const { out } = await sim('--seed', '5', '--clients', '1', '--requests', '2', '--json');
    expect(JSON.parse(out)).toMatchObject({ seed: 5, ok: true, violations: [] });
  });
});

describe('many runs', () => {
  it('sums up', async () => {
    const { code, out } = await sim('--seeds', '3', '--from', '2', '--jobs', '1', '--requests', '3');
    expect(code).toBe(0);
    expect(out).toMatch(/^seeds 2 to 4\n3 of 3 seeds, no violation; \d+ s simulated/);
    const json = await sim('--seeds', '2', '--jobs', '1', '--requests', '3', '--json');
    expect(JSON.parse(json.out)).toMatchObject({
      from: 0,
      seeds: 2,
      done: 2,
      failures: [],
      interrupted: false,
    });
  });

  it('a failure is told, made smaller and written down, and the file fails again', async () => {
    const { code, out } = await sim(
      ...[
        '--seeds',
        '20',
        '--jobs',
        '1',
        '--bug',
        'replies of 2f',
        '--failures',
        temporary,
        '--minimise-runs',
        '40',
      ],
    );
    expect(code).toBe(2);
    expect(out).toMatch(/seed \d+: safety: receipts hold: /);
    expect(out).toMatch(/replay: npm run sim -- --seed \d+ --bug "replies of 2f"/);
    expect(out).toMatch(/minimised in \d+ runs: \d+ of \d+ faults, 1 of \d+ requests/);
    const file = /replay: npm run sim -- --scenario (\S+)/.exec(out)![1]!;
    expect(readdirSync(temporary)).toContain(file.split('/').at(-1));
    const again = await sim('--scenario', file);
    expect(again.code).toBe(2);
    expect(again.out).toContain('the violation that the file expects, receipts hold, is there');
  });

  it('--keep-going goes on', async () => {
    const { out, code } = await sim(
      ...[
        '--seeds',
        '3',
        '--jobs',
        '1',
        '--bug',
        'replies of 2f',
        '--keep-going',
        '--minimise-runs',
        '0',
        '--json',
      ],
    );
    expect(code).toBe(2);
    const { done, failures } = JSON.parse(out) as { done: number; failures: { seed: number }[] };
    expect(done).toBe(3);
    expect(failures.length).toBeGreaterThan(1);
  });
});
