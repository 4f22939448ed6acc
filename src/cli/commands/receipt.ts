/** `bft2f receipt …`: what a receipt says, and whether it holds. */

import { Command } from 'commander';
import { type Receipt, readReceipt, verifyReceipt } from '../../protocol/accountability/index.ts';
import { toHex } from '../../types/bytes.ts';
import type { CommandContext } from '../program.ts';
import {
  accepted,
  contextFor,
  type ProofOptions,
  proofJson,
  readProof,
  withProofOptions,
} from '../proof-files.ts';

export function receiptCommand(context: CommandContext): Command {
  return new Command('receipt')
    .description('check what a cluster did with an operation, long after and without asking it')
    .addCommand(verifyCommand(context))
    .addCommand(showCommand(context))
    .addHelpText(
      'after',
      `
A receipt is written by "bft2f kv put --receipt" and its like. It needs nothing but the genesis file to be verified.

Examples:
  bft2f kv put greeting hello --receipt hello.receipt
  bft2f receipt verify hello.receipt --genesis genesis.json`,
    );
}

function verifyCommand({ terminal }: CommandContext): Command {
  return withProofOptions(new Command('verify'))
    .description('check every signature and hash; the exit code is 10 if it does not hold')
    .argument('<file>')
    .action(async (file: string, options: ProofOptions) => {
      const context = await contextFor(options);
      const receipt = accepted(file, verifyReceipt(context, await readProof(file)));
      if (options.json) return terminal.out(proofJson({ holds: true, receipt }));
      terminal.out(`${linesOf(receipt).join('\n')}\n`);
      const signers = receipt.head.votes.map(({ replica }) => replica).join(', ');
      terminal.out(
        `It holds: the client has signed the request, replicas ${signers} have signed the result.\n`,
      );
    });
}

function showCommand({ terminal }: CommandContext): Command {
  return withProofOptions(new Command('show'))
    .description('print what it says, without checking signatures')
    .argument('<file>')
    .action(async (file: string, options: ProofOptions) => {
      const { cluster } = await contextFor(options);
      const receipt = accepted(file, readReceipt(cluster, await readProof(file)));
      terminal.out(
        options.json ? proofJson({ receipt }) : `${linesOf(receipt).join('\n')}\n(not verified)\n`,
      );
    });
}

function linesOf({ operation, request, status, results, index, size, head }: Receipt): readonly string[] {
  const what =
    request.type === 'open'
      ? 'the opening of a session'
      : `operation ${operation + 1} of ${request.operations.length}: ${bytesText(request.operations[operation]!)}`;
  const result = results[operation];
  return [
    `client     ${toHex(request.client)}`,
    `request    ${request.type === 'open' ? 'OPEN' : `number ${request.timestamp} of session ${request.session.sequenceNumber}.${request.session.index}`}`,
    `what       ${what}`,
    `executed   in batch ${head.sequenceNumber}, answer ${index + 1} of ${size}, status ${status}`,
    `result     ${result === undefined ? 'none' : bytesText(result)}`,
    `history    ${toHex(head.hashChainDigest)}`,
    `log root   ${toHex(head.logRoot)}`,
  ];
}

const SHOWN_BYTES_MAX = 128;

/** Hexadecimal, and as text what can be read as text. */
function bytesText(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, SHOWN_BYTES_MAX);
  const more = bytes.length > shown.length ? `… (${bytes.length} bytes)` : '';
  const text = Array.from(shown, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  return bytes.length === 0 ? '(empty)' : `${toHex(shown)}${more}  ${text.join('')}`;
}
