/** `bft2f stop`: ends the replicas that `bft2f up` started in a directory, from another terminal. */

import { Command } from 'commander';
import { clusterPaths, DEFAULT_DIRECTORY, readClientConfig, readPid } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { isReplicaProcess, sendSignal, waitUntil } from '../processes.ts';
import type { CommandContext } from '../program.ts';

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
      const stopped = await Promise.all(
        replicas.map(async (_, index) => {
          const own = paths.replica(index);
          const pid = await readPid(own.pid);
          if (pid === undefined || !(await isReplicaProcess(pid, own.config))) return 'not running';
          sendSignal(pid, 'SIGTERM');
          const isGone = await waitUntil(async () => !(await isReplicaProcess(pid, own.config)), TIMEOUT_MS);
          if (!isGone) return `process ${pid} still runs after ${TIMEOUT_MS / 1000} s; see ${own.log}`;
          terminal.err(`replica ${index} has stopped\n`);
          return 'stopped';
        }),
      );
      const stuck = stopped.filter((it) => it !== 'stopped' && it !== 'not running');
      if (stuck.length > 0) throw new CommandError(EXIT.unexpected, stuck.join('; '));
      if (!stopped.includes('stopped')) terminal.err(`no replica of ${paths.directory} is running\n`);
    });
}
