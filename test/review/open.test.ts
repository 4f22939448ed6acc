/** Limits on what one peer can make a replica do, and what it must not forget about the guilty. */

import { describe, expect, it } from 'vitest';
import { headerStatement } from '../../src/protocol/messages/ordering.ts';
import { reportEvidence } from '../../src/protocol/replica/evidence.ts';
import { step } from '../../src/protocol/replica/index.ts';
import { emptyOutput } from '../../src/protocol/replica/io.ts';
import type { Transfer } from '../../src/protocol/replica/state.ts';
import { onTransferPayload } from '../../src/protocol/replica/state-transfer.ts';
import { makeCluster, put, stateOf, tick } from './support.ts';

describe('limits', () => {
  it('STATUS: a peer that asks a thousand times in a millisecond is not answered as often', () => {
    const cluster = makeCluster({ faulty: [3] });
    tick(cluster, 300);
    expect(put(cluster, 3)).toBe(true);
    const replica = stateOf(cluster, 0);
    const { status } = replica.peers.get(3)!;
    const all = new Uint8Array(status.missingCommits.length).fill(255);
    let answers = 0;
    for (let i = 1; i <= 1000; i++) {
      const message = {
        ...status,
        type: 'status' as const,
        number: status.number + i,
        committed: 0,
        missingHeaders: all,
        missingPrepares: all,
        missingCommits: all,
      };
      const input = { type: 'receive', from: { kind: 'replica', index: 3 }, message } as const;
      answers += step(replica, input, replica.now).promises.length;
    }
    expect(answers).toBeLessThan(100);
  });

  it('evidence that more than f are faulty still stops ordering after a restart', () => {
    const cluster = makeCluster({ faulty: [2, 3] });
    tick(cluster, 300);
    const replica = stateOf(cluster, 0);
    for (const signer of [2, 3]) {
      const header = (byte: number) => {
        const fields = { view: signer, sequenceNumber: 1, batchDigest: new Uint8Array(32).fill(byte) };
        const statement = headerStatement(cluster.context.cluster, fields);
        return { ...fields, signature: cluster.signers[signer]!.sign(statement) };
      };
      replica.out = emptyOutput();
      reportEvidence(replica, { type: 'headers', first: header(1), second: header(2) });
      cluster.disks[0]!.append(replica.out.persist);
    }
    expect(replica.silence).toBe('ordering');
    cluster.disks[0]!.sync(
      () => {},
      () => {},
    );
    tick(cluster, 100);
    cluster.crash(0);
    cluster.restart(0);
    tick(cluster, 1_000);
    expect(stateOf(cluster, 0).silence).toBe('ordering');
  });

  it('state transfer: a peer that gives one leaf where thousands were asked is charged for it', () => {
    const cluster = makeCluster();
    tick(cluster, 300);
    const replica = stateOf(cluster, 0);
    replica.transfer = {
      stable: { checkpoint: { sequenceNumber: 100_000 }, summary: { chunks: 1 } },
      leaves: [],
      window: new Map(),
      sources: new Set(),
      manifest: [],
      chunks: new Map(),
      proved: true,
      installing: false,
    } as unknown as Transfer;
    const payload = { type: 'leaves', from: 0, leaves: [new Uint8Array(32)] } as const;
    const reason = onTransferPayload(replica, 3, { type: 'leaves', from: 0, to: 34_464 }, payload);
    expect(reason).toBeDefined();
  });
});
