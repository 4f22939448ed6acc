/**
 * Documentation that cannot go stale unseen: every TypeScript example in it stands in a file of examples/, which the compiler checks;
 * every path and link it names exists; every message and record of the protocol has its row; sections that comments cite are there.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { STATUSES } from '../src/protocol/messages/reply.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function filesOf(pattern: RegExp): readonly string[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => pattern.test(file) && existsSync(join(root, file)));
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

const pages = filesOf(/^(?:README\.md|docs\/.*\.md|examples\/.*\.md)$/);

/** Examples import the package by its name, as a user would; the files in examples/ import its sources. */
function comparable(code: string): string {
  return code.replace(/from '\.\.\/src\/([\w/-]+)\/index\.ts'/g, "from 'bft2f/$1'").trim();
}

describe('documentation', () => {
  it('every name that an example imports from the package is exported by package.json', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> };
    const missing = pages.flatMap((page) =>
      [...read(page).matchAll(/from 'bft2f(\/[\w/-]+)?'/g)]
        .map((match) => `.${match[1] ?? ''}`)
        .filter((name) => exports[name] === undefined)
        .map((name) => `${page}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('every TypeScript example stands in a file of examples/', () => {
    const examples = filesOf(/^examples\/.*\.ts$/).map((file) => comparable(read(file)));
    const strangers = pages.flatMap((page) =>
      [...read(page).matchAll(/```ts\n([\s\S]*?)```/g)]
        .map((match) => comparable(match[1]!))
        .filter((code) => !examples.some((example) => example.includes(code)))
        .map((code) => `${page}: ${code.split('\n')[0]} …`),
    );
    expect(strangers).toEqual([]);
  });

  it('every link leads to a file', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1]!)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it('every path in code spans exists', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/`((?:src|test|docs|examples|scripts|bench)\/[\w./-]*)`/g)]
        .map((match) => match[1]!)
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => `${page}: ${path}`),
    );
    expect(broken).toEqual([]);
  });

  it('every script that is named exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\bnpm (?:run )?(start|test|(?<=run )[\w:-]+)/g)]
        .map((match) => match[1]!)
        .filter((name) => scripts[name] === undefined)
        .map((name) => `${page}: npm run ${name}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('docs/protocol.md', () => {
  const page = read('docs/protocol.md');
  const headings = new Set([...page.matchAll(/^#{2,3} (\d+(?:\.\d+)?) /gm)].map((match) => match[1]!));

  it('has every section that comments cite', () => {
    const missing = filesOf(/^(?:src|test)\/.*\.ts$/).flatMap((file) =>
      [...read(file).matchAll(/docs\/protocol\.md,? (§[\d.]+(?:(?:,| and) §[\d.]+)*)/g)]
        .flatMap((match) => [...match[1]!.matchAll(/§(\d+(?:\.\d+)?)/g)].map((each) => each[1]!))
        .filter((section) => !hasSection(section))
        .map((section) => `${file}: §${section}`),
    );
    expect(missing).toEqual([]);
  });

  /** A section, or a numbered point of one. */
  function hasSection(section: string): boolean {
    if (headings.has(section)) return true;
    const [chapter, point] = section.split('.');
    const body = page.split(/^## /m).find((part) => part.startsWith(`${chapter} `)) ?? '';
    return point !== undefined && new RegExp(`^${point}\\. `, 'm').test(body);
  }

  it('has a row for every message and every record, and names every status', () => {
    const names = (file: string, union: string) => {
      const body = read(file).split(`${union} = union('type', {`)[1]!.split('\n});')[0]!;
      return [...body.matchAll(/^ {2}'?([\w-]+)'?: \[/gm)].map((match) => match[1]!.toUpperCase());
    };
    const wanted = [
      ...names('src/protocol/messages/index.ts', 'messageSchema'),
      ...names('src/protocol/records.ts', 'recordSchema'),
      ...STATUSES,
    ];
    expect(wanted.length).toBeGreaterThan(30);
    expect(wanted.filter((name) => !new RegExp(`\\b${name}\\b`).test(page))).toEqual([]);
  });

  it('names a file for every message that is there', () => {
    const cited = [...page.matchAll(/`(messages\/[\w-]+\.ts|replica\/[\w-]+\.ts|client\/[\w-]+\.ts)`/g)];
    expect(cited.length).toBeGreaterThan(10);
    const gone = cited
      .map((match) => match[1]!)
      .filter((file) => !existsSync(join(root, 'src/protocol', file)));
    expect(gone.map((file) => relative('.', file))).toEqual([]);
  });
});
