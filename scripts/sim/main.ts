/** The simulator's command line: what it does with its arguments. Everything it says goes through `Console`, so that tests can read it. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawDiagram } from '../../src/simulator/diagram/index.ts';
import { minimise } from '../../src/simulator/minimise.ts';
import { runSimulation, type SimulationResult } from '../../src/simulator/run.ts';
import { type Expected, formatScenario, parseScenario, type Scenario } from '../../src/simulator/scenario.ts';
import type { TraceLine } from '../../src/simulator/trace-format.ts';
import { writeTrace } from '../../src/simulator/trace-json.ts';
import { EXIT_CODES } from '../../src/simulator/violation.ts';
import { helpText, parseOptions, type SimOptions, USAGE_EXIT_CODE, UsageError } from './options.ts';
import { makeProgress } from './progress.ts';
import { addStats, describeMinimised, describeTotals, describeViolation, NO_TOTALS } from './report.ts';
import { type SeedResult, sweep } from './sweep.ts';

const INTERRUPTED_EXIT_CODE = 130;

/** A sweep's failures that are told in full; of more, the number is enough. */
const FAILURES_TOLD_MAX = 20;

/** Where the command line speaks to. */
export type Console = Pick<typeof globalThis.console, 'log' | 'error'>;

/** @returns The exit code. */
export async function main(args: readonly string[], console: Console): Promise<number> {
  try {
    return await carryOut(parseOptions(args), console);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nnpm run sim -- --help says what there is`);
    return USAGE_EXIT_CODE;
  }
}

async function carryOut(options: SimOptions, console: Console): Promise<number> {
  if (options.help) {
    console.log(helpText());
    return 0;
  }
  if (options.scenario !== undefined) {
    const { scenario, expected } = readScenario(options.scenario);
    return runOne(options, console, scenario, expected);
  }
  if (options.seed !== undefined) return runOne(options, console, { ...options.shared, seed: options.seed });
  return runMany(options, console);
}

function readScenario(file: string): ReturnType<typeof parseScenario> {
  try {
    return parseScenario(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--scenario ${file}: ${(error as Error).message}`);
  }
}

/** One run, with its trace and picture if they are wanted. */
function runOne(options: SimOptions, console: Console, scenario: Scenario, expected?: Expected): number {
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(`seed ${scenario.seed}`);
  const result = runTraced(options, scenario);
  for (const line of result.trace) say(line);
  if (options.json) {
    const { ok, violations, digest, stats, plan } = result;
    console.log(JSON.stringify({ seed: scenario.seed, ok, violations, digest, stats, plan }));
  } else {
    console.log(
      `${Math.round(result.stats.simulatedMs)} ms simulated; ${describeTotals(addStats(NO_TOTALS, result.stats))}`,
    );
    console.log(`digest ${result.digest}`);
  }
  if (expected !== undefined) {
    const same = result.violations.some(
      ({ kind, property }) => kind === expected.kind && property === expected.property,
    );
    say(`the violation that the file expects, ${expected.property}, ${same ? 'is there' : 'did NOT occur'}`);
  }
  if (result.ok) {
    say('no violation');
    return 0;
  }
  // A scenario from a file is small already, or was written by hand.
  if (expected === undefined) tellFailure(options, console, scenario, result);
  else for (const violation of result.violations) say(describeViolation(violation));
  return EXIT_CODES[result.violations[0]!.kind];
}

function runTraced(options: SimOptions, scenario: Scenario): SimulationResult {
  const { trace: file, svg, lines: traceLines } = options;
  if (file === undefined && svg === undefined) return runSimulation({ ...scenario, traceLines });
  const lines: TraceLine[] = [];
  const trace = writeTrace((line) => lines.push(line), scenario);
  const result = runSimulation({ ...scenario, traceLines, observers: [trace] });
  trace.end(result.digest, result.ok);
  if (file !== undefined) writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  if (svg !== undefined) {
    writeFileSync(svg, drawDiagram(lines, { fromMs: options.fromMs, toMs: options.toMs }));
  }
  return result;
}

async function runMany(options: SimOptions, console: Console): Promise<number> {
  const { from, seeds, shared, jobs, keepGoing, json } = options;
  if (!json) console.log(`seeds ${from} to ${from + seeds - 1}`);
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once('SIGINT', onInterrupt);

  const begun = performance.now();
  const usedBefore = process.cpuUsage();
  const progress = makeProgress(seeds, process.stderr);
  const failed: SeedResult[] = [];
  let totals = NO_TOTALS;
  let done = 0;
  await sweep({
    ...{ from, seeds, shared, jobs, keepGoing, signal: interrupt.signal },
    onResult(result) {
      done++;
      totals = addStats(totals, result.stats);
      if (!result.ok) failed.push(result);
      if (!result.ok && !json && failed.length <= FAILURES_TOLD_MAX) {
        progress.clear();
        for (const violation of result.violations) {
          console.log(`seed ${result.seed}: ${describeViolation(violation)}`);
        }
      }
      progress.update(done, failed.length, totals.stats.simulatedMs!);
    },
  });
  progress.clear();
  // From here on, it ends the program at once.
  process.off('SIGINT', onInterrupt);

  const interrupted = interrupt.signal.aborted;
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(usedBefore);
  const cpuSeconds = (user + system) / 1e6;
  if (json) {
    const failures = failed.map(({ seed, digest, violations }) => ({ seed, digest, violations }));
    console.log(JSON.stringify({ from, seeds, done, interrupted, seconds, cpuSeconds, ...totals, failures }));
  } else {
    const simulatedSeconds = totals.stats.simulatedMs! / 1000;
    console.log(
      `${interrupted ? 'interrupted: ' : ''}${done} of ${seeds} seeds, ${failed.length === 0 ? 'no violation' : `${failed.length} failed`}; ` +
        `${simulatedSeconds.toFixed(0)} s simulated in ${seconds.toFixed(1)} s (${(simulatedSeconds / seconds).toFixed(0)} times real time, ${(done / seconds).toFixed(1)} seeds a second, ${cpuSeconds.toFixed(1)} s of processors)`,
    );
    if (done > 0) console.log(describeTotals(totals));
  }
  const [first] = failed;
  if (first !== undefined && !interrupted) {
    const scenario = { ...shared, seed: first.seed };
    tellFailure(options, console, scenario, runSimulation(scenario));
  }
  if (interrupted) return INTERRUPTED_EXIT_CODE;
  return first === undefined ? 0 : EXIT_CODES[first.violations[0]!.kind];
}

/** What failed, a smaller run that fails in the same way, and how to see both again. */
function tellFailure(
  options: SimOptions,
  console: Console,
  scenario: Scenario,
  result: SimulationResult,
): void {
  // With --json, standard output is for the object alone.
  const say = options.json ? console.error : console.log;
  say(`\nseed ${scenario.seed} failed`);
  for (const violation of result.violations) say(describeViolation(violation));
  if (result.attack !== undefined) say(`${scenario.faulty} faulty: ${result.attack}`);
  say(`replay: npm run sim -- --seed ${scenario.seed} ${options.sharedArguments.join(' ')}`.trimEnd());
  if (options.minimiseRuns === 0) return;
  const smaller = minimise({ scenario, result, run: runSimulation, runsMax: options.minimiseRuns });
  say(describeMinimised(result, smaller));
  mkdirSync(options.failures, { recursive: true });
  const file = join(options.failures, `seed-${scenario.seed}.json`);
  writeFileSync(
    file,
    `${JSON.stringify(formatScenario(smaller.scenario, smaller.expected), undefined, 1)}\n`,
  );
  say(`replay: npm run sim -- --scenario ${file} --svg failure.svg`);
}
