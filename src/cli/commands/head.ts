/** `bft2f head …`: what a cluster has executed, as a text that can be kept and compared with what others were shown. */

import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ClientError, connect } from '../../client/index.ts';
import { readGenesisFile, readKeyFile } from '../../node/index.ts';
import {
  compareHeads,
  type Evidence,
  encodeEvidence,
  explainEvidence,
  formatHead,
  judgeEvidence,
  verifyHead,
} from '../../protocol/accountability/index.ts';
import type { Context } from '../../protocol/context.ts';
import type { Head } from '../../protocol/messages/entry.ts';
import { clusterPaths, readClientConfig } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { withClient } from '../open-client.ts';
import type { CommandContext } from '../program.ts';
import {
  accepted,
  contextFor,
  type ProofOptions,
  proofJson,
  readProof,
  withProofOptions,
} from '../proof-files.ts';

export function headCommand(context: CommandContext): Command {
  return new Command('head')
    .description('get the signed head of the history, and compare it with others')
    .addCommand(getCommand(context))
    .addCommand(verifyCommand(context))
    .addCommand(compareCommand(context))
    .addHelpText(
      'after',
      `
A head is a C2SP checkpoint: keep it, publish it, and compare it with what others were shown.

Examples:
  bft2f head get > monday.head
  bft2f head compare monday.head theirs.head --out fork.evidence`,
    );
}

function getCommand(context: CommandContext): Command {
  const { terminal } = context;
  return withProofOptions(new Command('get'))
    .description('print the newest head on which a quorum of replicas agree')
    .action(async (options: ProofOptions) => {
      const head = await withClient(terminal, options.directory, {}, (client) =>
        client.head({ signal: terminal.signal }),
      );
      const text = formatHead(await contextFor(options), head);
      terminal.out(options.json ? proofJson({ head, text }) : text);
    });
}

function verifyCommand({ terminal }: CommandContext): Command {
  return withProofOptions(new Command('verify'))
    .description('check every signature; the exit code is 10 if it does not hold')
    .argument('<file>')
    .action(async (file: string, options: ProofOptions) => {
      const head = accepted(file, verifyHead(await contextFor(options), await readProof(file)));
      if (options.json) return terminal.out(proofJson({ holds: true, head }));
      const signers = head.votes.map(({ replica }) => replica).join(', ');
      terminal.out(
        `It holds: replicas ${signers} have signed what they executed up to batch ${head.sequenceNumber}.\n`,
      );
    });
}

function compareCommand(context: CommandContext): Command {
  const { terminal } = context;
  return withProofOptions(new Command('compare'))
    .description(
      'tell whether one history begins with the other; heads of different length need the replicas’ proof',
    )
    .argument('<a>')
    .argument('<b>')
    .option('--out <file>', 'write the evidence of a fork to a file')
    .addHelpText('after', '\nThe exit code is 13 on proof of a fork, and 11 if nobody gave a proof.')
    .action(async (a: string, b: string, options: ProofOptions & { out?: string }) => {
      const judge = await contextFor(options);
      const [first, second] = [
        accepted(a, verifyHead(judge, await readProof(a))),
        accepted(b, verifyHead(judge, await readProof(b))),
      ];
      const compared = compareHeads(judge, first, second);
      const evidence =
        compared.type === 'NEEDS-PROOF'
          ? await askReplicas(context, options, first, second)
          : compared.type === 'FORK'
            ? compared.evidence
            : undefined;
      if (evidence !== undefined) return reportFork(context, judge, evidence, options);
      const [from, to] = [first.sequenceNumber, second.sequenceNumber].sort((x, y) => x - y);
      const result = from === to ? 'CONSISTENT' : 'EXTENDS';
      if (options.json) return terminal.out(proofJson({ result, from, to }));
      terminal.out(
        from === to
          ? `${result}: both are of batch ${from}\n`
          : `${result}: the history of ${to} batches begins with that of ${from}\n`,
      );
    });
}

async function reportFork(
  { terminal }: CommandContext,
  judge: Context,
  evidence: Evidence,
  { out, json }: ProofOptions & { out?: string },
): Promise<void> {
  const verdict = judgeEvidence(judge, evidence);
  if (out !== undefined) await writeFile(out, encodeEvidence(judge.cluster, evidence));
  const sentences = verdict === undefined ? [] : explainEvidence(judge.cluster, { evidence, verdict });
  terminal.out(
    json ? proofJson({ result: 'FORK', ...verdict, sentences, evidence }) : `FORK\n${sentences.join('\n')}\n`,
  );
  throw new CommandError(EXIT.forked, 'no history holds both heads');
}

/** A client without a past takes one head and is shown the other: the replicas must prove how they stand. Evidence if they fork. */
async function askReplicas(
  { terminal }: CommandContext,
  { directory }: ProofOptions,
  first: Head,
  second: Head,
): Promise<Evidence | undefined> {
  const config = await readClientConfig(clusterPaths(directory));
  let found: Evidence | undefined;
  const client = await connect({
    genesis: await readGenesisFile(config.genesis),
    replicas: config.replicas,
    key: (await readKeyFile(config.key)).seed,
    onEvent: (event) => {
      if (event.type === 'evidence' && event.forked) found = event.evidence;
    },
  });
  try {
    for (const head of [first, second]) await client.observe(head, { signal: terminal.signal });
    return undefined;
  } catch (error) {
    if (error instanceof ClientError && error.code === 'FORKED' && found !== undefined) return found;
    throw error;
  } finally {
    await client.close();
  }
}
