/**
 * `npm run sim`: simulated runs from seeds (`--help` says all). A failure prints its seed, what was violated, a smaller run that fails in the same way
 * and the commands that replay both; the exit code is 1 for a crash, 2 for a broken safety property, 3 for missing progress.
 */

import { main } from './sim/main.ts';

process.exitCode = await main(process.argv.slice(2), console);
