/** What a restart must not forget, and what it must not take for a loss. */

import { describe, expect, it } from 'vitest';
import { makePacketRules } from '../../src/simulator/packet-rules.ts';
import { executed, inject, makeCluster, put, stateOf, tick, until } from './support.ts';

const ANY = { from: undefined, to: undefined, type: undefined, view: undefined, sequenceNumber: undefined };

describe('restart', () => {
  it('a snapshot that is durable but not stable does not hide the commit certificate at its s', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4 } });
    const rules = makePacketRules(cluster.kernel, cluster.network, 1_000);
    rules.add({ action: 'drop', selector: { ...ANY, type: 'checkpoint' } });
    tick(cluster, 300);
    expect(put(cluster, 3)).toBe(true); // OPEN and three puts: s = 4.
    expect(until(cluster, () => [0, 1, 2, 3].every((i) => executed(cluster, i) === 4))).toBe(true);
    tick(cluster, 100);
    for (const i of [0, 1, 2, 3]) cluster.crash(i);
    for (const i of [0, 1, 2, 3]) cluster.restart(i);
    tick(cluster, 500);
    const heights = [0, 1, 2, 3].map((i) => stateOf(cluster, i).commitCertificate?.sequenceNumber);
    expect(put(cluster, 2)).toBe(true);
    expect(cluster.violations).toEqual([]);
    expect(heights).toEqual([4, 4, 4, 4]);
  });

  it('promises that a stable checkpoint covers may be forgotten: no learner for it', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4, watermarkWindow: 16 } });
    tick(cluster, 300);
    for (let round = 0; round < 4; round++) {
      // It votes up to a checkpoint, then others go on to the next but one while it hears nothing.
      expect(put(cluster, round === 0 ? 7 : 1)).toBe(true);
      tick(cluster, 500);
      cluster.cut([3], [0, 1, 2]);
      cluster.cut([0, 1, 2], [3]);
      expect(put(cluster, 7)).toBe(true);
      cluster.heal();
      expect(until(cluster, () => executed(cluster, 3) === executed(cluster, 0))).toBe(true);
      tick(cluster, 1_500);
    }
    cluster.crash(3);
    cluster.restart(3);
    tick(cluster, 2_000);
    expect(stateOf(cluster, 3).silence).toBe('none');
    expect(cluster.violations).toEqual([]);
  });

  it('one faulty peer cannot make a learner of a correct replica', () => {
    const cluster = makeCluster({ faulty: [3] });
    tick(cluster, 300);
    expect(put(cluster, 2)).toBe(true);
    const { status } = stateOf(cluster, 0).peers.get(3)!;
    const yours = { view: 9, sequenceNumber: 9, entry: 99, suspect: 9 };
    for (const to of [0, 1, 2]) {
      inject(cluster, 3, to, { type: 'status', ...status, number: status.number + 100, yours });
    }
    expect([0, 1, 2].map((i) => stateOf(cluster, i).silence)).toEqual(['none', 'none', 'none']);
    expect(put(cluster, 2)).toBe(true);
  });

  it('the CHECKPOINT of a restarted replica counts for itself, too', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4, watermarkWindow: 4 } });
    const rules = makePacketRules(cluster.kernel, cluster.network, 1_000);
    rules.add({ action: 'drop', selector: { ...ANY, type: 'checkpoint' } });
    tick(cluster, 300);
    expect(put(cluster, 3)).toBe(true);
    expect(until(cluster, () => [0, 1, 2].every((i) => executed(cluster, i) === 4))).toBe(true);
    tick(cluster, 100);
    for (const i of [0, 1, 2, 3]) cluster.crash(i);
    rules.clear();
    for (const i of [0, 1, 2]) cluster.restart(i);
    tick(cluster, 3_000);
    expect([0, 1, 2].map((i) => stateOf(cluster, i).stable)).toEqual([4, 4, 4]);
    expect(put(cluster, 2)).toBe(true);
  });

  it('requests that a transfer skipped wait no longer', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4, watermarkWindow: 16 } });
    tick(cluster, 300);
    expect(put(cluster, 2)).toBe(true);
    cluster.cut([3], [0, 1, 2]);
    cluster.cut([0, 1, 2], [3]);
    expect(put(cluster, 1)).toBe(true);
    expect(stateOf(cluster, 3).pending.size).toBe(1);
    // The client's later requests do not reach it: the first one stays.
    cluster.cut([4], [3]);
    expect(put(cluster, 60)).toBe(true);
    cluster.heal();
    expect(until(cluster, () => executed(cluster, 3) === executed(cluster, 0))).toBe(true);
    tick(cluster, 3_000);
    expect(stateOf(cluster, 3).pending.size).toBe(0);
  });

  it('a peer that restarted unheard is heard again', () => {
    const cluster = makeCluster();
    tick(cluster, 20_000);
    const { status } = stateOf(cluster, 0).peers.get(3)!;
    expect(status.number).toBeGreaterThan(20);
    cluster.cut([3], [0]);
    cluster.crash(3);
    cluster.restart(3);
    tick(cluster, 3_000);
    cluster.heal();
    tick(cluster, 3_000);
    expect(stateOf(cluster, 0).peers.get(3)!.status.number).toBeLessThan(status.number + 1);
    expect(stateOf(cluster, 0).peers.get(3)!.receivedAtMs).toBeGreaterThan(23_000);
  });
});
