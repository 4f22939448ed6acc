/** `bft2f evidence …`: who is proved guilty by a file, and why. */

import { join } from 'node:path';
import { Command } from 'commander';
import { explainEvidence, verifyEvidence } from '../../protocol/accountability/index.ts';
import { clusterPaths } from '../cluster-directory.ts';
import type { CommandContext } from '../program.ts';
import {
  accepted,
  contextFor,
  type ProofOptions,
  proofJson,
  proofsIn,
  readProof,
  withProofOptions,
} from '../proof-files.ts';

export function evidenceCommand(context: CommandContext): Command {
  return new Command('evidence')
    .description('check proofs that replicas have lied, and what they prove')
    .addCommand(verifyCommand(context))
    .addCommand(listCommand(context))
    .addHelpText(
      'after',
      `
Replicas write what they find into evidence/ of their data directory, clients into their state directory. Anyone who
has the genesis file can verify it. It never names a correct replica.

Examples:
  bft2f evidence list
  bft2f evidence verify .bft2f/replica-0/data/evidence/commits-0123456789abcdef`,
    );
}

function verifyCommand({ terminal }: CommandContext): Command {
  return withProofOptions(new Command('verify'))
    .description('name the guilty, and say why; the exit code is 10 if the file proves nothing')
    .argument('<file>')
    .action(async (file: string, options: ProofOptions) => {
      const context = await contextFor(options);
      const proved = accepted(file, verifyEvidence(context, await readProof(file)));
      const sentences = explainEvidence(context.cluster, proved);
      const { evidence, verdict } = proved;
      if (options.json) terminal.out(proofJson({ type: evidence.type, ...verdict, sentences, evidence }));
      else terminal.out(`${sentences.join('\n')}\n`);
    });
}

function listCommand({ terminal }: CommandContext): Command {
  return withProofOptions(new Command('list'))
    .description('verify every piece in a directory, or in those of all local replicas and the client')
    .argument('[path]', 'a directory with evidence, or a file')
    .action(async (path: string | undefined, options: ProofOptions) => {
      const context = await contextFor(options);
      const files = path === undefined ? await localEvidence(options, context) : await proofsIn(path);
      const pieces = [];
      for (const file of files) {
        const verified = verifyEvidence(context, await readProof(file));
        pieces.push(
          verified.ok
            ? { file, type: verified.value.evidence.type, ...verified.value.verdict }
            : { file, refused: verified.error.text },
        );
      }
      if (options.json) return terminal.out(proofJson(pieces));
      if (pieces.length === 0) terminal.out('no evidence\n');
      for (const piece of pieces) {
        const says =
          piece.refused ??
          `${piece.type}: ${piece.guilty.length === 0 ? 'names nobody' : `guilty ${piece.guilty.join(', ')}`}${piece.forked ? '; a fork' : ''}`;
        terminal.out(`${piece.file}\n  ${says}\n`);
      }
    });
}

/** Where the replicas of this directory and its client keep what they found; places that are not there hold none. */
async function localEvidence(
  { directory }: ProofOptions,
  { cluster }: Awaited<ReturnType<typeof contextFor>>,
): Promise<readonly string[]> {
  const paths = clusterPaths(directory);
  const places = cluster.genesis.replicas.map((_, index) => join(paths.replica(index).data, 'evidence'));
  const files = await Promise.all(
    [...places, join(paths.clientState, 'evidence')].map((place) => proofsIn(place).catch(() => [])),
  );
  return files.flat();
}
