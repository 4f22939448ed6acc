/** `bft2f status`: what each replica says of itself, and which promise holds now. */

import { Command } from 'commander';
import { sodiumCrypto } from '../../crypto/sodium-native.ts';
import { readGenesisFile } from '../../node/index.ts';
import { makeCluster } from '../../protocol/genesis.ts';
import { toHex } from '../../types/bytes.ts';
import { clusterPaths, DEFAULT_DIRECTORY, readClientConfig } from '../cluster-directory.ts';
import { EXIT } from '../exit-codes.ts';
import type { CommandContext } from '../program.ts';
import { type Assessment, assess, type Promised } from '../promises.ts';
import { fetchReports, type ReplicaReport } from '../replica-status.ts';
import { table } from '../table.ts';
import type { Colors } from '../terminal.ts';

export function statusCommand(context: CommandContext): Command {
  const { terminal } = context;
  return new Command('status')
    .description('show what each replica says of itself, and which promise holds now')
    .option('-d, --directory <path>', 'the directory with client.json', DEFAULT_DIRECTORY)
    .option('--json', 'the same for programs')
    .addHelpText(
      'after',
      `
Columns: view and primary (*), batches executed, newest stable checkpoint, the beginning of the hash chain digest at
"executed" (equal at replicas that have executed as much), how many batches it is behind, whom it suspects.

The exit code is 0 only while the cluster is linearizable and live; 13 if replicas contradict each other, else 14.

Examples:
  bft2f status
  bft2f status --json | jq .promised`,
    )
    .action(async ({ directory, json }: { directory: string; json?: true }) => {
      const config = await readClientConfig(clusterPaths(directory));
      const genesis = await readGenesisFile(config.genesis);
      const cluster = makeCluster(genesis, sodiumCrypto);
      const clusterId = toHex(cluster.id);
      const reports = await fetchReports(config);
      const assessment = assess(reports, clusterId, cluster.thresholds);
      context.exitCode = exitCodeFor(assessment);
      if (json) {
        terminal.out(
          `${JSON.stringify({ clusterId, name: genesis.name, ...assessment, replicas: reports }, undefined, 2)}\n`,
        );
        return;
      }
      terminal.out(`cluster "${genesis.name}" ${clusterId.slice(0, 16)}…, service ${genesis.service}\n\n`);
      terminal.out(statusTable(reports, assessment, terminal.colors));
      terminal.out(`\n${colorOf(assessment, terminal.colors)(assessment.words)}\n`);
    });
}

function exitCodeFor({ promised, forks }: Assessment): number {
  if (forks.length > 0) return EXIT.forked;
  return promised === 'all' ? EXIT.ok : EXIT.degraded;
}

function statusTable(reports: readonly ReplicaReport[], { doubts }: Assessment, colors: Colors): string {
  const furthest = Math.max(0, ...reports.map((it) => (it.answers ? it.status.executed : 0)));
  const rows = reports.map((report) => {
    const doubt = doubts.find(({ index }) => index === report.index)?.why;
    const note = doubt === undefined ? '' : colors.red(doubt);
    if (!report.answers) return [String(report.index), '-', '-', '-', '-', '-', '-', note];
    const { status } = report;
    const primary = status.primary === report.index ? '*' : '';
    return [
      `${report.index}${primary}`,
      `${status.view}${status.phase === 'changing' ? ' (changing)' : ''}`,
      String(status.executed),
      String(status.stable),
      status.hashChainDigest.slice(0, 12),
      String(furthest - status.executed),
      status.suspectedView >= status.view ? `view ${status.suspectedView}` : 'none',
      note,
    ];
  });
  return table(
    ['replica', 'view', 'executed', 'stable', 'chain digest', 'lag', 'suspects', ''],
    rows,
    colors,
  );
}

const COLORS: Readonly<Record<Promised, keyof Pick<Colors, 'green' | 'yellow' | 'red'>>> = {
  all: 'green',
  linearizable: 'yellow',
  'fork*': 'yellow',
  nothing: 'red',
  unknown: 'yellow',
};

function colorOf({ promised, forks }: Assessment, colors: Colors): (text: string) => string {
  return colors[forks.length > 0 ? 'red' : COLORS[promised]];
}
