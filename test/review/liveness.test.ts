/** What one faulty replica or client must not be able to hold up. */

import { describe, expect, it } from 'vitest';
import type { ClientRequest } from '../../src/protocol/messages/request.ts';
import { collectGarbage } from '../../src/protocol/replica/checkpointing.ts';
import { step } from '../../src/protocol/replica/index.ts';
import { castVotes } from '../../src/protocol/replica/ordering.ts';
import { pendingKey } from '../../src/protocol/replica/requests.ts';
import type { Transfer } from '../../src/protocol/replica/state.ts';
import { restartTransfer, transferNeeds, wantTransfer } from '../../src/protocol/replica/state-transfer.ts';
import { inject, makeCluster, put, stateOf, tick, until } from './support.ts';

describe('liveness', () => {
  it('a message in every millisecond does not put off the clocks', () => {
    const cluster = makeCluster();
    tick(cluster, 300);
    const replica = stateOf(cluster, 0);
    const base = replica.now;
    let status = 0;
    // As the contract allows: what arrives first in a millisecond is given first, and its answer moves the tick.
    for (let ms = 1; ms <= 5_000; ms++) {
      const clock = { monotonicMs: base.monotonicMs + ms, wallMs: base.wallMs + ms };
      const message = { type: 'relay', request: {} as ClientRequest } as const;
      const output = step(replica, { type: 'receive', from: { kind: 'replica', index: 77 }, message }, clock);
      status += [...output.sends, ...output.promises].filter((it) => it.message.type === 'status').length;
    }
    expect(status).toBeGreaterThan(3);
  });

  it('two clients that name one session do not take each other’s place', () => {
    const common = {
      type: 'request' as const,
      session: { sequenceNumber: 1, index: 0 },
      timestamp: 1,
      operations: [],
      seen: { sequenceNumber: 0, hashChainDigest: new Uint8Array(32) },
      signature: new Uint8Array(64),
    };
    const one = pendingKey({ ...common, client: new Uint8Array(32).fill(1) });
    const other = pendingKey({ ...common, client: new Uint8Array(32).fill(2) });
    expect(one).not.toBe(other);
  });

  it('a vote that was never cast goes with its slot', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4 } });
    tick(cluster, 300);
    expect(put(cluster, 12)).toBe(true);
    tick(cluster, 300);
    const replica = stateOf(cluster, 1);
    expect(replica.stable).toBeGreaterThanOrEqual(12);
    // Prepared in a view that was history already when the vote was due, and forgotten since.
    replica.unvoted.add(2);
    replica.logFloor = 1;
    collectGarbage(replica);
    expect(() => castVotes(replica)).not.toThrow();
    expect(replica.unvoted.size).toBe(0);
  });

  it('who offers a checkpoint that nobody can complete is asked last the next time', () => {
    const cluster = makeCluster({ genesisLimits: { checkpointInterval: 4 } });
    tick(cluster, 300);
    expect(put(cluster, 12)).toBe(true);
    const replica = stateOf(cluster, 3);
    replica.wantsTransfer = true;
    const before = transferNeeds(replica)[0]!.peers[0]!;
    replica.transfer = { from: before, chunks: new Map() } as Transfer & { from: number };
    restartTransfer(replica);
    expect(transferNeeds(replica)[0]!.peers[0]).not.toBe(before);
  });

  /** Found by simulation: it never transferred as long as there was load, and its log grew beyond every bound. */
  it.each([
    { bug: undefined, transfers: true },
    { bug: 'too old forgotten' as const, transfers: false },
  ])(
    'links that arrive do not make a replica forget who no longer has the bodies it needs, but with the bug "$bug"',
    ({ bug, transfers }) => {
      const cluster = makeCluster(bug === undefined ? {} : { bug });
      tick(cluster, 300);
      expect(put(cluster, 1)).toBe(true);
      const replica = stateOf(cluster, 3);
      cluster.network.intercept = ({ to, message }) =>
        to === 3 &&
        (message.type === 'pre-prepare' || (message.type === 'fetched' && message.payload.type === 'bodies'));
      for (const peer of [0, 1]) {
        const before = replica.committed;
        expect(put(cluster, 1)).toBe(true);
        expect(until(cluster, () => replica.committed > before)).toBe(true);
        wantTransfer(replica, peer, 1_000);
      }
      expect(replica.ledger.executed.sequenceNumber).toBeLessThan(replica.committed);
      tick(cluster, 1);
      expect(replica.wantsTransfer).toBe(transfers);
    },
  );

  /** Found by simulation, with one replica: it went on proposing at the time that its clock had shown for a second, and held its own proposals for an hour. */
  it.each([1, 4])(
    'a clock that was an hour ahead for a while stops nothing, in a cluster of %i',
    (replicas) => {
      const cluster = makeCluster({ replicas });
      tick(cluster, 300);
      expect(put(cluster, 1)).toBe(true);
      for (const driver of cluster.replicas) driver.clockJumpMs = 3_600_000;
      expect(put(cluster, 1)).toBe(true);
      for (const driver of cluster.replicas) driver.clockJumpMs = 0;
      expect(put(cluster, 1, 0, 500)).toBe(true);
    },
  );

  it('lies about views do not hide the replicas that entered the next one', () => {
    const cluster = makeCluster({ replicas: 10, faulty: [7, 8, 9] });
    tick(cluster, 300);
    expect(put(cluster, 1)).toBe(true);
    const replica = stateOf(cluster, 1);
    const { status } = replica.peers.get(0)!;
    const number = 1_000_000;
    inject(cluster, 0, 1, { type: 'status', ...status, number, view: 10 });
    for (const liar of [7, 8, 9]) {
      inject(cluster, liar, 1, { type: 'status', ...status, number, newest: undefined, view: 1000 + liar });
    }
    expect([...replica.wanted.keys()].some((key) => key.startsWith('new-view:10:'))).toBe(true);
  });
});
