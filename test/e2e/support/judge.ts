/**
 * The same judgement after every scenario, through what clients and operators can see: nothing acknowledged is lost, correct replicas
 * agree, the history is linearizable, nobody was proved faulty, no process ended by itself.
 */

import { expect } from 'vitest';
import { kv } from '../../../src/client/index.ts';
import type { NodeStatus } from '../../../src/node/index.ts';
import { checkLinearizable } from '../../../src/simulator/linearizability.ts';
import { kvModel } from '../../../src/simulator/workload.ts';
import { brief, type Cluster } from './cluster.ts';
import { connectTo, type Load, type LoadResult } from './load.ts';
import { until } from './wait.ts';

export interface Circumstances {
  /** Replicas that run: all unless it says otherwise. */
  readonly among?: readonly number[];
  /** Whether operations may have ended without an answer: only if the scenario left no quorum for longer than a deadline. */
  readonly unanswered?: boolean;
}

export async function judge(
  cluster: Cluster,
  load: Load,
  { among = cluster.indices, unanswered = false }: Circumstances = {},
): Promise<LoadResult> {
  const result = await load.stop();
  if (!unanswered) expect(result.failures.map(String)).toEqual([]);
  expect(cluster.surprises()).toEqual([]);
  await readBack(cluster, result.written);
  const statuses = await agreement(cluster, among);
  for (const { index, guilty, evidence } of statuses) {
    expect({ index, guilty, evidence }).toEqual({ index, guilty: [], evidence: 0 });
  }
  expect(checkLinearizable(kvModel, result.history)).toEqual({ type: 'linearizable' });
  expect(result.written.size).toBeGreaterThan(0);
  expect(cluster.surprises()).toEqual([]);
  return result;
}

/** Waits until the replicas have executed equally much, and then holds them to the same history and state. */
export async function agreement(
  cluster: Cluster,
  among: readonly number[] = cluster.indices,
): Promise<readonly NodeStatus[]> {
  const statuses = await until(`replicas ${among.join(', ')} have executed equally much`, async () => {
    const all = await Promise.all(among.map((index) => cluster.status(index)));
    if (new Set(all.map(({ executed }) => executed)).size === 1) return all;
    throw new Error(all.map((status) => JSON.stringify(brief(status))).join('\n'));
  });
  for (const field of ['hashChainDigest', 'logRoot', 'stateDigest'] as const) {
    expect(new Set(statuses.map((status) => status[field])).size, field).toBe(1);
  }
  return statuses;
}

async function readBack(cluster: Cluster, written: ReadonlyMap<string, string>): Promise<void> {
  const client = await connectTo(cluster);
  try {
    const found = new Map<string, string>();
    for await (const { key, value } of kv(client).scan({ prefix: 'w/' })) {
      found.set(Buffer.from(key).toString(), Buffer.from(value).toString());
    }
    const lost = [...written].filter(([key, value]) => found.get(key) !== value).map(([key]) => key);
    expect(lost).toEqual([]);
  } finally {
    await client.close();
  }
}
