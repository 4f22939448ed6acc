/** `bft2f evidence …`: who is proved guilty by a file, and why. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import {
  type Evidence,
  explainEvidence,
  type Verdict,
  verifyEvidence,
} from '../../protocol/accountability/index.ts';
import type { Context } from '../../protocol/context.ts';
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
      const paths = path === undefined ? localPlaces(options, context) : [path];
      const places: Place[] = [];
      for (const each of paths) places.push(await lookAt(each, path === undefined));
      const pieces: Piece[] = [];
      for (const file of places.flatMap(({ files }) => files ?? [])) {
        pieces.push(judge(context, file, await readProof(file)));
      }
      const named = new Set(pieces.flatMap((piece) => ('guilty' in piece ? piece.guilty : [])));
      const guilty = [...named].sort((a, b) => a - b);
      const isFork = pieces.some((piece) => 'forked' in piece && piece.forked);
      const forked = isFork || guilty.length > context.cluster.thresholds.linearizableWhile;
      const covers = places.map((place) => ({ path: place.path, files: place.files?.length ?? null }));
      if (options.json) return terminal.out(proofJson({ guilty, forked, covers, pieces }));
      for (const piece of pieces) terminal.out(`${piece.file}\n  ${sentence(piece)}\n`);
      terminal.out(`${conclusion(pieces.length, guilty, forked)}\n`);
      for (const { path: place, files } of covers) {
        terminal.out(`  ${place}: ${files === null ? 'not there' : `${files} files`}\n`);
      }
    });
}

/** A directory that was looked into; without `files` it is not there. */
interface Place {
  readonly path: string;
  readonly files: readonly string[] | undefined;
}

type Piece = { readonly file: string } & (
  | { readonly refused: string }
  | ({ readonly type: Evidence['type'] } & Verdict)
);

function judge(context: Context, file: string, bytes: Uint8Array): Piece {
  const verified = verifyEvidence(context, bytes);
  return verified.ok
    ? { file, type: verified.value.evidence.type, ...verified.value.verdict }
    : { file, refused: verified.error.text };
}

function sentence(piece: Piece): string {
  if ('refused' in piece) return piece.refused;
  const names = piece.guilty.length === 0 ? 'names nobody' : `guilty ${piece.guilty.join(', ')}`;
  return `${piece.type}: ${names}${piece.forked ? '; a fork' : ''}`;
}

function conclusion(files: number, guilty: readonly number[], forked: boolean): string {
  if (files === 0) return 'no evidence';
  const names = guilty.length === 0 ? 'Nobody is named' : `Named in all: ${guilty.join(', ')}`;
  return forked ? `${names}. More replicas are faulty than this cluster tolerates.` : `${names}.`;
}

/** Where the replicas of this directory and its client keep what they found. */
function localPlaces({ directory }: ProofOptions, { cluster }: Context): readonly string[] {
  const paths = clusterPaths(directory);
  const places = cluster.genesis.replicas.map((_, index) => join(paths.replica(index).data, 'evidence'));
  return [...places, join(paths.clientState, 'evidence')];
}

/** What is there. Who has found nothing has no directory; another reason why it cannot be read is an error. @throws CommandError */
async function lookAt(path: string, mayBeAbsent: boolean): Promise<Place> {
  if (mayBeAbsent && !existsSync(path)) return { path, files: undefined };
  return { path, files: await proofsIn(path) };
}
