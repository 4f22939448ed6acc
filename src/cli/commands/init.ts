/** `bft2f init`: keys, genesis, replica files and data directories of a local cluster, in one step. */

import { Command } from 'commander';
import { thresholds } from '../../protocol/quorum.ts';
import { DEFAULT_DIRECTORY, directoryOption, integerArgument } from '../cluster-directory.ts';
import { makeNewCluster } from '../new-cluster.ts';
import type { CommandContext } from '../program.ts';

interface Options {
  readonly directory: string;
  readonly name: string;
  readonly replicas: number;
  readonly quorum?: number;
  readonly host: string;
  readonly basePort: number;
  readonly archive?: true;
}

export function initCommand({ terminal }: CommandContext): Command {
  return new Command('init')
    .description('make keys, genesis, replica files and data directories for a cluster on this machine')
    .option('-d, --directory <path>', 'where to; must be new or empty', DEFAULT_DIRECTORY)
    .option('--replicas <n>', 'how many: 1, 4, 7 … 31', integerArgument(1, 31), 4)
    .option('--quorum <q>', 'replicas that must agree, 2f+1 … n (default: 2f+1)', integerArgument(1, 31))
    .option(
      '--base-port <port>',
      'the first of 2n ports in a row; 0: any free ones',
      integerArgument(0, 65_535),
      0,
    )
    .option('--host <host>', 'the address to listen on', '127.0.0.1')
    .option('--archive', 'replicas keep their logs for ever, for "bft2f audit"')
    .option('--name <name>', 'a name for people; part of the identity', 'local')
    .addHelpText(
      'after',
      `
For replicas on several machines, each operator runs "bft2f keygen" instead, one assembles the public keys with
"bft2f genesis", and each writes one replica file like those that init makes, then runs "bft2f format".

Examples:
  bft2f init
  bft2f init --replicas 7 --quorum 6 --base-port 7000 --directory seven`,
    )
    .action(async (options: Options) => {
      const { paths, genesis } = await makeNewCluster({ ...options, quorum: options.quorum });
      const { replicaCount, quorumSize, maxFaulty } = thresholds(genesis.replicas.length, genesis.quorumSize);
      terminal.err(
        `created ${paths.directory}: ${replicaCount} ${replicaCount === 1 ? 'replica' : 'replicas'}, f = ${maxFaulty}, quorum ${quorumSize}\nrun it with: bft2f up${directoryOption(options.directory)}\n`,
      );
    });
}
