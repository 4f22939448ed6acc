/** `bft2f replica`: one replica's process. */

import { Command, Option } from 'commander';
import { DURABILITIES, LOG_LEVELS, type Overrides, runReplica } from '../../node/index.ts';
import type { CommandContext } from '../program.ts';

export function replicaCommand(context: CommandContext): Command {
  return new Command('replica')
    .description('run one replica until SIGTERM or SIGINT')
    .requiredOption('--config <file>', 'the replica file; all else is in it')
    .addOption(durabilityOption())
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      `
Log lines go to the standard output as JSON, one per event. Metrics, health and status are served where the replica
file says.

Example:
  bft2f replica --config replica-0/replica.json`,
    )
    .action(async ({ config, ...overrides }: Overrides & { config: string }) => {
      context.exitCode = await runReplica(config, overrides);
    });
}

export function durabilityOption(): Option {
  return new Option(
    '--durability <kind>',
    'memory: sync nothing, for experiments; a loss of power then makes replicas forget their promises (default: as the replica file says)',
  ).choices(DURABILITIES);
}

export function logLevelOption(): Option {
  return new Option(
    '--log-level <level>',
    'least serious lines to log (default: as the replica file says)',
  ).choices(LOG_LEVELS);
}
