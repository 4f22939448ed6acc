/** What `npm run bench` is told, and the workloads that follow from it. */

import { parseArgs } from 'node:util';

export type Mode = 'single' | 'joined';
export type Durability = 'disk' | 'memory';

/** One row of the table. */
export interface Workload {
  /** `single`: each operation in flight is a request of a session of its own. `joined`: few sessions share all. */
  readonly mode: Mode;
  readonly durability: Durability;
  /** Operations in flight at any time; the next begins when one ends. */
  readonly inFlight: number;
  /** Bytes of the value that each operation puts. */
  readonly bytes: number;
}

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  /** Length of one run, and of the load before the first one. */
  readonly seconds: number;
  readonly rampUpSeconds: number;
  /** Runs of each workload; an odd number has a middle one. */
  readonly runs: number;
  /** Where the JSON goes. */
  readonly json: string | undefined;
  /** Where the profiles go. */
  readonly profile: string | undefined;
}

export const HELP = `Usage: npm run bench -- [options]

Four replica processes and closed-loop clients on this machine: real TLS, real files in a temporary directory.

  --in-flight LIST     operations in flight (default 1,16,64,256)
  --bytes LIST         bytes of the value that each operation puts (default 0,1024)
  --mode LIST          single: one operation per request, a session for each in flight
                       joined: concurrent operations share requests (default: both)
  --durability LIST    disk: synced before it is spoken of; memory: never synced (default: both)
  --seconds N          length of a run (default 3)
  --runs N             runs of each workload (default 5); the table shows their median
  --quick              short: 3 runs of 1 second
  --json FILE          all figures of all runs
  --profile DIR        CPU profiles of the replicas and the client into DIR, with a summary of each workload
  --help

Example: npm run bench -- --quick --in-flight 64 --mode joined --durability disk`;

const MODES = ['single', 'joined'] as const;
const DURABILITIES = ['disk', 'memory'] as const;
const IN_FLIGHT_MAX = 4096;
/** A request holds 64 KiB. */
const BYTES_MAX = 60_000;

/** Undefined: the help is wanted. @throws Error naming the flag, what it must be, and what it is */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'in-flight': { type: 'string', default: '1,16,64,256' },
      bytes: { type: 'string', default: '0,1024' },
      mode: { type: 'string', default: MODES.join() },
      durability: { type: 'string', default: DURABILITIES.join() },
      seconds: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const seconds = number('seconds', values.seconds ?? (values.quick ? '1' : '3'), 0.1, 3600);
  return {
    workloads: workloadsOf(
      choices('mode', values.mode, MODES),
      choices('durability', values.durability, DURABILITIES),
      integers('in-flight', values['in-flight'], 1, IN_FLIGHT_MAX),
      integers('bytes', values.bytes, 0, BYTES_MAX),
    ),
    seconds,
    rampUpSeconds: Math.max(1, seconds / 2),
    runs: integer('runs', values.runs ?? (values.quick ? '3' : '5'), 1, 1000),
    json: values.json,
    profile: values.profile,
  };
}

function workloadsOf(
  modes: readonly Mode[],
  durabilities: readonly Durability[],
  inFlights: readonly number[],
  sizes: readonly number[],
): readonly Workload[] {
  const workloads: Workload[] = [];
  for (const durability of durabilities) {
    for (const mode of modes) {
      for (const bytes of sizes) {
        for (const inFlight of inFlights) {
          // One alone has none to join.
          if (mode === 'joined' && inFlight === 1 && modes.includes('single')) continue;
          workloads.push({ mode, durability, inFlight, bytes });
        }
      }
    }
  }
  return workloads;
}

function choices<T extends string>(flag: string, text: string, known: readonly T[]): readonly T[] {
  return text.split(',').map((word) => {
    const choice = known.find((each) => each === word);
    if (choice !== undefined) return choice;
    throw new Error(`--${flag} has "${word}"; expected a list of ${known.join(', ')}`);
  });
}

function integers(flag: string, text: string, least: number, most: number): readonly number[] {
  return text.split(',').map((word) => integer(flag, word, least, most));
}

function integer(flag: string, text: string, least: number, most: number): number {
  const value = number(flag, text, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${flag} has "${text}"; expected integers`);
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  throw new Error(`--${flag} has "${text}"; expected numbers from ${least} to ${most}`);
}
