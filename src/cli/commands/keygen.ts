/** `bft2f keygen`: a key pair, made where it is to be used, so that nobody ever has another's secret. */

import { Command } from 'commander';
import { generateKey, writeKeyFile } from '../../node/index.ts';
import { toHex } from '../../types/bytes.ts';
import type { CommandContext } from '../program.ts';

export function keygenCommand({ terminal }: CommandContext): Command {
  return new Command('keygen')
    .description('make a key pair for a replica or a client, and print the public key')
    .argument('<file>', 'the key file to create (mode 0600; never overwritten)')
    .addHelpText(
      'after',
      `
The file holds the secret: it stays on the machine that uses it. The public key, which is printed, goes to whoever
assembles the genesis file.

Example:
  bft2f keygen replica-0/key.json`,
    )
    .action(async (file: string) => {
      const key = generateKey();
      await writeKeyFile(file, key);
      terminal.out(`${toHex(key.publicKey)}\n`);
    });
}
