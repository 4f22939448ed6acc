/**
 * Many seeds on several threads. What is reported, and in which order, does not depend on how many threads there are: results are handed on
 * by ascending seed, and after a failure nothing is that comes behind it.
 */

import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { runSimulation, type SimulationResult } from '../../src/simulator/run.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';

/** What of a run is worth sending from thread to thread; the rest is had by running the seed again. */
export type SeedResult = Pick<SimulationResult, 'ok' | 'violations' | 'digest' | 'stats'> & {
  readonly seed: number;
};

export interface Sweep {
  readonly from: number;
  readonly seeds: number;
  readonly shared: Omit<Scenario, 'seed'>;
  readonly jobs: number;
  readonly keepGoing: boolean;
  /** Ends the sweep early. */
  readonly signal: AbortSignal;
  /** Called once for each seed, by ascending seed. */
  readonly onResult: (result: SeedResult) => void;
}

export function runSeed(seed: number, shared: Omit<Scenario, 'seed'>): SeedResult {
  const { ok, violations, digest, stats } = runSimulation({ ...shared, seed });
  return { seed, ok, violations, digest, stats };
}

/** Ends when all seeds have been reported, at the first failure unless `keepGoing`, or when the signal is given. */
export function sweep(options: Sweep): Promise<void> {
  return options.jobs === 1 ? sweepHere(options) : sweepInThreads(options);
}

async function sweepHere({ from, seeds, shared, keepGoing, signal, onResult }: Sweep): Promise<void> {
  for (let seed = from; seed < from + seeds && !signal.aborted; seed++) {
    const result = runSeed(seed, shared);
    onResult(result);
    if (!result.ok && !keepGoing) return;
    // Lets the signal through.
    await setImmediate();
  }
}

async function sweepInThreads({
  from,
  seeds,
  shared,
  jobs,
  keepGoing,
  signal,
  onResult,
}: Sweep): Promise<void> {
  const workers: Worker[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const early = new Map<number, SeedResult>();
      let next = from;
      let reported = from;
      let end = from + seeds;
      const give = (worker: Worker) => {
        if (next < end) worker.postMessage(next++);
      };
      signal.addEventListener('abort', () => resolve());
      for (let i = 0; i < Math.min(jobs, seeds); i++) {
        // Nearly everything dies young: room for it saves a sixth of the time.
        const resourceLimits = { maxYoungGenerationSizeMb: 192 };
        const worker = new Worker(new URL('./worker.js', import.meta.url), {
          workerData: shared,
          resourceLimits,
        });
        workers.push(worker);
        worker.on('error', reject);
        worker.on('message', (result: SeedResult) => {
          early.set(result.seed, result);
          if (!result.ok && !keepGoing) end = Math.min(end, result.seed + 1);
          give(worker);
          for (
            let ready = early.get(reported);
            ready !== undefined && reported < end;
            ready = early.get(reported)
          ) {
            early.delete(reported++);
            onResult(ready);
          }
          if (reported === end) resolve();
        });
        give(worker);
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
