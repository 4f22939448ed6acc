/**
 * `npm start` from a fresh clone: installs, builds, and runs the main job (src/cli/commands/demo-registry.ts). `npm start -- --exit` ends by itself;
 * what stands after `--` goes to the job.
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, install, root } from './prepare.mjs';

if (!install() || !build()) {
  console.error('npm start: the package could not be installed or built; see above');
  process.exit(1);
}
const job = spawn(
  process.execPath,
  [
    join(root, 'dist/cli/main.js'),
    'demo',
    'registry',
    '--lock',
    join(root, 'package-lock.json'),
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
// Ctrl-C reaches the job by itself, which then stops its replicas; this process waits for it to be done.
process.on('SIGINT', () => undefined);
for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => job.kill(name));
job.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
