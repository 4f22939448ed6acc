/** The state of a running replica as its operator sees it. Nothing here changes it. */

import type { TransportStats } from '../network/replica-transport.ts';
import { primaryOf } from '../protocol/genesis.ts';
import { kthHighest } from '../protocol/quorum.ts';
import type { Replica } from '../protocol/replica/index.ts';
import { toHex } from '../types/bytes.ts';
import type { NodeStatus, PeerReport } from './node-status.ts';
import type { Durability } from './replica-config.ts';

export interface NodeView {
  readonly replica: Replica;
  readonly transport: TransportStats;
  readonly logBytes: number;
  readonly durability: Durability;
  /** On the clock of the replica's steps. */
  readonly nowMs: number;
  readonly uptimeMs: number;
  readonly pid: number;
}

/** Started, and no further behind than f+1 peers: at least one correct one has committed no more (docs/protocol.md §7, "Start"). */
export function isReady(replica: Replica): boolean {
  if (!replica.started || replica.silence === 'learner') return false;
  const { replicaCount, maxFaulty } = replica.context.cluster.thresholds;
  if (replicaCount === 1) return true;
  const committed = [...replica.peers.values()].map(({ status }) => status.committed);
  const target = kthHighest(committed, maxFaulty + 1);
  return target !== undefined && replica.ledger.executed.sequenceNumber >= target;
}

export function statusOf(view: NodeView): NodeStatus {
  const { replica, transport } = view;
  const { cluster } = replica.context;
  const { executed } = replica.ledger;
  const suspects = [...replica.suspects.values()].filter((suspect) => suspect.view >= replica.view);
  return {
    index: replica.index,
    clusterId: toHex(cluster.id),
    name: cluster.genesis.name,
    service: cluster.genesis.service,
    started: replica.started,
    ready: isReady(replica),
    view: replica.view,
    phase: replica.phase,
    silence: replica.silence,
    primary: primaryOf(cluster, replica.view),
    committed: replica.committed,
    executed: executed.sequenceNumber,
    stable: replica.stable,
    hashChainDigest: toHex(executed.hashChainDigest),
    logRoot: toHex(executed.logRoot),
    stateDigest: toHex(replica.ledger.service.snapshot().digest()),
    peers: peerReports(view),
    suspectedView: replica.suspectedView,
    suspects: suspects.map((suspect) => suspect.replica).sort((a, b) => a - b),
    timeoutMs: replica.timeoutMs,
    pendingRequests: replica.pending.size,
    sessions: replica.ledger.sessions.byAge.size,
    guilty: [...replica.guilty].sort((a, b) => a - b),
    evidence: replica.evidence.size,
    logBytes: view.logBytes,
    durability: view.durability,
    uptimeMs: Math.round(view.uptimeMs),
    pid: view.pid,
    transport,
  };
}

function peerReports({ replica, transport, nowMs }: NodeView): PeerReport[] {
  const reports: PeerReport[] = [];
  for (const [index, { connected }] of transport.peers.entries()) {
    if (index === replica.index) continue;
    const peer = replica.peers.get(index);
    reports.push({
      index,
      connected,
      heard: peer && {
        view: peer.status.view,
        phase: peer.status.phase,
        committed: peer.status.committed,
        executed: peer.status.executed,
        stable: peer.status.stable,
        lag: replica.ledger.executed.sequenceNumber - peer.status.executed,
        heardMsAgo: Math.max(0, Math.round(nowMs - peer.receivedAtMs)),
      },
    });
  }
  return reports;
}
