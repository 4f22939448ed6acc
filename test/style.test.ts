/** House rules that a machine can check in a moment; each names the file and the way out. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What git tracks or would: so that nothing ignored is judged, and nothing new escapes. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(?:ts|mjs)$/.test(file) && existsSync(join(root, file)))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

/** The comment at the top of a file, or undefined. */
function headerOf(text: string): string | undefined {
  return /^(?:#![^\n]*\n)?\/\*\*[\s\S]*?\*\//.exec(text)?.[0];
}

const LINES_MAX = 600;

// Put together, so that this file does not find itself.
const TO_DO = new RegExp(`\\b(?:${['TO', 'FIX'].map((start, i) => start + ['DO', 'ME'][i]).join('|')})\\b`);
const NARROWED = new RegExp(
  `\\b(?:it|test|describe)(?:\\.\\w+)*\\.(?:${['ski', 'onl', 'tod'].map((start, i) => start + ['p', 'y', 'o'][i]).join('|')})\\b`,
);

function complaintsAbout({
  file,
  text,
}: {
  readonly file: string;
  readonly text: string;
}): readonly string[] {
  const complaints: string[] = [];
  const header = headerOf(text);
  const lines = text.split('\n').length - 1;
  if (file.startsWith('src/') && header === undefined) {
    complaints.push(`${file}: begin it with a comment that says why the file exists`);
  }
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|e2e|config|d))*\.(?:ts|mjs)$/.test(basename(file))) {
    complaints.push(`${file}: name it in kebab-case`);
  }
  if (lines > LINES_MAX && !/\b(?:lines|long|length|one table)\b/i.test(header ?? '')) {
    complaints.push(`${file}: ${lines} lines; divide it, or say in its header why it is so long`);
  }
  for (const [i, line] of text.split('\n').entries()) {
    if (TO_DO.test(line) && !/issue \d+/.test(line)) {
      complaints.push(`${file}:${i + 1}: name the issue ("issue 12") or do it now`);
    }
    if (NARROWED.test(line))
      complaints.push(`${file}:${i + 1}: a test that does not run; let it run, or take it out`);
  }
  return complaints;
}

describe('house rules', () => {
  it('every file keeps them', () => {
    expect(files.flatMap(complaintsAbout)).toEqual([]);
  });

  it('there are files to judge', () => {
    expect(files.length).toBeGreaterThan(100);
  });

  it.each([
    ['src/a.ts', 'export const a = 1;\n', 'begin it with a comment'],
    ['src/someThing.ts', '/** Why. */\n', 'kebab-case'],
    ['src/a.ts', `/** Why. */\n// ${'TO'}DO later\n`, 'a.ts:2: name the issue'],
    ['test/a.test.ts', `it.${'ski'}p('x', () => {});\n`, 'does not run'],
    ['src/a.ts', `/** Why. */\n${'\n'.repeat(601)}`, 'divide it'],
  ])('refuses %s with %o', (file, text, complaint) => {
    expect(complaintsAbout({ file, text }).join()).toContain(complaint);
  });

  it('allows a reason', () => {
    const long = `/** Why. It is long because its table is one thing. */\n// ${'TO'}DO (issue 7)\n${'\n'.repeat(700)}`;
    expect(complaintsAbout({ file: 'src/a.ts', text: long })).toEqual([]);
  });
});
