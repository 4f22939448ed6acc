/** What the simulator's command line says of runs: totals, failures, and how to see them again. */

import { addCoverage, type Coverage } from '../../src/simulator/coverage.ts';
import { describeFault } from '../../src/simulator/faults.ts';
import type { Minimised } from '../../src/simulator/minimise.ts';
import type { SimulationResult, SimulationStats } from '../../src/simulator/run.ts';
import type { Violation } from '../../src/simulator/violation.ts';

/** Counts of many runs. */
export interface Totals {
  /** Sums, but the highest view. */
  readonly stats: Readonly<Record<string, number>>;
  readonly coverage: Coverage;
}

export const NO_TOTALS: Totals = { stats: { simulatedMs: 0 }, coverage: {} };

export function addStats(totals: Totals, { coverage, ...stats }: SimulationStats): Totals {
  const sum: Record<string, number> = { ...totals.stats };
  for (const [name, value] of Object.entries(stats)) {
    sum[name] = name === 'views' ? Math.max(sum[name] ?? 0, value) : (sum[name] ?? 0) + value;
  }
  return { stats: sum, coverage: addCoverage(totals.coverage, coverage) };
}

/** Two lines: how much was done, and what it came across, the commonest first. */
export function describeTotals({ stats, coverage }: Totals): string {
  const sums = Object.entries(stats).filter(([name]) => name !== 'simulatedMs' && name !== 'views');
  const parts = sums.map(([name, value]) => `${spaced(name)} ${value}`);
  const names = Object.keys(coverage).sort((a, b) => coverage[b]! - coverage[a]!);
  return [
    [...parts, `highest view ${stats.views ?? 0}`].join(', '),
    `came across: ${names.map((name) => `${name} ${coverage[name]}`).join(', ')}`,
  ].join('\n');
}

function spaced(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

export function describeViolation({ kind, property, text, atMs }: Violation): string {
  return `${kind}: ${property}: ${text} (at ${atMs.toFixed(3)} ms)`;
}

/** How much smaller, and what is left. */
export function describeMinimised(before: SimulationResult, { scenario, result, runs }: Minimised): string {
  const plan = scenario.plan ?? [];
  const operations = scenario.operations ?? [];
  const lines = [
    `minimised in ${runs} runs: ` +
      [
        `${plan.length} of ${before.plan.length} faults`,
        `${operations.flat().length} of ${before.chosen.flat().length} requests`,
        `${operations.length} of ${before.chosen.length} clients`,
        ...(before.attack === undefined
          ? []
          : [`${result.stats.acts} of ${before.stats.acts} acts of the faulty`]),
        `${result.stats.events} of ${before.stats.events} steps`,
      ].join(', '),
    ...plan.map((planned) => `  ${describeFault(planned)}`),
    ...operations.flatMap((own, client) =>
      own.length === 0 ? [] : [`  c${client} submits its operations ${ranges(own)}`],
    ),
  ];
  return lines.join('\n');
}

/** 1, 2, 3, 7 as "1–3, 7". */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
}
