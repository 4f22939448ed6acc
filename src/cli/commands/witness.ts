/** `bft2f witness`: the witness daemon. */

import { Command } from 'commander';
import { formatWitness, runWitness } from '../../witness/index.ts';
import type { CommandContext } from '../program.ts';

export function witnessCommand(context: CommandContext): Command {
  return new Command('witness')
    .description(
      'run a witness: it cosigns one history of the cluster, and raises the alarm if there are two',
    )
    .requiredOption('--config <file>', 'the witness file; all else is in it')
    .option('--format', 'make its data directory, print its verifier key, and end')
    .addHelpText(
      'after',
      `
Log lines go to the standard output as JSON. Heads, metrics and health are served over HTTP where the witness file
says. Only a key that has never cosigned may be given a new data directory: a witness that has forgotten what it
cosigned could cosign another history. If the directory was lost, make a new key. See docs/witness.md.

Examples:
  bft2f keygen witness/key.json
  bft2f witness --config witness/witness.json --format
  bft2f witness --config witness/witness.json`,
    )
    .action(async ({ config, format = false }: { config: string; format?: boolean }) => {
      if (format) context.terminal.out(`${await formatWitness(config)}\n`);
      else context.exitCode = await runWitness(config);
    });
}
