/** A calm simulated cluster for tests that put single hostile messages into it. */

import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import type { GenesisLimits } from '../../src/protocol/genesis.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { type Suspect, suspectStatement } from '../../src/protocol/messages/view-change.ts';
import type { LocalLimits } from '../../src/protocol/replica/limits.ts';
import type { Replica } from '../../src/protocol/replica/state.ts';
import { encodeKvOperation, kv, kvService } from '../../src/services/kv/index.ts';
import type { BugName } from '../../src/simulator/bugs.ts';
import { makeSimulatedCluster, type SimulatedCluster } from '../../src/simulator/cluster.ts';
import { CALM } from '../../src/simulator/network.ts';
import { makeRandom } from '../../src/simulator/random.ts';

export interface ClusterSettings {
  readonly replicas?: number;
  readonly clients?: number;
  readonly seed?: number;
  readonly genesisLimits?: Partial<GenesisLimits>;
  readonly localLimits?: Partial<LocalLimits>;
  /** Whose lies do not count for the checkers. */
  readonly faulty?: readonly number[];
  readonly bug?: BugName;
}

export function makeCluster(settings: ClusterSettings = {}): SimulatedCluster {
  return makeSimulatedCluster({
    random: makeRandom(settings.seed ?? 1),
    replicas: settings.replicas ?? 4,
    clients: settings.clients ?? 1,
    service: kvService(mixingHash),
    genesisLimits: settings.genesisLimits ?? {},
    localLimits: settings.localLimits ?? {},
    conditions: { ...CALM, delayMinUs: 1_000, delayMaxUs: 1_000, jitterUs: 0 },
    diskTimes: { syncMinUs: 100, syncMaxUs: 100, snapshotMaxUs: 1_000 },
    bug: settings.bug,
    program: (index, correct) =>
      settings.faulty?.includes(index) === true ? { start: correct.start } : correct,
  });
}

export function tick(cluster: SimulatedCluster, ms: number): void {
  cluster.kernel.runUntil(cluster.kernel.nowUs + ms * 1000);
}

export function until(cluster: SimulatedCluster, condition: () => boolean, ms = 60_000): boolean {
  return cluster.kernel.runUntil(cluster.kernel.nowUs + ms * 1000, condition);
}

/** Submits `count` puts, one after the other, and runs until all are answered. */
export function put(cluster: SimulatedCluster, count: number, client = 0, ms = 60_000): boolean {
  for (let i = 0; i < count; i++) {
    let done = false;
    cluster.clients[client]!.submit(encodeKvOperation(kv.put('key', `${i}`)), false, () => {
      done = true;
    });
    if (!until(cluster, () => done, ms)) return false;
  }
  return true;
}

/** The state of a running replica. */
export function stateOf(cluster: SimulatedCluster, index: number): Replica {
  return cluster.replicas[index]!.running!.state!;
}

export function executed(cluster: SimulatedCluster, index: number): number {
  return stateOf(cluster, index).ledger.executed.sequenceNumber;
}

/** A message that replica `from` made up arrives at `to`. */
export function inject(cluster: SimulatedCluster, from: number, to: number, message: Message): void {
  cluster.replicas[to]!.receive({ type: 'receive', from: { kind: 'replica', index: from }, message });
}

export function suspectOf(cluster: SimulatedCluster, replica: number, view: number): Suspect {
  const signature = cluster.signers[replica]!.sign(suspectStatement(cluster.context.cluster, { view }));
  return { view, replica, signature };
}
