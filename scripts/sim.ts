/**
 * `npm run sim -- --seed S | --seeds N [--from S] [--replicas 4] [--clients C] [--requests R] [--loss PER_MILLE] [--faults crash,cut,…|none] [--faulty 1] [--attack NAME]
 * [--trace LINES]`: simulated runs from seeds. A failure prints its seed, what was violated, the faults and the command that replays it; the exit code
 * is 1 for a crash, 2 for a broken safety property, 3 for missing progress.
 */

import { parseArgs } from 'node:util';
import { ATTACK_NAMES, ATTACKS, type AttackName } from '../src/simulator/byzantine/attacks.ts';
import { addCoverage, type Coverage } from '../src/simulator/coverage.ts';
import { describeFault, FAULT_KINDS, type Fault } from '../src/simulator/faults.ts';
import { runSimulation, type SimulationOptions } from '../src/simulator/run.ts';
import { EXIT_CODES } from '../src/simulator/violation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '0' },
    replicas: { type: 'string' },
    clients: { type: 'string' },
    requests: { type: 'string' },
    loss: { type: 'string' },
    faults: { type: 'string' },
    faulty: { type: 'string' },
    attack: { type: 'string' },
    trace: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
  },
});

function number(name: keyof typeof values): number | undefined {
  const text = values[name];
  if (typeof text !== 'string') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    console.error(`--${name} must be a whole number, got "${text}"`);
    process.exit(64);
  }
  return Number(text);
}

function faultKinds(): readonly Fault['type'][] | undefined {
  if (values.faults === undefined) return undefined;
  if (values.faults === 'none') return [];
  const kinds = values.faults.split(',');
  for (const kind of kinds) {
    if (!(FAULT_KINDS as readonly string[]).includes(kind)) {
      console.error(`--faults must be "none" or some of ${FAULT_KINDS.join(',')}; got "${kind}"`);
      process.exit(64);
    }
  }
  return kinds as Fault['type'][];
}

function attackName(): AttackName | undefined {
  const name = values.attack;
  if (name === undefined || Object.hasOwn(ATTACKS, name)) return name as AttackName | undefined;
  console.error(`--attack must be one of ${ATTACK_NAMES.map((it) => `"${it}"`).join(', ')}; got "${name}"`);
  process.exit(64);
}

const shared: Record<string, unknown> = {};
for (const [name, value] of [
  ['replicas', number('replicas')],
  ['clients', number('clients')],
  ['requests', number('requests')],
  ['lossPerMille', number('loss')],
  ['faulty', number('faulty')],
  ['attack', attackName()],
  ['faults', faultKinds()],
  ['traceLines', number('trace')],
] as const) {
  if (value !== undefined) shared[name] = value;
}

const single = number('seed');
const first = single ?? number('from') ?? 0;
const count = single === undefined ? (number('seeds') ?? 100) : 1;
const flags = process.argv.slice(2).filter((arg, i, all) => {
  const owner = arg.startsWith('--') ? arg : all[i - 1];
  return !/^--(seed|seeds|from|trace|keep-going)(=|$)/.test(owner ?? '');
});

console.log(count === 1 ? `seed ${first}` : `seeds ${first} to ${first + count - 1}`);
const begun = performance.now();
let simulatedMs = 0;
let batches = 0;
let failures = 0;
let coverage: Coverage = {};
for (let seed = first; seed < first + count; seed++) {
  const result = runSimulation({ ...shared, seed } as SimulationOptions);
  simulatedMs += result.stats.simulatedMs;
  batches += result.stats.batches;
  coverage = addCoverage(coverage, result.stats.coverage);
  if (single !== undefined) console.log(JSON.stringify({ digest: result.digest, ...result.stats }));
  if (single !== undefined) for (const line of result.trace) console.log(line);
  if (result.ok) continue;
  failures++;
  for (const { kind, property, text, atMs } of result.violations) {
    console.log(`seed ${seed}: ${kind}: ${property}: ${text} (at ${atMs.toFixed(3)} ms)`);
  }
  console.log(`replay: npm run sim -- --seed ${seed} ${flags.join(' ')} --trace 200`.replace('  ', ' '));
  if (!values['keep-going']) {
    for (const fault of result.plan) console.log(`  ${describeFault(fault)}`);
    process.exitCode = EXIT_CODES[result.violations[0]!.kind];
    break;
  }
  process.exitCode = EXIT_CODES[result.violations[0]!.kind];
}
const seconds = (performance.now() - begun) / 1000;
console.log(
  `${failures === 0 ? 'no violation' : `${failures} failed`}; ${batches} batches, ` +
    `${(simulatedMs / 1000).toFixed(0)} s simulated in ${seconds.toFixed(1)} s (${(simulatedMs / 1000 / seconds).toFixed(0)} times real time)`,
);
if (single === undefined) {
  const names = Object.keys(coverage).sort((a, b) => coverage[b]! - coverage[a]!);
  console.log(`came across: ${names.map((name) => `${name} ${coverage[name]}`).join(', ')}`);
}
