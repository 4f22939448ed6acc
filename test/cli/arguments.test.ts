import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeColors } from '../../src/cli/terminal.ts';
import { bft2f } from './support.ts';

const nowhere = mkdtempSync(join(tmpdir(), 'bft2f-cli-'));
afterAll(() => rmSync(nowhere, { recursive: true, force: true }));

describe('wrong arguments', () => {
  it.each([
    ['', ['nonsense'], "unknown command 'nonsense'"],
    ['', ['--nonsense'], "unknown option '--nonsense'"],
    [' up', ['up', '--durability', 'ram'], 'Allowed choices are disk, memory'],
    [' up', ['up', 'extra'], 'too many arguments'],
    [' init', ['init', '--replicas', 'four'], 'expected an integer from 1 to 31'],
    [' init', ['init', '--base-port', '70000'], 'expected an integer from 0 to 65535'],
    [' init', ['init', '--replicas', ''], 'expected an integer'],
    [' replica', ['replica'], "required option '--config <file>' not specified"],
    [' keygen', ['keygen'], "missing required argument 'file'"],
    [
      ' genesis',
      ['genesis', 'abc'],
      "argument 'publicKey' is 'abc': expected a public key, 64 hexadecimal digits",
    ],
    [' kv', ['kv', 'fetch'], "unknown command 'fetch'"],
    [' kv get', ['kv', 'get'], "missing required argument 'key'"],
    [' kv put', ['kv', 'put', 'k'], "missing required argument 'value'"],
    [' kv put', ['kv', 'put', 'k', 'v', '--deadline', '0'], 'expected an integer from 1'],
    [' kv incr', ['kv', 'incr', 'k', '1.5'], 'expected a signed 64-bit integer'],
    [' kv incr', ['kv', 'incr', 'k', '9223372036854775808'], 'expected a signed 64-bit integer'],
  ])('bft2f%s: %j', async (command, args, text) => {
    const { code, out, err } = await bft2f(args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(text);
    // One line, with the way out.
    expect(err.trimEnd()).not.toContain('\n');
    expect(err).toContain(`see "bft2f${command} --help"`);
  });

  it('says it in one sentence', async () => {
    const { err } = await bft2f(['init', '--replicas', '0']);
    expect(err).toBe(
      "error: option '--replicas <n>' argument '0' is invalid: expected an integer from 1 to 31; see \"bft2f init --help\"\n",
    );
  });

  it.each([
    [['kv', 'cas', 'k', 'v'], 'give exactly one of --expect-value'],
    [['kv', 'cas', 'k', 'v', '--expect-absent', '--expect-version', '1'], 'not 2'],
    [['kv', 'scan', '--prefix', 'a', '--to', 'b'], 'either --prefix or --to'],
    [['kv', 'load', 'nothing.tsv'], 'cannot read nothing.tsv'],
    [['kv', 'get', 'k', '-d', nowhere], 'make one with "bft2f init"'],
    [['up', '-d', nowhere], 'make one with "bft2f init"'],
    [['status', '-d', nowhere], 'make one with "bft2f init"'],
    [['stop', '-d', nowhere], 'make one with "bft2f init"'],
    [['format', '--config', join(nowhere, 'none.json')], 'there is no such file'],
    [['replica', '--config', join(nowhere, 'none.json')], undefined],
    [['demo', 'registry', '--lock', join(nowhere, 'none.json')], 'name a package-lock.json with --lock'],
    [['init', '-d', join(nowhere, 'x'), '--replicas', '5'], 'expected 3f+1'],
    [['init', '-d', join(nowhere, 'x'), '--quorum', '2'], 'quorum is 2; expected 2f+1 = 3 up to n = 4'],
    [['init', '-d', join(nowhere, 'x'), '--base-port', '65530'], 'leaves no room for 8 ports'],
  ])('%j ends with a clear line', async (args, text) => {
    const { code, err } = await bft2f(args);
    expect(code).toBe(2);
    if (text !== undefined) expect(err).toContain(text);
    expect(err.trimEnd()).not.toContain('\n');
  });
});

describe('help', () => {
  it('and the version', async () => {
    expect((await bft2f(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('is shown without arguments, with the exit codes and examples', async () => {
    for (const args of [[], ['--help'], ['help']]) {
      const { code, out } = await bft2f(args);
      expect(code).toBe(0);
      expect(out).toContain('Exit codes:');
      expect(out).toContain('Examples:');
      expect(out).toContain('12  the outcome is unknown');
    }
  });

  it('of a command with a default that JSON cannot write', async () => {
    const { code, out } = await bft2f(['kv', 'incr', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('(default: 1)');
  });

  it.each(['init', 'up', 'status', 'stop', 'kv', 'replica', 'keygen', 'genesis', 'format', 'demo'])(
    'bft2f %s --help has an example',
    async (command) => {
      const { code, out } = await bft2f([command, '--help']);
      expect(code).toBe(0);
      expect(out).toContain(`bft2f ${command}`);
      expect(out).toMatch(/Examples?:/);
    },
  );
});

describe('colours', () => {
  it.each([
    [true, {}, true],
    [true, { NO_COLOR: '' }, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { TERM: 'dumb' }, false],
    [false, {}, false],
  ])('terminal %s, environment %j: %s', (isTerminal, env, colored) => {
    expect(makeColors(isTerminal, env).red('x') !== 'x').toBe(colored);
  });
});
