/** What the replicas count, read from their metrics. */

import type { Address } from '../src/node/index.ts';

/** Of one replica; all but `residentBytes` only grow. */
export interface ReplicaCounts {
  readonly batches: number;
  readonly requests: number;
  readonly operations: number;
  readonly cpuSeconds: number;
  readonly signaturesMade: number;
  readonly signaturesVerified: number;
  /** Verifications that a remembered signature made unnecessary. */
  readonly signaturesRemembered: number;
  /** Groups of log records made durable, and calls of fdatasync for them. */
  readonly logGroups: number;
  readonly fileSyncs: number;
  readonly logBytes: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  /** Writes to sockets: frames are joined. */
  readonly writes: number;
  readonly residentBytes: number;
}

/** Names as in src/node/metrics.ts; a replica without one of them is not of this version. */
const SAMPLES: Readonly<Record<keyof ReplicaCounts, readonly string[]>> = {
  batches: ['bft2f_events_total{type="executed"}'],
  requests: ['bft2f_requests_total'],
  operations: ['bft2f_operations_total'],
  cpuSeconds: ['bft2f_cpu_seconds_total{mode="user"}', 'bft2f_cpu_seconds_total{mode="system"}'],
  signaturesMade: ['bft2f_signatures_total{how="made"}'],
  signaturesVerified: ['bft2f_signatures_total{how="verified"}'],
  signaturesRemembered: ['bft2f_signatures_total{how="remembered"}'],
  logGroups: ['bft2f_log_total{what="groups"}'],
  fileSyncs: ['bft2f_log_total{what="fileSyncs"}'],
  logBytes: ['bft2f_log_total{what="bytes"}'],
  framesSent: ['bft2f_transport_total{what="framesSent"}'],
  bytesSent: ['bft2f_transport_total{what="bytesSent"}'],
  writes: ['bft2f_transport_total{what="writes"}'],
  residentBytes: ['bft2f_resident_memory_bytes'],
};

export function readCounts(metrics: readonly Address[]): Promise<readonly ReplicaCounts[]> {
  return Promise.all(
    metrics.map(async ({ host, port }) => {
      const response = await fetch(`http://${host}:${port}/metrics`);
      return parseCounts(await response.text());
    }),
  );
}

/** From Prometheus' text format. @throws Error naming a sample that is missing */
export function parseCounts(text: string): ReplicaCounts {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const end = line.lastIndexOf(' ');
    if (!line.startsWith('#') && end > 0) samples.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  const counts = Object.entries(SAMPLES).map(([name, parts]) => [name, sum(parts, samples)]);
  return Object.fromEntries(counts) as ReplicaCounts;
}

function sum(names: readonly string[], samples: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const name of names) {
    const value = samples.get(name);
    // Counters with labels appear with their first event.
    if (value === undefined && !name.startsWith('bft2f_events_total'))
      throw new Error(`the replica's metrics have no ${name}`);
    total += value ?? 0;
  }
  return total;
}
