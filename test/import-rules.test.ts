/**
 * The order of the rooms: each imports only from rooms below it, and only the packages that it is meant to use, so that the protocol
 * runs unchanged in a browser, a simulator and a server. Read from the sources themselves.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** From the ground floor up: a room may import from those before it. */
const ROOMS = [
  'types',
  'codec',
  'crypto',
  'protocol',
  'services',
  'simulator',
  'storage',
  'network',
  'node',
  'client',
  'gateways',
  'witness',
  'auditor',
  'cli',
] as const;
type Room = (typeof ROOMS)[number];

/** Rooms that run wherever JavaScript does. */
const PORTABLE: readonly Room[] = ['types', 'codec', 'crypto', 'protocol', 'services', 'simulator'];

/** Files of portable rooms that are about Node or about another place to run in, and say so by their names. */
const BACKENDS = ['src/crypto/sodium-native.ts'];

/** Targets that rooms below them may import all the same, and why. */
const EXCEPTIONS: readonly {
  readonly target: string;
  readonly from: readonly Room[];
  readonly why: string;
}[] = [
  {
    target: 'src/services/service.ts',
    from: ['crypto', 'protocol'],
    why: 'the port through which the protocol executes operations, and the shape of chunks; it holds no code',
  },
];

/** Packages by room; everything else is refused. The command line may use all that package.json names. */
const PACKAGES: Partial<Record<Room, readonly string[]>> = {
  crypto: ['sodium-native', 'libsodium-wrappers'],
  node: ['zod', 'pino', 'prom-client'],
  client: ['zod'],
  witness: ['pino', 'prom-client'],
  cli: ['commander', 'picocolors', 'zod', 'pino', 'prom-client'],
};

/** What only Node has, or only a host with a clock; by name, and what stands in its place. */
const HOST_GLOBALS: readonly (readonly [RegExp, string])[] = [
  [/\bBuffer\b/, 'Uint8Array and the helpers of types/bytes.ts'],
  [/\bprocess\s*\./, 'an argument'],
  [/\b(?:setTimeout|setInterval|setImmediate)\s*\(/, 'the wake time of the output'],
  [/\b(?:Date\.now|performance\.now)\b|\bnew Date\(\)/, 'the clock that is handed in'],
  [/\bMath\.random\b|\bcrypto\.getRandomValues\b/, 'the random source that is handed in'],
  [/\brequire\s*\(/, 'an import'],
];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function sourcesUnder(directory: string): readonly string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** The code without comments and without what stands in strings; good enough for sources that the formatter has been over. */
function codeOf(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/(^|\s)\/\/.*$/gm, ' ')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

function importsOf(file: string, text: string): readonly Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/(^|\s)\/\/.*$/gm, ' ');
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*['"]([\w@./:-]+)['"]/g;
  return [...code.matchAll(pattern)].map((match) => ({ file, specifier: match[1]! }));
}

function roomOf(file: string): Room | undefined {
  const name = file.split('/')[1];
  return ROOMS.find((room) => room === name);
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}

/** What is wrong with one import, and what to do instead; undefined if nothing is. */
function rejectImport({ file, specifier }: Import): string | undefined {
  const room = roomOf(file);
  if (room === undefined)
    return `${file}: not in a room; the rooms are ${ROOMS.join(', ')} (test/import-rules.test.ts)`;
  if (specifier.startsWith('.')) return rejectLocal(file, room, specifier);
  if (specifier.startsWith('node:')) {
    return PORTABLE.includes(room) && !BACKENDS.includes(file)
      ? `${file}: imports ${specifier}, but ${room}/ runs without Node; take what it gives as an argument, as crypto/port.ts does`
      : undefined;
  }
  const name = packageOf(specifier);
  if (PACKAGES[room]?.includes(name)) return undefined;
  const owners = ROOMS.filter((each) => PACKAGES[each]?.includes(name));
  const way =
    owners.length > 0 ? `use it through ${owners.join('/ or ')}/` : 'list it in PACKAGES if it is meant';
  return `${file}: imports the package ${name}, which ${room}/ does not use; ${way}`;
}

function rejectLocal(file: string, room: Room, specifier: string): string | undefined {
  const target = relative(root, join(root, dirname(file), specifier));
  if (!target.startsWith('src/')) return `${file}: imports ${target}; src/ imports nothing outside itself`;
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return `${file}: imports ${target}, which is in no room`;
  if (ROOMS.indexOf(targetRoom) <= ROOMS.indexOf(room)) return undefined;
  if (EXCEPTIONS.some((each) => each.target === target && each.from.includes(room))) return undefined;
  return `${file}: imports ${target}, but ${room}/ stands below ${targetRoom}/; move what is shared down to ${room}/ or lower, or hand it in as an argument`;
}

/** Host globals in the code of a portable room. */
function rejectGlobals(file: string, text: string): readonly string[] {
  const room = roomOf(file);
  if (room === undefined || !PORTABLE.includes(room) || BACKENDS.includes(file)) return [];
  const code = codeOf(text);
  return HOST_GLOBALS.flatMap(([pattern, instead]) => {
    const found = pattern.exec(code);
    return found === null ? [] : [`${file}: uses ${found[0]}, which ${room}/ must not; use ${instead}`];
  });
}

const sources = sourcesUnder('src').map((file) => ({ file, text: read(file) }));

describe('import rules', () => {
  it('every import of src/ goes to the own room, a lower one, or a package that the room may use', () => {
    const complaints = sources.flatMap(({ file, text }) =>
      importsOf(file, text).flatMap((each) => rejectImport(each) ?? []),
    );
    expect(complaints).toEqual([]);
  });

  it('rooms that run in a browser use nothing that only Node has, no clock and no randomness', () => {
    expect(sources.flatMap(({ file, text }) => rejectGlobals(file, text))).toEqual([]);
  });

  it('an exception that nothing uses any more is taken out', () => {
    const used = sources.flatMap(({ file, text }) =>
      importsOf(file, text).map(({ specifier }) => relative(root, join(root, dirname(file), specifier))),
    );
    expect(EXCEPTIONS.filter(({ target }) => !used.includes(target))).toEqual([]);
  });

  it.each([
    [{ file: 'src/types/bytes.ts', specifier: '../codec/index.ts' }, 'types/ stands below codec/'],
    [{ file: 'src/protocol/ledger.ts', specifier: '../storage/log.ts' }, 'protocol/ stands below storage/'],
    [
      { file: 'src/protocol/ledger.ts', specifier: '../services/kv/index.ts' },
      'protocol/ stands below services/',
    ],
    [{ file: 'src/protocol/replica/index.ts', specifier: 'node:fs' }, 'runs without Node'],
    [{ file: 'src/node/driver.ts', specifier: '../../adversary/liar.ts' }, 'nothing outside itself'],
    [{ file: 'src/codec/index.ts', specifier: 'zod' }, 'use it through node/ or client/ or cli/'],
    [{ file: 'src/protocol/ledger.ts', specifier: 'left-pad' }, 'list it in PACKAGES'],
    [{ file: 'src/utilities/all.ts', specifier: './x.ts' }, 'not in a room'],
  ])('refuses %o', (each, complaint) => {
    expect(rejectImport(each)).toContain(complaint);
  });

  it.each([
    [{ file: 'src/protocol/ledger.ts', specifier: '../services/service.ts' }],
    [{ file: 'src/crypto/sodium-native.ts', specifier: 'sodium-native' }],
    [{ file: 'src/node/driver.ts', specifier: 'node:fs' }],
    [{ file: 'src/cli/main.ts', specifier: '../client/index.ts' }],
  ])('allows %o', (each) => {
    expect(rejectImport(each)).toBeUndefined();
  });

  it('sees globals in code and not in comments or strings', () => {
    expect(rejectGlobals('src/protocol/x.ts', 'const t = Date.now();')).toHaveLength(1);
    expect(
      rejectGlobals('src/protocol/x.ts', "// Date.now()\n/* Buffer */ const a = 'setTimeout(';"),
    ).toEqual([]);
  });
});
