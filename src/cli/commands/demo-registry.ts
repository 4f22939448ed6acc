/**
 * `bft2f demo registry`, the main job of `npm start`: a package-lock.json becomes a tamper-evident registry. Four replicas are started, every package
 * is put through a client, the primary is killed half way and comes back, and at the end all replicas are held against each other.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type Answer, type Client, kv } from '../../client/index.ts';
import { type ClientConfig, clusterPaths, directoryOption, readClientConfig } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { type LocalCluster, openLocalCluster } from '../local-cluster.ts';
import { makeNewCluster } from '../new-cluster.ts';
import { openClient } from '../open-client.ts';
import { waitUntil } from '../processes.ts';
import type { CommandContext } from '../program.ts';
import { forEachLimited, startProgress } from '../progress.ts';
import { fetchReports } from '../replica-status.ts';
import { table } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { aborted } from './up.ts';

interface Options {
  readonly lock: string;
  readonly directory?: string;
  readonly exit?: true;
}

const REPLICAS = 4;
/** Enough to fill batches, little enough that the death of the primary falls in the middle of the load. */
const IN_FLIGHT = 24;
const SESSIONS = 8;
const READY_TIMEOUT_MS = 30_000;
const CATCH_UP_TIMEOUT_MS = 30_000;

export function registryCommand({ terminal }: CommandContext): Command {
  return new Command('registry')
    .description(
      'load a package-lock.json into a fresh cluster while its primary is killed, and show what happened',
    )
    .option('--lock <file>', 'the package-lock.json to load', 'package-lock.json')
    .option(
      '--directory <path>',
      'keep the cluster here (default: a temporary directory, removed at the end)',
    )
    .option('--exit', 'end at once instead of staying up until Ctrl-C')
    .addHelpText('after', `\nExample:\n  bft2f demo registry --lock package-lock.json --exit`)
    .action(async ({ lock, directory, exit }: Options) => {
      const packages = await readPackages(lock);
      const root = directory ?? (await mkdtemp(join(tmpdir(), 'bft2f-')));
      try {
        await makeNewCluster({
          directory: root,
          name: 'registry',
          replicas: REPLICAS,
          quorum: undefined,
          host: '127.0.0.1',
          basePort: 0,
        });
        await runDemo(terminal, root, packages, exit === true);
      } finally {
        if (directory === undefined) await rm(root, { recursive: true, force: true });
      }
    });
}

async function runDemo(
  terminal: Terminal,
  directory: string,
  packages: readonly Package[],
  exit: boolean,
): Promise<void> {
  const { colors, signal } = terminal;
  const paths = clusterPaths(directory);
  const config = await readClientConfig(paths);
  let isUp = false;
  const cluster = await openLocalCluster({
    paths,
    config,
    onExit(index, code, by) {
      const how = code === undefined ? `was ended by ${by}` : `ended with exit code ${code}`;
      if (isUp) terminal.err(colors.yellow(`replica ${index} ${how}\n`));
    },
  });
  try {
    terminal.err(`starting ${REPLICAS} replicas in ${paths.directory}\n`);
    for (let index = 0; index < REPLICAS; index++) cluster.start(index);
    for (let index = 0; index < REPLICAS; index++) {
      if (!(await cluster.ready(index, READY_TIMEOUT_MS, signal))) {
        const words = await cluster.lastWords(index);
        throw new CommandError(EXIT.unexpected, `replica ${index} did not become ready:\n${words}`);
      }
    }
    const client = await openClient(
      config,
      { sessions: SESSIONS, durable: false, deadlineMs: 60_000 },
      terminal,
    );
    let loaded: Loaded;
    try {
      loaded = await load(terminal, cluster, config, client, packages);
      await verify(client, packages);
    } finally {
      await client.close();
    }
    const equal = await untilEqual(terminal, config);
    report(terminal, packages, loaded, equal);
    if (exit) return;
    terminal.out(furtherLooks(directory, packages));
    terminal.err(`${colors.green('up')} until Ctrl-C\n`);
    isUp = true;
    await Promise.race([cluster.ended, aborted(signal)]);
    isUp = false;
  } catch (error) {
    throw signal.aborted ? new CommandError(EXIT.interrupted, 'interrupted') : error;
  } finally {
    await cluster.stop();
  }
}

interface Package {
  /** `name@version`. */
  readonly key: string;
  /** A subresource integrity string, such as `sha512-…`. */
  readonly integrity: string;
}

/** @throws CommandError */
async function readPackages(path: string): Promise<readonly Package[]> {
  let value: { packages?: Record<string, { version?: unknown; integrity?: unknown }> };
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      EXIT.usage,
      `cannot load ${path}: ${reason}; name a package-lock.json with --lock`,
    );
  }
  const found = new Map<string, string>();
  for (const [place, { version, integrity }] of Object.entries(value.packages ?? {})) {
    const name = place.split('node_modules/').at(-1);
    if (!name || typeof version !== 'string' || typeof integrity !== 'string') continue;
    found.set(`${name}@${version}`, integrity);
  }
  if (found.size < 2) {
    throw new CommandError(
      EXIT.usage,
      `${path} names ${found.size} packages with an integrity hash, and half way needs two; is it a package-lock.json?`,
    );
  }
  return [...found].map(([key, integrity]) => ({ key, integrity }));
}

interface Loaded {
  readonly seconds: number;
  /** Operations by the view in which their batch was executed. */
  readonly byView: ReadonlyMap<number, number>;
  readonly killed: number;
}

/** Puts all packages; half way through it kills the primary, and starts it again once the others have gone on without it. */
async function load(
  terminal: Terminal,
  cluster: LocalCluster,
  config: ClientConfig,
  client: Client,
  packages: readonly Package[],
): Promise<Loaded> {
  const { colors, signal } = terminal;
  const answers: Answer[] = [];
  const store = kv({ submit: watched(client, answers), read: client.read });
  const progress = startProgress(terminal, 'loading', packages.length);
  const say = (text: string): void => {
    progress.end();
    terminal.err(`${text}\n`);
  };
  let killed: number | undefined;
  let crash: Promise<void> | undefined;

  async function crashPrimary(): Promise<void> {
    const views = (await fetchReports(config)).flatMap((it) => (it.answers ? [it.status.view] : []));
    const view = Math.max(0, ...views);
    killed = view % REPLICAS;
    const before = answers.length;
    await cluster.kill(killed);
    say(
      colors.yellow(
        `killed replica ${killed}, the primary of view ${view} (SIGKILL), after ${before} operations`,
      ),
    );
    await waitUntil(async () => answers.some((it) => viewOf(it) > view), READY_TIMEOUT_MS, signal);
    if (signal.aborted) return;
    const next = Math.max(...answers.map(viewOf));
    say(
      `the others went on in view ${next}, led by replica ${next % REPLICAS}; starting replica ${killed} again`,
    );
    cluster.start(killed);
  }

  const startMs = performance.now();
  try {
    const width = Math.min(IN_FLIGHT, Math.floor(packages.length / 2));
    await forEachLimited(packages, width, async ({ key, integrity }) => {
      if (crash === undefined && answers.length >= packages.length / 2) {
        crash = crashPrimary();
        // Its failure is thrown below; until then nobody awaits it.
        crash.catch(() => undefined);
      }
      await store.put(key, integrity, { signal });
      progress.advance(1);
    });
  } finally {
    progress.end();
    await crash;
  }
  const seconds = (performance.now() - startMs) / 1000;
  const byView = new Map<number, number>();
  for (const answer of answers) byView.set(viewOf(answer), (byView.get(viewOf(answer)) ?? 0) + 1);
  return { seconds, byView, killed: killed! };
}

function watched(client: Client, answers: Answer[]): Client['submit'] {
  return async (operation, options) => {
    const answer = await client.submit(operation, options);
    answers.push(answer);
    return answer;
  };
}

/** The highest view that a signer of the answer was in. */
function viewOf({ head }: Answer): number {
  return Math.max(...head.votes.map(({ view }) => view));
}

/** Reads everything back. @throws CommandError if anything differs */
async function verify(client: Client, packages: readonly Package[]): Promise<void> {
  const stored = new Map<string, string>();
  for await (const { key, value } of kv(client).scan()) {
    stored.set(Buffer.from(key).toString(), Buffer.from(value).toString());
  }
  const wrong = packages.filter(({ key, integrity }) => stored.get(key) !== integrity);
  if (wrong.length === 0 && stored.size === packages.length) return;
  throw new CommandError(
    EXIT.unexpected,
    `the store does not hold what was put: ${wrong.length} of ${packages.length} packages are missing or differ`,
  );
}

interface Equal {
  readonly sequenceNumber: number;
  readonly hashChainDigest: string;
  readonly stateDigest: string;
}

/** Waits for the replica that was killed. @throws CommandError if the replicas do not come to the same state */
async function untilEqual({ signal }: Terminal, config: ClientConfig): Promise<Equal> {
  let equal: Equal | undefined;
  let last = '';
  await waitUntil(
    async () => {
      const reports = await fetchReports(config);
      const statuses = reports.flatMap((it) => (it.answers ? [it.status] : []));
      const states = new Set(
        statuses.map((it) => `${it.executed} ${it.hashChainDigest} ${it.logRoot} ${it.stateDigest}`),
      );
      last = reports
        .map((it) => (it.answers ? `${it.index}: ${it.status.executed}` : `${it.index}: silent`))
        .join(', ');
      if (statuses.length < REPLICAS || states.size > 1) return false;
      const { executed, hashChainDigest, stateDigest } = statuses[0]!;
      equal = { sequenceNumber: executed, hashChainDigest, stateDigest };
      return true;
    },
    CATCH_UP_TIMEOUT_MS,
    signal,
  );
  if (equal === undefined) {
    throw new CommandError(EXIT.unexpected, `the replicas did not come to the same state; executed: ${last}`);
  }
  return equal;
}

function report(
  { out, colors }: Terminal,
  packages: readonly Package[],
  { seconds, byView, killed }: Loaded,
  { sequenceNumber, hashChainDigest, stateDigest }: Equal,
): void {
  const views = [...byView].sort(([a], [b]) => a - b);
  const operations = views.map(([view, count]) => `${count} in view ${view} (primary ${view % REPLICAS})`);
  const rows = [
    ['operations committed', `${packages.length}: ${operations.join(', ')}`],
    ['batches', String(sequenceNumber)],
    [
      'speed',
      `${Math.round(packages.length / seconds)} operations/s, the outage of the primary included (${seconds.toFixed(2)} s)`,
    ],
    ['replicas that agree', `all ${REPLICAS}, replica ${killed} among them`],
    ['hash chain digest', hashChainDigest],
    ['state digest', stateDigest],
  ];
  out('\n');
  out(table(['the registry', ''], rows, colors));
}

function furtherLooks(directory: string, packages: readonly Package[]): string {
  const example = packages.find(({ key }) => key.startsWith('commander@')) ?? packages[0]!;
  const option = directoryOption(directory);
  return `
look further:
  npx bft2f status${option}
  npx bft2f kv get ${example.key}${option}
  npx bft2f kv scan --limit 5${option}

`;
}
