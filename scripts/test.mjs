/**
 * `npm test` from a fresh clone: installs, builds, checks and tests, the quick stages first, and ends with one line `N passed, N failed`. A
 * check counts as one test. `npm run check` is the same without the longer tests. Every stage runs even if an
 * earlier one failed, unless it could mean nothing then.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, install, installOtherNode, OTHER_NODE, root, run, tool } from './prepare.mjs';

const temporary = mkdtempSync(join(tmpdir(), 'bft2f-test-'));

/** What the tests about the source tree itself are: they belong to the checks. */
const HOUSE_TESTS = ['test/import-rules.test.ts', 'test/style.test.ts', 'test/docs.test.ts'];

/** A check that passes or fails as a whole. */
function check(command, ...args) {
  return () => (run(process.execPath, [tool(command), ...args]) ? one(true) : one(false));
}

function one(passed) {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** A run of vitest, counted by test/support/reporter.ts; one that ended without counting has failed. */
function tests(...args) {
  return () => testsOn(process.execPath, ...args);
}

function testsOn(node, ...args) {
  const counts = join(temporary, 'counts.json');
  rmSync(counts, { force: true });
  const succeeded = run(node, [tool('vitest/vitest.mjs'), 'run', ...args], { TEST_COUNTS: counts });
  if (!existsSync(counts)) return one(false);
  const result = JSON.parse(readFileSync(counts, 'utf8'));
  return succeeded || result.failed > 0 ? result : { ...result, failed: 1 };
}

/**
 * The same tests as on the Node at hand, but for those with processes of their own, and for searches through seeds: they take most of the time
 * and no part of Node.
 */
function testsOnOtherNode() {
  const node = installOtherNode();
  return node === undefined ? one(false) : testsOn(node, '--exclude', 'test/simulation/**');
}

/** Clusters of four and of seven, all correct or with as many Byzantine replicas as they must bear. */
const SIMULATIONS = [
  ['--seeds', '1500'],
  ['--seeds', '500', '--faulty', '1'],
  ['--seeds', '350', '--replicas', '7'],
  ['--seeds', '150', '--replicas', '7', '--faulty', '2'],
];

/** Runs from seeds, on all processors: each kind of cluster is one check. A failure prints the command that replays it. */
function simulations() {
  if (!run(process.execPath, [tool('typescript/bin/tsc'), '-p', 'tsconfig.tools.json'])) return one(false);
  const passed = SIMULATIONS.filter((options) => {
    console.log(`\nnpm run sim -- ${options.join(' ')}`);
    return run(process.execPath, ['dist-tools/scripts/sim.js', ...options]);
  }).length;
  return { passed, failed: SIMULATIONS.length - passed, skipped: 0 };
}

const SOURCES = ['src', 'test', 'scripts', 'examples', 'bench', 'adversary'].filter(
  (directory) => existsSync(join(root, directory)) && readdirSync(join(root, directory)).length > 0,
);

const PREPARATION = [
  ['install', () => one(install())],
  ['build', () => one(build())],
];

const CHECKS = [
  ['format', check('@biomejs/biome/bin/biome', 'ci', '--colors=off', '.')],
  ['types', check('typescript/bin/tsc', '-p', '.')],
  ['lint', check('oxlint/bin/oxlint', '--type-aware', '--deny-warnings', ...SOURCES)],
  ['unused code', check('knip/bin/knip.js', '--no-progress')],
];

const STAGES = {
  check: [...PREPARATION, ...CHECKS, ['house rules', tests(...HOUSE_TESTS)]],
  all: [
    ...PREPARATION,
    ...CHECKS,
    ['tests', tests()],
    [`tests on Node ${OTHER_NODE}`, testsOnOtherNode],
    ['simulation', simulations],
    ['end-to-end tests', tests('--config', 'vitest.e2e.config.ts')],
  ],
};

/** Runs the stages in order. @returns their counts added up; what a crash left out counts as failed. */
function runStages(stages) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, stage] of stages) {
    console.log(`\n── ${name}`);
    const start = performance.now();
    let counts;
    try {
      counts = stage();
    } catch (error) {
      console.error(error);
      counts = one(false);
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`── ${name}: ${counts.failed === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
    for (const key of Object.keys(total)) total[key] += counts[key];
    if (name === 'install' && counts.failed > 0) break;
  }
  return total;
}

const wanted = process.argv[2] ?? 'all';
const stages = STAGES[wanted];
if (stages === undefined) {
  console.error(
    `scripts/test.mjs: no set of stages '${wanted}'; expected one of ${Object.keys(STAGES).join(', ')}`,
  );
  process.exit(2);
}
const total = runStages(stages);
rmSync(temporary, { recursive: true, force: true });
if (total.skipped > 0) console.log(`\n${total.skipped} skipped`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
