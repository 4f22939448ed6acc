import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatScript, parseScript, runScript } from '../../src/simulator/script.ts';

const FOLDER = join(import.meta.dirname, '../traces');

describe('scenarios', () => {
  it('parses and formats blocks', () => {
    const text = 'cluster replicas=4\n----\n\n# why\ntick 5\n----\n0 1: executed\nc0: done\n';
    const blocks = parseScript(text);
    expect(blocks.map(({ line, expected }) => [line, expected])).toEqual([
      [1, ''],
      [4, '0 1: executed\nc0: done'],
    ]);
    expect(
      formatScript(
        blocks,
        blocks.map(({ expected }) => expected),
      ),
    ).toBe(text);
    expect(() => parseScript('\ntick 5\n')).toThrow(/line 2.*----/);
  });

  it('names the line of a command that is none, and what there is', () => {
    const run = (text: string) => runScript(parseScript(text));
    expect(() => run('\nfly 5\n----\n')).toThrow(/line 2: fly 5: no such command; there are cluster/);
    expect(() => run('tick 5\n----\n')).toThrow(/begin with "cluster/);
    expect(() => run('cluster replicas=4 window=3\n----\n')).toThrow(/no such limit: window/);
    expect(() => run('cluster replicas=4\nrequest 0 put x\n----\n')).toThrow(/expected a client/);
  });

  for (const file of readdirSync(FOLDER)) {
    if (!file.endsWith('.trace')) continue;
    it(file, () => {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      const blocks = parseScript(text);
      const actual = formatScript(blocks, runScript(blocks));
      // REWRITE=1 npx vitest run test/simulator/script.test.ts; commit a difference only once it is understood.
      if (process.env.REWRITE === '1') writeFileSync(join(FOLDER, file), actual);
      else expect(actual).toBe(text);
    });
  }
});
