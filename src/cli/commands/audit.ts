/** `bft2f audit`: checks what replicas kept, offline, from the first batch or a trusted head on. */

import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import {
  type Archive,
  type AuditReport,
  auditArchives,
  describeReport,
  openArchive,
  outcomeOf,
} from '../../auditor/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { serviceNamed } from '../../node/services.ts';
import { encodeEvidence, verifyHead } from '../../protocol/accountability/index.ts';
import type { Cluster } from '../../protocol/genesis.ts';
import type { Head } from '../../protocol/messages/entry.ts';
import type { ServiceFactory } from '../../services/service.ts';
import { nodeFiles } from '../../storage/node-files.ts';
import { isStorageError } from '../../storage/storage-error.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import type { CommandContext } from '../program.ts';
import { startProgress } from '../progress.ts';
import {
  accepted,
  contextFor,
  type ProofOptions,
  proofJson,
  readProof,
  withProofOptions,
} from '../proof-files.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ProofOptions {
  readonly head?: readonly string[];
  readonly from?: string;
  /** False if --no-execute is given. */
  readonly execute: boolean;
  readonly out?: string;
}

const EXIT_OF = {
  clean: EXIT.ok,
  damaged: EXIT.damaged,
  misbehaved: EXIT.misbehaved,
  forked: EXIT.forked,
} as const;

export function auditCommand(context: CommandContext): Command {
  return withProofOptions(new Command('audit'))
    .description('check the archives of replicas: every signature, certificate, hash and result')
    .argument('<data...>', 'data directories of replicas, running or not, or copies of them')
    .option('--head <file...>', 'heads that the archives must contain')
    .option('--from <file>', 'a head to begin at: what lies up to it is trusted')
    .option('--no-execute', 'check signatures and hashes, and no results')
    .option('--out <prefix>', 'where to write evidence: <prefix>1.evidence …', 'audit-')
    .addHelpText(
      'after',
      `
A replica with "archive": true in its file keeps everything from its first batch on; "bft2f init --archive" makes such
replicas. Of others, what their logs still hold is checked. Two archives are held against each other as well.

The exit code is 0 if everything holds, 15 if something is damaged, missing or does not hold, 16 if replicas are
proved to have lied, and 13 if histories have forked.

Examples:
  bft2f audit .bft2f/replica-0/data
  bft2f audit .bft2f/replica-0/data .bft2f/replica-1/data --head monday.head
  bft2f audit .bft2f/replica-0/data --from monday.head`,
    )
    .action((directories: string[], options: Options) => audit(context, directories, options));
}

async function audit(
  context: CommandContext,
  directories: readonly string[],
  options: Options,
): Promise<void> {
  const { terminal } = context;
  const judge = await contextFor(options);
  const { cluster, crypto } = judge;
  const { genesis } = cluster;
  const service = options.execute ? serviceOf(genesis.service, crypto.hash) : undefined;
  const heads: Head[] = [];
  for (const file of options.head ?? []) {
    heads.push(accepted(file, verifyHead(judge, await readProof(file))));
  }
  const from =
    options.from === undefined
      ? undefined
      : accepted(options.from, verifyHead(judge, await readProof(options.from)));
  const archives: Archive[] = [];
  for (const directory of directories) {
    archives.push(await readable(terminal, () => openArchive(nodeFiles, directory, cluster)));
  }
  const total = archives.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = startProgress(terminal, 'auditing, KiB', Math.ceil(total / 1024));
  let report: AuditReport;
  try {
    const { signal } = terminal;
    const onProgress = (bytes: number): void => progress.advance(Math.round(bytes / 1024));
    report = await readable(terminal, () =>
      auditArchives({ genesis, crypto, archives, service, heads, from, onProgress, signal }),
    );
  } finally {
    progress.end();
  }
  const outcome = outcomeOf(report);
  const files = await writeEvidence(cluster, report, options.out!);
  if (options.json) terminal.out(proofJson({ outcome, ...report, evidenceFiles: files }));
  else {
    const written = files.map((file) => `evidence written to ${file}`);
    terminal.out(`${[...describeReport(cluster, report), ...written].join('\n')}\n`);
  }
  context.exitCode = EXIT_OF[outcome];
}

function serviceOf(name: string, hash: Crypto['hash']): ServiceFactory {
  try {
    return serviceNamed(name, hash);
  } catch {
    throw new CommandError(
      EXIT.usage,
      `the genesis names the service "${name}", which only a program of its own can execute (auditArchives takes it as "service"); audit signatures and hashes with --no-execute`,
    );
  }
}

async function writeEvidence(
  cluster: Cluster,
  { evidence }: AuditReport,
  prefix: string,
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const [i, { evidence: piece }] of evidence.entries()) {
    const file = `${prefix}${i + 1}.evidence`;
    try {
      await writeFile(file, encodeEvidence(cluster, piece));
    } catch (error) {
      throw new CommandError(
        EXIT.storage,
        `cannot write the evidence to ${file}: ${(error as Error).message}`,
      );
    }
    files.push(file);
  }
  return files;
}

/** What an archive's files can make go wrong is told as a matter of the disk. */
async function readable<T>({ signal }: Terminal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw new CommandError(EXIT.interrupted, 'interrupted before the end');
    const codes = ['IO', 'NOT_FOUND', 'NOT_FORMATTED', 'CORRUPT'] as const;
    if (codes.some((code) => isStorageError(error, code))) {
      throw new CommandError(EXIT.storage, (error as Error).message);
    }
    throw error;
  }
}
