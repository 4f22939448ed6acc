/**
 * `bft2f demo NAME`: what the protocol promises, shown with real processes. The registry runs anywhere; the others need malicious replicas, which are
 * in adversary/ of the repository, are compiled on demand, and are part of no installation.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { integerArgument } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import type { CommandContext } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { registryCommand } from './demo-registry.ts';

const SCENARIOS = {
  'up-to-f': 'at most f faulty replicas, whatever they do: requests go on, and the history is linearizable',
  'beyond-f': 'f+1 to 2f of them fork the history; the fork is found, proved, and the guilty are named',
  'beyond-2f':
    '2f+1 of them make a client accept what nobody asked for: the limit, and what then can be done',
  partition: 'no faulty replica, but a divided network: who goes on, who is refused, and how all resume',
} as const;
type ScenarioName = keyof typeof SCENARIOS;

interface Options {
  readonly replicas?: number;
  readonly f?: number;
  readonly faulty?: readonly number[];
  readonly behaviour?: readonly string[];
  readonly perChoice?: number;
  readonly seed: number;
  readonly json?: true;
  readonly directory?: string;
  readonly svg?: string;
}

export function demoCommand(context: CommandContext): Command {
  const command = new Command('demo')
    .description('see what is promised, and where the promises end, with real processes')
    .addCommand(registryCommand(context));
  for (const name of Object.keys(SCENARIOS) as ScenarioName[])
    command.addCommand(scenarioCommand(name, context));
  return command.addHelpText(
    'after',
    `
The exit code is 0 if everything that is promised was observed, and 10 if not. All processes end with the demo.

Examples:
  bft2f demo up-to-f --faulty 0 --behaviour equivocating
  bft2f demo beyond-f --svg fork.svg`,
  );
}

function scenarioCommand(name: ScenarioName, context: CommandContext): Command {
  const command = new Command(name)
    .description(SCENARIOS[name])
    .option(
      '--f <f>',
      'how many faulty replicas the cluster is made for (default: 1)',
      integerArgument(1, 10),
    )
    .option('--replicas <n>', 'the same as the number of its replicas: 3f+1', integerArgument(4, 31))
    .option('--seed <seed>', 'for what is left to chance', integerArgument(0, Number.MAX_SAFE_INTEGER), 1)
    .option(
      '--directory <path>',
      'keep files of the cluster and its clients here (default: they are removed)',
    )
    .option('--json', 'one document at the end, for programs');
  if (name !== 'partition') command.option('--faulty <list>', 'which replicas, such as 0,2', indexList);
  if (name === 'up-to-f') {
    command.option(
      '--per-choice <n>',
      'so many of the misbehaviours for each choice of faulty replicas (default: all)',
      integerArgument(1, 100),
    );
    command.option('--behaviour <list>', 'which misbehaviours, with commas between (default: all)', (text) =>
      text.split(','),
    );
  }
  if (name === 'beyond-f') command.option('--svg <file>', 'draw the fork');
  return command.action(async ({ behaviour, directory, svg, replicas, f, ...options }: Options) => {
    const count = replicaCount(replicas, f);
    const program = await compiled(context.terminal);
    const request = {
      ...{ scenario: name, replicas: count, json: options.json === true, ...options },
      ...(behaviour === undefined ? {} : { behaviours: behaviour }),
      ...(directory === undefined ? {} : { directory: resolve(directory) }),
      ...(svg === undefined ? {} : { svg: resolve(svg) }),
    };
    context.exitCode = await run(context.terminal, [program, JSON.stringify(request)], 'inherit');
  });
}

/** @throws CommandError */
function replicaCount(replicas: number | undefined, f: number | undefined): number {
  const count = replicas ?? 3 * (f ?? 1) + 1;
  const isPossible = count % 3 === 1 && (f === undefined || count === 3 * f + 1);
  if (isPossible) return count;
  const way =
    f === undefined
      ? `it tolerates as many faulty ones as ${count - ((count - 1) % 3)} replicas; give 4, 7, 10, …`
      : `--f ${f} means ${3 * f + 1}; give one of the two`;
  throw new CommandError(EXIT.usage, `--replicas is ${count}, and the demos need 3f+1: ${way}`);
}

function indexList(text: string): readonly number[] {
  const indices = text.split(',').map((it) => (/^\d{1,2}$/.test(it) ? Number(it) : Number.NaN));
  if (indices.some(Number.isNaN) || new Set(indices).size < indices.length) {
    throw new InvalidArgumentError('expected different replicas with commas between, such as 0,2.');
  }
  return indices.sort((a, b) => a - b);
}

/** The path of the program that plays the scenarios, compiled from the sources as they are now. @throws CommandError */
async function compiled(terminal: Terminal): Promise<string> {
  const root = dirname(createRequire(import.meta.url).resolve('bft2f/package.json'));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(join(root, 'adversary')) || !existsSync(compiler)) {
    throw new CommandError(
      EXIT.usage,
      'this demo needs malicious replicas, which no installation has: run it in a clone of the repository, after "npm start" or "npm test" there; "bft2f demo registry" runs anywhere',
    );
  }
  const exitCode = await run(terminal, [compiler, '-p', join(root, 'tsconfig.tools.json')], 'ignore');
  if (terminal.signal.aborted) throw new CommandError(EXIT.interrupted, 'interrupted');
  if (exitCode !== EXIT.ok) {
    throw new CommandError(
      EXIT.unexpected,
      `the demo does not compile: see "npx tsc -p tsconfig.tools.json" in ${root}`,
    );
  }
  return join(root, 'dist-tools/adversary/main.js');
}

/** Resolves to how it ended. Ctrl-C reaches it by itself; what interrupts this process alone is passed on. */
async function run(
  { signal }: Terminal,
  args: readonly string[],
  output: 'inherit' | 'ignore',
): Promise<number> {
  signal.throwIfAborted();
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', output, output] });
  const pass = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', pass, { once: true });
  try {
    return await new Promise((done, fail) => {
      child.once('error', fail);
      child.once('exit', (code) => done(code ?? EXIT.unexpected));
    });
  } finally {
    signal.removeEventListener('abort', pass);
  }
}
