/** A worker thread of a sweep: runs the seeds that it is sent, one after the other, and answers with what came of each. */

import { parentPort, workerData } from 'node:worker_threads';
import type { Scenario } from '../../src/simulator/scenario.ts';
import { runSeed } from './sweep.ts';

const shared = workerData as Omit<Scenario, 'seed'>;
parentPort!.on('message', (seed: number) => parentPort!.postMessage(runSeed(seed, shared)));
