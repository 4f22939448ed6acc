/**
 * What must stand before anything of this package can run: its dependencies and its compiled form. Plain JavaScript that needs nothing
 * installed, because it is the first step of `npm start` and `npm test` in a fresh clone.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's directory. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** The lockfile's hash as of the last install; beside what it describes, so that it goes when that goes. */
const stamp = join(root, 'node_modules/.installed-lock-sha256');

/** Runs a command in the package's directory, its output on ours. @returns whether it succeeded. */
export function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  return result.status === 0;
}

/** The file behind a command that a dependency provides; run it with `process.execPath`. */
export function tool(path) {
  return join(root, 'node_modules', path);
}

/**
 * Installs what package-lock.json names, if it is not there. Not by `npm ci`: it refuses a lock file whose optional packages for other
 * platforms the registry at hand does not carry; `install` takes the same versions and leaves the lock file as it is.
 * @returns whether the dependencies are there now.
 */
export function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;
  if (!run('npm', ['install', '--no-save', '--no-audit', '--no-fund'])) return false;
  writeFileSync(stamp, wanted);
  return true;
}

/** The release line after the one that package.json asks for: the tests run on it as well. */
export const OTHER_NODE = '24.21.0';

/**
 * Fetches that Node with npm, once, into a directory that git ignores.
 * @returns the path of its executable, or undefined if it could not be had; what was wrong has been said then
 */
export function installOtherNode() {
  const directory = join(root, '.cache', `node-${OTHER_NODE}`);
  const executable = join(directory, 'node_modules/node/bin/node');
  const works = () =>
    spawnSync(executable, ['--version'], { encoding: 'utf8' }).stdout?.trim() === `v${OTHER_NODE}`;
  if (works()) return executable;
  mkdirSync(directory, { recursive: true });
  const install = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', directory];
  const isInstalled = run('npm', [...install, `node@${OTHER_NODE}`]);
  if (isInstalled && works()) return executable;
  console.error(
    `Node ${OTHER_NODE} could not be installed by npm (package "node"), so nothing was tested on it: ` +
      'is the registry reachable, and may packages run their install scripts?',
  );
  return undefined;
}

/** What dist/ was compiled from; beside it, so that it goes when that goes. */
const builtFrom = join(root, 'dist/.built-from-sha256');

/** The hash of everything that decides what dist/ holds. */
function sourcesHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  for (const file of [...sources, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) {
    const bytes = readFileSync(isAbsolute(file) ? file : join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * Compiles src/ into dist/, if it is not what dist/ was compiled from. Into a directory of its own first: programs that run from dist/ must
 * never find it half gone. @returns whether dist/ is up to date now.
 */
export function build() {
  const wanted = sourcesHash();
  if (existsSync(builtFrom) && readFileSync(builtFrom, 'utf8') === wanted) return true;
  const fresh = join(root, `dist-${process.pid}`);
  const old = join(root, `dist-old-${process.pid}`);
  const tsc = [tool('typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh];
  const isCompiled = run(process.execPath, tsc);
  if (isCompiled) {
    writeFileSync(join(fresh, '.built-from-sha256'), wanted);
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
    renameSync(fresh, join(root, 'dist'));
  }
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  return isCompiled;
}
