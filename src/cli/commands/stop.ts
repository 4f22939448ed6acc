/** `bft2f stop`: ends the replicas that `bft2f up` started in a directory, from another terminal. */

import { Command } from 'commander';
import { clusterPaths, DEFAULT_DIRECTORY, readClientConfig } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { type RunningReplica, runningReplicas } from '../local-cluster.ts';
import { isReplicaProcess, sendSignal, waitUntil } from '../processes.ts';
import type { CommandContext } from '../program.ts';
import type { Terminal } from '../terminal.ts';

const TIMEOUT_MS = 15_000;

export function stopCommand({ terminal }: CommandContext): Command {
  return new Command('stop')
    .description('stop the replicas of a local cluster gracefully')
    .option('-d, --directory <path>', 'what "bft2f init" made', DEFAULT_DIRECTORY)
    .addHelpText(
      'after',
      `
A process is signalled only if it is this cluster's replica: process numbers are given anew after a crash.

Example:
  bft2f stop`,
    )
    .action(async ({ directory }: { directory: string }) => {
      const paths = clusterPaths(directory);
      const { replicas } = await readClientConfig(paths);
      let count = 0;
      // Again until none is left: "bft2f up" may be starting more of them meanwhile.
      let running = await runningReplicas(paths, replicas.length);
      while (running.length > 0) {
        await Promise.all(running.map((replica) => stopReplica(terminal, replica)));
        count += running.length;
        running = await runningReplicas(paths, replicas.length);
      }
      if (count === 0) terminal.err(`no replica of ${paths.directory} is running\n`);
    });
}

/** @throws CommandError if it does not end in time */
async function stopReplica(terminal: Terminal, { index, pid, own }: RunningReplica): Promise<void> {
  sendSignal(pid, 'SIGTERM');
  if (await waitUntil(async () => !(await isReplicaProcess(pid, own.config)), TIMEOUT_MS, terminal.signal)) {
    terminal.err(`replica ${index} has stopped\n`);
    return;
  }
  if (terminal.signal.aborted)
    throw new CommandError(EXIT.interrupted, `process ${pid} may still be running`);
  throw new CommandError(
    EXIT.unexpected,
    `replica ${index} (process ${pid}) still runs after ${TIMEOUT_MS / 1000} s; see ${own.log}`,
  );
}
