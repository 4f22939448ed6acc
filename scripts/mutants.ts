/**
 * `npm run sim:mutants -- [--bug NAME]… [--seeds 2000] [--from 0] [--jobs 2]`: how many seeds of random faults it takes to find each bug of src/simulator/bugs. Prints
 * a table, which docs/mutants.md keeps. Exit code 1 if a bug was not found.
 */

import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { adversaryOf, BUGS, type BugName } from '../src/simulator/bugs.ts';
import { runSimulation } from '../src/simulator/run.ts';

interface Task {
  readonly bug: BugName;
  readonly from: number;
  readonly seeds: number;
}

interface Finding {
  readonly bug: BugName;
  /** Undefined if none of the seeds finds it. */
  readonly seed: number | undefined;
  readonly tried: number;
  readonly kind: string;
  readonly property: string;
  readonly seconds: number;
}

function search({ bug, from, seeds }: Task): Finding {
  const begun = performance.now();
  for (let seed = from; seed < from + seeds; seed++) {
    const [violation] = runSimulation({ seed, bug, ...adversaryOf(bug, seed) }).violations;
    if (violation === undefined) continue;
    const seconds = (performance.now() - begun) / 1000;
    return { bug, seed, tried: seed - from + 1, kind: violation.kind, property: violation.property, seconds };
  }
  const seconds = (performance.now() - begun) / 1000;
  return { bug, seed: undefined, tried: seeds, kind: '–', property: 'not found', seconds };
}

function row(...cells: readonly string[]): string {
  const widths = [34, 8, 10, 26, 8];
  return cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' ');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      bug: { type: 'string', multiple: true },
      seeds: { type: 'string', default: '2000' },
      from: { type: 'string', default: '0' },
      jobs: { type: 'string', default: '2' },
    },
  });
  const names = (values.bug ?? Object.keys(BUGS)) as BugName[];
  const tasks: Task[] = names.map((bug) => ({ bug, from: Number(values.from), seeds: Number(values.seeds) }));
  console.log(row('bug', 'seeds', 'kind', 'property violated', 'seconds'));
  let missed = 0;
  await Promise.all(
    Array.from({ length: Math.min(Number(values.jobs), tasks.length) }, async () => {
      const worker = new Worker(new URL(import.meta.url));
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
        worker.postMessage(task);
        const [finding] = (await once(worker, 'message')) as [Finding];
        const { bug, seed, tried, kind, property, seconds } = finding;
        if (seed === undefined) missed++;
        console.log(row(bug, String(tried), kind, property, seconds.toFixed(1)));
      }
      await worker.terminate();
    }),
  );
  process.exitCode = missed === 0 ? 0 : 1;
}

if (isMainThread) await main();
else parentPort!.on('message', (task: Task) => parentPort!.postMessage(search(task)));
