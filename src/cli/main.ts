#!/usr/bin/env node
/** The command `bft2f`: binds the program to this process. */

import { EXIT } from './exit-codes.ts';
import { runProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

const interruption = new AbortController();
let interrupts = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    interrupts++;
    // A replica's process has its own way to stop; a person who insists gets out of everything else.
    if (interrupts > 2) process.exit(EXIT.interrupted);
    interruption.abort(new Error(`interrupted by ${name}`));
  });
}
// The reader of our output has left (`bft2f kv scan | head`): that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.unexpected);
});

process.exitCode = await runProgram(process.argv.slice(2), processTerminal(interruption.signal));
