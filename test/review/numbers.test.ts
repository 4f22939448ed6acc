/** Numbers at the edge of what the codec allows, from a faulty replica. */

import { describe, expect, it } from 'vitest';
import { type NewView, newViewStatement } from '../../src/protocol/messages/view-change.ts';
import { rejectNewView } from '../../src/protocol/view-change-rules.ts';
import { inject, makeCluster, put, suspectOf, tick } from './support.ts';

const MOST = Number.MAX_SAFE_INTEGER;

describe('a faulty replica sends the largest number there is', () => {
  it('SUSPECT of view 2^53−1 stops nobody', () => {
    const cluster = makeCluster({ faulty: [3] });
    tick(cluster, 500);
    for (const to of [0, 1, 2]) inject(cluster, 3, to, { type: 'suspect', ...suspectOf(cluster, 3, MOST) });
    expect(put(cluster, 3)).toBe(true);
    expect(cluster.violations).toEqual([]);
  });

  it('NEW-VIEW whose VIEW-CHANGEs claim far numbers is refused before O is computed', () => {
    const cluster = makeCluster({ faulty: [3] });
    const { context } = cluster;
    const view = 3;
    const claim = { view: 0, sequenceNumber: 3_000_000, batchDigest: context.cluster.id };
    const fields = {
      view,
      viewChanges: [0, 1, 2].map((replica) => ({
        view,
        base: {
          kind: 'genesis' as const,
          view: 0,
          sequenceNumber: 0,
          hashChainDigest: context.cluster.id,
        },
        prepared: [claim],
        replica,
        signature: new Uint8Array(64),
      })),
      headers: [],
      proofs: { commits: [], checkpoints: [], prepared: [] },
    };
    const signature = cluster.signers[3]!.sign(newViewStatement(context.cluster, context.crypto, fields));
    const newView: NewView = { ...fields, signature };
    expect(rejectNewView(context, newView)).toBe('PREPARED_OUT_OF_WINDOW');
  });
});
