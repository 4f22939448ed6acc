/** `bft2f genesis`: the genesis file, assembled from public keys alone. */

import { Command, InvalidArgumentError } from 'commander';
import { sodiumCrypto } from '../../crypto/sodium-native.ts';
import { createGenesis, writeGenesisFile } from '../../node/index.ts';
import { makeCluster } from '../../protocol/genesis.ts';
import { fromHex, toHex } from '../../types/bytes.ts';
import { PUBLIC_KEY_BYTES, type PublicKey } from '../../types/identities.ts';
import { integerArgument } from '../cluster-directory.ts';
import type { CommandContext } from '../program.ts';

interface Options {
  readonly out: string;
  readonly name: string;
  readonly service: string;
  readonly quorum?: number;
  readonly listed?: readonly PublicKey[];
}

export function genesisCommand({ terminal }: CommandContext): Command {
  return new Command('genesis')
    .description('assemble a genesis file from the public keys of the replicas, and print the cluster id')
    .argument(
      '<publicKey...>',
      'public keys in hexadecimal, in the order of the replicas; 3f+1 of them',
      publicKeys,
    )
    .option('--out <file>', 'the file to create (never overwritten)', 'genesis.json')
    .option('--name <name>', 'a name for people; part of the identity', 'bft2f')
    .option('--service <service>', 'the replicated service and its version', 'kv/1')
    .option('--quorum <q>', 'replicas that must agree, 2f+1 … n (default: 2f+1)', integerArgument(1, 31))
    .option('--listed <publicKey...>', 'admit only these client keys (default: any)', publicKeys)
    .addHelpText(
      'after',
      `
Every replica and every client gets the same file: its hash is the cluster's identity, and is printed so that all
can compare it.

Example:
  bft2f genesis --name payments $(cat replica-*.pub)`,
    )
    .action(async (replicas: readonly PublicKey[], options: Options) => {
      const { out, name, service, quorum, listed } = options;
      const genesis = createGenesis({
        name,
        service,
        replicas,
        ...(quorum === undefined ? {} : { quorumSize: quorum }),
        ...(listed === undefined ? {} : { admission: 'listed' as const, listed }),
      });
      await writeGenesisFile(out, genesis);
      terminal.out(`${toHex(makeCluster(genesis, sodiumCrypto).id)}\n`);
    });
}

function publicKeys(text: string, earlier: readonly PublicKey[] | undefined): readonly PublicKey[] {
  const key = fromHex(text);
  if (key?.length !== PUBLIC_KEY_BYTES) {
    throw new InvalidArgumentError(
      `expected a public key, ${2 * PUBLIC_KEY_BYTES} hexadecimal digits, as "bft2f keygen" prints it.`,
    );
  }
  return [...(earlier ?? []), key];
}
