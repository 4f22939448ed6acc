/** One workload: a fresh cluster, a load, and windows of it with what replicas and client spent in them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchCluster, startCluster } from './cluster.ts';
import { type ReplicaCounts, readCounts } from './counts.ts';
import { startLoad } from './load.ts';
import type { Workload } from './options.ts';
import { percentile } from './statistics.ts';

/** One run. Counts "per batch" are of one replica, on the average of all; CPU is of all replicas together. */
export interface Figures {
  readonly operationsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds that 1,000 operations cost: of the four replicas together, and of the process with the clients. */
  readonly replicaCpuPer1000: number;
  readonly clientCpuPer1000: number;
  readonly batchesPerSecond: number;
  readonly requestsPerBatch: number;
  readonly operationsPerBatch: number;
  readonly signedPerBatch: number;
  /** All, and without those of the requests. */
  readonly verifiedPerBatch: number;
  readonly votesVerifiedPerBatch: number;
  readonly rememberedPerBatch: number;
  readonly groupsPerBatch: number;
  readonly fsyncsPerBatch: number;
  readonly framesPerBatch: number;
  readonly writesPerBatch: number;
  readonly bytesSentPerOperation: number;
  readonly logBytesPerOperation: number;
  /** Of the largest replica. */
  readonly replicaRssMiB: number;
  readonly clientRssMiB: number;
}

export interface Row {
  readonly workload: Workload;
  readonly runs: readonly Figures[];
}

export interface Measuring {
  readonly seconds: number;
  readonly rampUpSeconds: number;
  readonly runs: number;
  /** Where the replicas' profiles go. */
  readonly profiles?: string | undefined;
}

interface Moment {
  readonly atMs: number;
  readonly replicas: readonly ReplicaCounts[];
  readonly clientCpuSeconds: number;
}

export async function measure(workload: Workload, options: Measuring): Promise<Row> {
  const cluster = await startCluster(workload.durability, options.profiles);
  try {
    const load = await startLoad(cluster, workload);
    await warmUp(cluster, options.rampUpSeconds);
    const runs: Figures[] = [];
    for (let run = 0; run < options.runs; run++) {
      const before = await moment();
      load.beginWindow();
      await sleep(options.seconds * 1000);
      const latencies = load.endWindow();
      const after = await moment();
      runs.push(figuresOf(latencies, before, after));
    }
    await load.stop();
    return { workload, runs };
  } finally {
    await cluster.stop();
  }

  async function moment(): Promise<Moment> {
    const replicas = await readCounts(cluster.metrics);
    const { user, system } = process.cpuUsage();
    return { atMs: performance.now(), replicas, clientCpuSeconds: (user + system) / 1e6 };
  }
}

/** Code that has not run often is interpreted and compiled meanwhile, which costs several times the CPU of what is measured here. */
const WARM_BATCHES = 1_000;
const WARM_UP_SECONDS_MAX = 6;

async function warmUp({ metrics }: BenchCluster, seconds: number): Promise<void> {
  const beganMs = performance.now();
  await sleep(seconds * 1000);
  while (performance.now() - beganMs < WARM_UP_SECONDS_MAX * 1000) {
    const [first] = await readCounts(metrics);
    if (first!.batches >= WARM_BATCHES) return;
    await sleep(100);
  }
}

/** The counts are divided by each other, so it does not matter that they were read some milliseconds beside the window. */
export function figuresOf(latencies: Float64Array, before: Moment, after: Moment): Figures {
  const grown = (name: keyof ReplicaCounts): number =>
    after.replicas.reduce((sum, counts, i) => sum + counts[name] - before.replicas[i]![name], 0);
  const replicaCount = after.replicas.length;
  const batches = grown('batches');
  const operations = grown('operations');
  const thousands = operations / replicaCount / 1000;
  const perBatch = (name: keyof ReplicaCounts): number => grown(name) / batches;
  const seconds = (after.atMs - before.atMs) / 1000;
  return {
    operationsPerSecond: operations / replicaCount / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    replicaCpuPer1000: grown('cpuSeconds') / thousands,
    clientCpuPer1000: (after.clientCpuSeconds - before.clientCpuSeconds) / thousands,
    batchesPerSecond: batches / replicaCount / seconds,
    requestsPerBatch: perBatch('requests'),
    operationsPerBatch: perBatch('operations'),
    signedPerBatch: perBatch('signaturesMade'),
    verifiedPerBatch: perBatch('signaturesVerified'),
    votesVerifiedPerBatch: perBatch('signaturesVerified') - perBatch('requests'),
    rememberedPerBatch: perBatch('signaturesRemembered'),
    groupsPerBatch: perBatch('logGroups'),
    fsyncsPerBatch: perBatch('fileSyncs'),
    framesPerBatch: perBatch('framesSent'),
    writesPerBatch: perBatch('writes'),
    bytesSentPerOperation: grown('bytesSent') / operations,
    logBytesPerOperation: grown('logBytes') / operations,
    replicaRssMiB: Math.max(...after.replicas.map(({ residentBytes }) => residentBytes)) / 2 ** 20,
    clientRssMiB: process.memoryUsage.rss() / 2 ** 20,
  };
}
