/** `bft2f format`: the data directory of a new replica. Apart from starting one, so that a lost disk is never taken for a new one. */

import { Command } from 'commander';
import { formatReplica, readReplicaConfig } from '../../node/index.ts';
import type { CommandContext } from '../program.ts';

export function formatCommand({ terminal }: CommandContext): Command {
  return new Command('format')
    .description("create a new replica's data directory")
    .requiredOption('--config <file>', 'the replica file')
    .addHelpText(
      'after',
      `
Only for a key that has never run: a replica that is formatted anew under a used key has forgotten its promises. If a
disk was lost, make a new key.

Example:
  bft2f format --config replica-0/replica.json`,
    )
    .action(async ({ config }: { config: string }) => {
      const replica = await readReplicaConfig(config);
      await formatReplica(replica);
      terminal.err(`created ${replica.data}\n`);
    });
}
