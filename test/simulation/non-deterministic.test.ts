/** A service that is not deterministic breaks every promise but one: no correct replica is named for it. */

import { describe, expect, it } from 'vitest';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import { simpleService } from '../../src/services/simple.ts';
import { makeSimulatedCluster, type SimulatedCluster } from '../../src/simulator/cluster.ts';
import { CALM } from '../../src/simulator/network.ts';
import { makeRandom, type Random } from '../../src/simulator/random.ts';

/** Counts operations, and now and then one more: each instance of it, each replay, otherwise. */
function moody(random: Random) {
  return simpleService<number>(
    {
      initial: 0,
      apply(state) {
        const next = state + (random.chance(1, 10) ? 2 : 1);
        return { state: next, result: Uint8Array.of(next & 255) };
      },
      encode: (state) => Uint8Array.of(state >> 8, state & 255),
      decode: ([high = 0, low = 0]) => ({ ok: true, value: high * 256 + low }),
    },
    mixingHash,
  );
}

/** Four replicas under load, crashed and started again one after the other. */
function run(seed: number): SimulatedCluster {
  const random = makeRandom(seed);
  const cluster = makeSimulatedCluster({
    random,
    replicas: 4,
    clients: 2,
    service: moody(random.fork('moods')),
    genesisLimits: { checkpointInterval: 4, watermarkWindow: 16, pipelineWindow: 4 },
    localLimits: { requestTimeoutMs: 300, requestTimeoutMaxMs: 2_000 },
    conditions: CALM,
  });
  for (const client of cluster.clients) {
    for (let i = 0; i < 20; i++)
      cluster.kernel.schedule(i * 150_000, () => client.submit(Uint8Array.of(i), false, () => undefined));
  }
  for (let i = 0; i < 8; i++) {
    cluster.kernel.schedule((500 + 700 * i) * 1000, () => cluster.crash(i % 4));
    cluster.kernel.schedule((800 + 700 * i) * 1000, () => cluster.restart(i % 4));
  }
  cluster.kernel.runUntil(15_000_000);
  return cluster;
}

describe('docs/protocol.md §9: evidence names nobody for a service that is not deterministic', () => {
  const runs = Array.from({ length: 30 }, (_, seed) => run(seed));

  it.each(runs.map((cluster, seed) => ({ seed, cluster })))('seed $seed', ({ cluster }) => {
    const properties = cluster.violations.map(({ property }) => property);
    expect(properties).not.toContain('no framing');
    expect(properties).not.toContain('no equivocation');
  });

  it('though replicas execute differently', () => {
    const all = runs.flatMap((cluster) => cluster.violations.map(({ property }) => property));
    expect(all).toContain('agreement');
  });
});
