/** `bft2f up`: the local cluster, in the foreground. */

import { Command } from 'commander';
import type { Overrides } from '../../node/index.ts';
import { clusterPaths, DEFAULT_DIRECTORY, directoryOption, readClientConfig } from '../cluster-directory.ts';
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

The exit code is 0 if all replicas ended because they were told to; else that of the first that failed, or 1 if a signal
ended it; 130 if the cluster was stopped before all replicas were ready.

Example:
  bft2f init && bft2f up`,
    )
    .action(async ({ directory, ...overrides }: Overrides & { directory: string }) => {
      const paths = clusterPaths(directory);
      const config = await readClientConfig(paths);
      const { colors } = terminal;
      if (overrides.durability === 'memory') {
        terminal.err(
          colors.yellow(
            'warning: --durability memory: a loss of power loses what was acknowledged; for experiments only\n',
          ),
        );
      }
      const failures: Failure[] = [];
      // Until all replicas are ready, the end of one is the end of all: it failed, or "bft2f stop" was here.
      const startBroken = new AbortController();
      const cluster = await openLocalCluster({
        paths,
        config,
        ...overrides,
        onExit(index, code, by) {
          startBroken.abort();
          if (code === EXIT.ok || by === 'SIGTERM' || by === 'SIGINT') {
            terminal.err(`replica ${index} has stopped\n`);
            return;
          }
          const how = code === undefined ? `was ended by ${by}` : `ended with exit code ${code}`;
          failures.push({ index, how, exitCode: code ?? EXIT.unexpected });
          const { log } = paths.replica(index);
          terminal.err(colors.red(`replica ${index} ${how}; its last words are in ${log}\n`));
        },
      });
      let isUp = false;
      try {
        const signal = AbortSignal.any([terminal.signal, startBroken.signal]);
        await startAll(terminal, cluster, config.replicas.length, signal);
        isUp = !signal.aborted;
        if (isUp) {
          terminal.err(
            `${colors.green('up')}; look with: bft2f status${directoryOption(directory)}; stop with Ctrl-C\n`,
          );
          await Promise.race([cluster.ended, aborted(terminal.signal)]);
        }
      } finally {
        await cluster.stop();
      }
      const [first] = failures;
      if (first !== undefined)
        throw await failed(first, failures.length, cluster, config.replicas.length, isUp);
      if (!isUp) throw new CommandError(EXIT.interrupted, 'stopped before all replicas were ready');
    });
}

interface Failure {
  readonly index: number;
  readonly how: string;
  readonly exitCode: number;
}

async function failed(
  { index, how, exitCode }: Failure,
  count: number,
  cluster: LocalCluster,
  replicas: number,
  wasUp: boolean,
): Promise<CommandError> {
  const first = count === 1 ? 'it' : 'the first';
  const words = wasUp ? '' : `:\n${await cluster.lastWords(index)}`;
  return new CommandError(
    exitCode,
    `${count} of ${replicas} replicas failed; ${first} was replica ${index}, which ${how}${words}`,
  );
}

/** Returns early once `signal` is aborted. @throws CommandError if a replica does not become ready in time */
async function startAll(
  terminal: Terminal,
  cluster: LocalCluster,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  const indices = Array.from({ length: count }, (_, index) => index);
  for (const index of indices) cluster.start(index);
  const unready: number[] = [];
  await Promise.all(
    indices.map(async (index) => {
      if (await cluster.ready(index, READY_TIMEOUT_MS, signal)) {
        terminal.err(`replica ${index} is ready\n`);
      } else unready.push(index);
    }),
  );
  if (unready.length === 0 || signal.aborted) return;
  unready.sort((a, b) => a - b);
  const words = await cluster.lastWords(unready[0]!);
  throw new CommandError(
    EXIT.unexpected,
    `not ready after ${READY_TIMEOUT_MS / 1000} s: replica ${unready.join(', ')}; last words of replica ${unready[0]}:\n${words}`,
  );
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
