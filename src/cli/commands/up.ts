/** `bft2f up`: the local cluster, in the foreground. */

import { Command } from 'commander';
import type { Overrides } from '../../node/index.ts';
import { clusterPaths, DEFAULT_DIRECTORY, readClientConfig } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { type LocalCluster, openLocalCluster } from '../local-cluster.ts';
import type { CommandContext } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { durabilityOption, logLevelOption } from './replica.ts';

const READY_TIMEOUT_MS = 60_000;

export function upCommand({ terminal }: CommandContext): Command {
  return new Command('up')
    .description('run all replicas of a local cluster until Ctrl-C, or until "bft2f stop"')
    .option('-d, --directory <path>', 'what "bft2f init" made', DEFAULT_DIRECTORY)
    .addOption(durabilityOption())
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      `
Each replica is a process of its own; its log is in replica-<i>/log.jsonl. A replica that ends is reported, not
restarted.

Example:
  bft2f init && bft2f up`,
    )
    .action(async ({ directory, ...overrides }: Overrides & { directory: string }) => {
      const paths = clusterPaths(directory);
      const config = await readClientConfig(paths);
      const { colors, signal } = terminal;
      if (overrides.durability === 'memory') {
        terminal.err(
          colors.yellow(
            'warning: --durability memory: a loss of power loses what was acknowledged; for experiments only\n',
          ),
        );
      }
      let isStopping = false;
      let failures = 0;
      const cluster = await openLocalCluster({
        paths,
        config,
        ...overrides,
        onExit(index, code, by) {
          if (code === EXIT.ok || isStopping) {
            terminal.err(`replica ${index} has stopped\n`);
            return;
          }
          failures++;
          const how = code === undefined ? `was ended by ${by}` : `ended with exit code ${code}`;
          terminal.err(
            colors.red(`replica ${index} ${how}; its last words are in ${paths.replica(index).log}\n`),
          );
        },
      });
      try {
        await startAll(terminal, cluster, config.replicas.length);
        const extra = directory === DEFAULT_DIRECTORY ? '' : ` --directory ${directory}`;
        terminal.err(`${colors.green('up')}; look with: bft2f status${extra}; stop with Ctrl-C\n`);
        await Promise.race([cluster.ended, aborted(signal)]);
      } finally {
        isStopping = true;
        await cluster.stop();
      }
      if (failures > 0 && !signal.aborted) {
        throw new CommandError(EXIT.unexpected, `${failures} of ${config.replicas.length} replicas failed`);
      }
    });
}

/** @throws CommandError if a replica does not become ready */
async function startAll(terminal: Terminal, cluster: LocalCluster, count: number): Promise<void> {
  const indices = Array.from({ length: count }, (_, index) => index);
  for (const index of indices) cluster.start(index);
  const unready: number[] = [];
  await Promise.all(
    indices.map(async (index) => {
      if (await cluster.ready(index, READY_TIMEOUT_MS, terminal.signal)) {
        terminal.err(`replica ${index} is ready\n`);
      } else unready.push(index);
    }),
  );
  if (unready.length === 0 || terminal.signal.aborted) return;
  unready.sort((a, b) => a - b);
  const words = await cluster.lastWords(unready[0]!);
  throw new CommandError(EXIT.unexpected, `replica ${unready.join(', ')} did not become ready:\n${words}`);
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
