/**
 * Once for a run of the end-to-end tests: compiles the program into a folder of its own (what `npm start` or a build in another terminal
 * does to dist/ must not change what is tested), makes the run's directory, and takes away at the end whatever is left.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLeftovers } from './leftovers.ts';
import { PROGRAM_DIRECTORY, ROOT } from './program.ts';

export default function setUp(): () => void {
  rmSync(PROGRAM_DIRECTORY, { recursive: true, force: true });
  const options = ['--outDir', PROGRAM_DIRECTORY, '--declaration', 'false', '--sourceMap', 'false'];
  execFileSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json'), ...options],
    { stdio: 'inherit' },
  );
  const directory = mkdtempSync(join(tmpdir(), 'bft2f-e2e-'));
  process.env.BFT2F_E2E_DIRECTORY = directory;
  return () => {
    removeLeftovers(directory);
    if (process.env.BFT2F_E2E_KEEP === undefined) rmSync(directory, { recursive: true, force: true });
  };
}
