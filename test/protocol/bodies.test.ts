/** Bodies of executed batches leave memory, and are read from the log when someone needs them (docs/protocol.md §7). */

import { describe, expect, it } from 'vitest';
import type { Replica } from '../../src/protocol/replica/state.ts';
import { executed, makeCluster, put, stateOf, tick, until } from '../review/support.ts';

/** The s of executed batches whose bodies are in memory. */
function inMemory(replica: Replica): number[] {
  return [...replica.log].flatMap(([s, { batch, executed: entry }]) => {
    const isHeld = batch !== undefined || (replica.slots.get(s)?.bodies.size ?? 0) > 0;
    return entry !== undefined && isHeld ? [s] : [];
  });
}

describe('bodies of executed batches', () => {
  it('leave memory, the oldest first, when together they have more bytes than the limit', () => {
    const cluster = makeCluster({ localLimits: { bodyBytesMax: 1_000 } });
    tick(cluster, 300);
    expect(put(cluster, 20)).toBe(true);
    tick(cluster, 1_000);
    const replica = stateOf(cluster, 0);
    expect(replica.log.size).toBe(21);
    expect(replica.executedBodyBytes).toBeLessThanOrEqual(1_000);
    const held = inMemory(replica);
    expect(held.length).toBeGreaterThan(1);
    expect(held).toEqual(Array.from({ length: held.length }, (_, i) => 22 - held.length + i));
    expect([...replica.executedBodies.keys()]).toEqual(held);
  });

  it('stay, if there is room', () => {
    const cluster = makeCluster();
    tick(cluster, 300);
    expect(put(cluster, 20)).toBe(true);
    expect(inMemory(stateOf(cluster, 0))).toHaveLength(21);
  });

  it('are given to a peer that lacks them, from the log', () => {
    const cluster = makeCluster({ localLimits: { bodyBytesMax: 0 } });
    tick(cluster, 300);
    cluster.cut([3], [0, 1, 2]);
    cluster.cut([0, 1, 2], [3]);
    expect(put(cluster, 20)).toBe(true);
    tick(cluster, 1_000);
    expect(inMemory(stateOf(cluster, 0))).toEqual([]);
    cluster.heal();
    expect(until(cluster, () => executed(cluster, 3) === 21)).toBe(true);
    expect(cluster.violations).toEqual([]);
  });

  it('are executed again after a restart without staying in memory', () => {
    const cluster = makeCluster({ localLimits: { bodyBytesMax: 0 } });
    tick(cluster, 300);
    expect(put(cluster, 20)).toBe(true);
    tick(cluster, 1_000);
    for (const i of [0, 1, 2, 3]) cluster.crash(i);
    for (const i of [0, 1, 2, 3]) cluster.restart(i);
    expect([0, 1, 2, 3].map((i) => executed(cluster, i))).toEqual([21, 21, 21, 21]);
    expect(inMemory(stateOf(cluster, 0))).toEqual([]);
    expect(put(cluster, 1)).toBe(true);
    expect(cluster.violations).toEqual([]);
  });

  it('are missing once the log has them damaged: others are asked, and nobody is given a wrong one', () => {
    const cluster = makeCluster({ localLimits: { bodyBytesMax: 0 } });
    tick(cluster, 300);
    cluster.cut([3], [0, 1, 2]);
    cluster.cut([0, 1, 2], [3]);
    expect(put(cluster, 20)).toBe(true);
    tick(cluster, 1_000);
    for (let i = 0; i < 10; i++) {
      for (const replica of [0, 1]) expect(cluster.disks[replica]!.damage('body')).toBe('body');
    }
    cluster.heal();
    expect(until(cluster, () => executed(cluster, 3) === 21)).toBe(true);
    expect(cluster.violations).toEqual([]);
  });
});
