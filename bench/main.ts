/**
 * `npm run bench`: what a cluster of four replicas on this machine does, beside what the machine could do at all. Run with `--help` for
 * the options; docs/benchmarks.md says how to read the table.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { measureFloor } from './floor.ts';
import { measure, type Row } from './measure.ts';
import { type BenchOptions, HELP, parseOptions, type Workload } from './options.ts';
import { profiled, profileText } from './profile.ts';
import { floorText, tableText } from './report.ts';

const EXIT_USAGE = 64;

function optionsOrExit(): BenchOptions {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options !== undefined) return options;
    console.log(HELP);
    process.exit(0);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(EXIT_USAGE);
  }
}

function machine() {
  const all = cpus();
  return {
    cpus: all.length,
    model: all[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

/** Undefined outside a working copy. */
function commit(): string | undefined {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function nameOf({ durability, mode, bytes, inFlight }: Workload): string {
  return `${durability}-${mode}-${bytes}B-${inFlight}`;
}

async function run(workload: Workload, options: BenchOptions): Promise<Row> {
  const { seconds, rampUpSeconds, runs, profile } = options;
  const measuring = { seconds, rampUpSeconds, runs };
  if (profile === undefined) return measure(workload, measuring);
  const profiles = join(profile, nameOf(workload));
  mkdirSync(profiles, { recursive: true });
  const row = await profiled(profiles, () => measure(workload, { ...measuring, profiles }));
  console.log(profileText(profiles));
  return row;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const options = optionsOrExit();
const about = { at: new Date().toISOString(), commit: commit(), machine: machine() };
console.log(`${about.machine.model}, Node ${about.machine.node}, commit ${about.commit ?? 'unknown'}`);
const floor = await measureFloor();
console.log(`${floorText(floor)}\n`);
const rows: Row[] = [];
for (const workload of options.workloads) {
  process.stderr.write(`${nameOf(workload)} (${rows.length + 1} of ${options.workloads.length})\n`);
  rows.push(await run(workload, options));
}
console.log(`medians of ${options.runs} runs of ${options.seconds} s; ±: half the range of ops/s`);
console.log(tableText(rows));
if (options.json !== undefined) {
  const { seconds, rampUpSeconds, runs } = options;
  const report = { ...about, seconds, rampUpSeconds, runs, floor, rows };
  writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
