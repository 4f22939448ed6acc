/** The command line of the simulator: what it means, or which argument is wrong and what was expected. */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { BUGS, type BugName } from '../../src/simulator/bugs.ts';
import { ATTACK_NAMES, ATTACKS, type AttackName } from '../../src/simulator/byzantine/attacks.ts';
import { FAULT_KINDS, type Fault } from '../../src/simulator/faults.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';

export interface SimOptions {
  readonly help: boolean;
  /** One run; undefined: many. */
  readonly seed: number | undefined;
  /** A file to be replayed, instead of a seed. */
  readonly scenario: string | undefined;
  readonly from: number;
  readonly seeds: number;
  /** What all seeds share. */
  readonly shared: Omit<Scenario, 'seed'>;
  /** The arguments that say what all seeds share, for the command that replays one. */
  readonly sharedArguments: readonly string[];
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly json: boolean;
  readonly minimiseRuns: number;
  /** Directory for the scenarios of failures. */
  readonly failures: string;
  readonly trace: string | undefined;
  readonly svg: string | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly lines: number;
}

/** A wrong argument; the message names it, what was expected and what came. */
export class UsageError extends Error {}

/** EX_USAGE of sysexits.h. */
export const USAGE_EXIT_CODE = 64;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  seed: { type: 'string' },
  scenario: { type: 'string' },
  seeds: { type: 'string' },
  from: { type: 'string' },
  replicas: { type: 'string' },
  clients: { type: 'string' },
  requests: { type: 'string' },
  loss: { type: 'string' },
  faults: { type: 'string' },
  faulty: { type: 'string' },
  attack: { type: 'string' },
  bug: { type: 'string' },
  jobs: { type: 'string' },
  'keep-going': { type: 'boolean' },
  json: { type: 'boolean' },
  'minimise-runs': { type: 'string' },
  failures: { type: 'string' },
  trace: { type: 'string' },
  svg: { type: 'string' },
  'from-ms': { type: 'string' },
  'to-ms': { type: 'string' },
  lines: { type: 'string' },
} as const;

type Name = keyof typeof OPTIONS;

/** Those that make another run of the same seed. */
const SHARED: readonly Name[] = [
  'replicas',
  'clients',
  'requests',
  'loss',
  'faults',
  'faulty',
  'attack',
  'bug',
];

/** @throws UsageError */
export function parseOptions(args: readonly string[]): SimOptions {
  const values = readArguments(args);
  const text = (name: Name) => values[name] as string | undefined;
  const number = (name: Name, low: number, high: number): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < low || value > high) {
      throw new UsageError(`--${name} must be a whole number from ${low} to ${high}; got "${given}"`);
    }
    return value;
  };
  const oneOf = <T extends string>(name: Name, names: readonly T[]): T | undefined => {
    const given = text(name);
    if (given === undefined || (names as readonly string[]).includes(given)) return given as T | undefined;
    throw new UsageError(`--${name} must be one of ${quoted(names)}; got "${given}"`);
  };

  const seed = number('seed', 0, Number.MAX_SAFE_INTEGER);
  const scenario = text('scenario');
  const single = seed !== undefined || scenario !== undefined;
  if (seed !== undefined && scenario !== undefined) {
    throw new UsageError('--seed and --scenario exclude each other: a scenario names its seed');
  }
  for (const name of ['seeds', 'from', 'jobs', 'keep-going'] as const) {
    if (single && values[name] !== undefined)
      throw new UsageError(`--${name} is for many seeds, not for one run`);
  }
  for (const name of ['trace', 'svg', 'lines'] as const) {
    if (!single && values[name] !== undefined) {
      throw new UsageError(`--${name} is for one run: name it by --seed S or --scenario FILE`);
    }
  }
  for (const name of ['from-ms', 'to-ms'] as const) {
    if (text('svg') === undefined && values[name] !== undefined) {
      throw new UsageError(`--${name} belongs to --svg FILE`);
    }
  }
  const sharedNames = SHARED.filter((name) => text(name) !== undefined);
  if (scenario !== undefined && sharedNames[0] !== undefined) {
    throw new UsageError(`--${sharedNames[0]} cannot change a scenario; edit its file`);
  }
  const replicas = number('replicas', 1, 31);
  if (replicas !== undefined && replicas % 3 !== 1) {
    throw new UsageError(`--replicas must be 3f+1: 1, 4, 7, 10 … 31; got "${replicas}"`);
  }
  const faulty = number('faulty', 0, replicas ?? 4);
  const attack = oneOf<AttackName>('attack', ATTACK_NAMES);
  if (attack !== undefined && !(faulty! > 0)) {
    throw new UsageError('--attack needs --faulty K: how many replicas carry it out');
  }
  return {
    help: values.help === true,
    seed,
    scenario,
    from: number('from', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    seeds: number('seeds', 1, 1e9) ?? 100,
    shared: defined({
      replicas,
      clients: number('clients', 1, 100),
      requests: number('requests', 1, 100_000),
      lossPerMille: number('loss', 0, 1000),
      faults: faultKinds(text('faults')),
      faulty,
      attack,
      bug: oneOf('bug', Object.keys(BUGS) as BugName[]),
    }),
    sharedArguments: sharedNames.flatMap((name) => [`--${name}`, shellWord(text(name)!)]),
    jobs: number('jobs', 1, 256) ?? availableParallelism(),
    keepGoing: values['keep-going'] === true,
    json: values.json === true,
    minimiseRuns: number('minimise-runs', 0, 1e6) ?? 200,
    failures: text('failures') ?? 'sim-failures',
    trace: text('trace'),
    svg: text('svg'),
    fromMs: number('from-ms', 0, Number.MAX_SAFE_INTEGER),
    toMs: number('to-ms', 0, Number.MAX_SAFE_INTEGER),
    lines: number('lines', 1, 1e7) ?? 0,
  };
}

function readArguments(args: readonly string[]): Partial<Record<Name, string | boolean>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // Node's sentences name the argument; the first says enough.
    throw new UsageError((error as Error).message.split('. ')[0]!);
  }
}

function faultKinds(given: string | undefined): readonly Fault['type'][] | undefined {
  if (given === undefined) return undefined;
  if (given === 'none') return [];
  return given.split(',').map((name) => {
    const kind = FAULT_KINDS.find((each) => each === name);
    if (kind === undefined) {
      throw new UsageError(`--faults must be "none" or some of ${FAULT_KINDS.join(',')}; got "${name}"`);
    }
    return kind;
  });
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

function shellWord(text: string): string {
  return /^[\w,.-]+$/.test(text) ? text : `"${text}"`;
}

function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

export function helpText(): string {
  const attacks = Object.entries(ATTACKS).map(
    ([name, { description }]) => `  ${`"${name}"`.padEnd(28)}${description}`,
  );
  return `Runs simulated clusters: everything in a run is decided by its seed.

  npm run sim -- --seeds N [--from S] [--jobs J] [--keep-going]     many runs, from seed S (0)
  npm run sim -- --seed S [--trace FILE] [--svg FILE] [--lines L]   one run
  npm run sim -- --scenario FILE [--trace FILE] [--svg FILE]        one run from a file

What is simulated (drawn from the seed if left out, where not said otherwise)
  --replicas N        3f+1: 4 (default), 7, 10 … 31
  --clients C         clients
  --requests R        operations of each client
  --loss L            of 1,000 messages, so many are lost
  --faults KINDS      "none" or some of ${FAULT_KINDS.join(',')}
  --faulty K          Byzantine replicas, 0 (default) to N
  --attack NAME       what they do, see below
  --bug NAME          a bug put in on purpose: ${quoted(Object.keys(BUGS))}

Many runs
  --seeds N           how many (100)
  --from S            the first seed (0)
  --jobs J            workers (one for each processor); the output does not depend on it
  --keep-going        do not stop at the first failure

One run
  --trace FILE        every message, timer, state change and fault as JSON Lines (docs/simulator.md)
  --svg FILE          a picture: the run as a space-time diagram
  --from-ms, --to-ms  the part of the run that the picture shows; chosen by itself if left out
  --lines L           print the last L events

When a run fails
  --minimise-runs M   runs spent on making it smaller (200); 0 leaves it as it is
  --failures DIR      where the smaller runs are written (sim-failures)

  --json              one JSON object on standard output instead of text
  --help              this

Attacks
${attacks.join('\n')}

Exit codes: 0 nothing violated; 1 a correct replica or client crashed; 2 a safety property was violated; 3 progress was
missing (of several failures, the first seed's); ${USAGE_EXIT_CODE} a wrong argument; 130 interrupted.

Examples
  npm run sim -- --seeds 2000
  npm run sim -- --seeds 500 --replicas 7 --faulty 2
  npm run sim -- --seed 4 --svg run.svg
  npm run sim -- --seeds 100 --bug "reads by result"
  npm run sim -- --scenario sim-failures/seed-4.json --svg failure.svg`;
}
