/** What a replica says of itself at `/status`, as JSON: digests and keys are in hexadecimal. */

import type { TransportStats } from '../network/replica-transport.ts';
import type { ReplicaIndex, SequenceNumber, View } from '../types/identities.ts';

export interface NodeStatus {
  readonly index: ReplicaIndex;
  readonly clusterId: string;
  readonly name: string;
  readonly service: string;
  /** False until enough peers were heard: nothing is signed before. */
  readonly started: boolean;
  /** Started, and executed ≥ the (f+1)-th highest committed that peers report. */
  readonly ready: boolean;
  readonly view: View;
  readonly phase: 'normal' | 'changing';
  /** `learner`: it signs nothing any more; `ordering`: more than f replicas are proved faulty, so nothing is ordered. */
  readonly silence: 'none' | 'ordering' | 'learner';
  readonly primary: ReplicaIndex;
  readonly committed: SequenceNumber;
  readonly executed: SequenceNumber;
  readonly stable: SequenceNumber;
  /** HCD at `executed`; the cluster's id at 0. */
  readonly hashChainDigest: string;
  /** L at `executed`. */
  readonly logRoot: string;
  /** Σ of the service after `executed`: equal at all correct replicas with the same `executed`. */
  readonly stateDigest: string;
  /** Undefined entries: this replica itself, and peers that were not heard yet. */
  readonly peers: readonly PeerReport[];
  /** The highest view that this replica has asked to abandon; -1 for none. */
  readonly suspectedView: View;
  /** Who asks to abandon the current view, or a later one. */
  readonly suspects: readonly ReplicaIndex[];
  /** T: how long a request may wait before the primary is suspected. */
  readonly timeoutMs: number;
  readonly pendingRequests: number;
  readonly sessions: number;
  /** Replicas that were proved faulty. */
  readonly guilty: readonly ReplicaIndex[];
  /** Pieces of evidence known. */
  readonly evidence: number;
  readonly logBytes: number;
  readonly durability: 'disk' | 'memory';
  readonly uptimeMs: number;
  readonly pid: number;
  readonly transport: TransportStats;
}

/** What the last STATUS of a peer said. */
export interface PeerReport {
  readonly index: ReplicaIndex;
  readonly connected: boolean;
  /** Undefined until it was heard. */
  readonly heard:
    | {
        readonly view: View;
        readonly phase: 'normal' | 'changing' | 'learner';
        readonly committed: SequenceNumber;
        readonly executed: SequenceNumber;
        readonly stable: SequenceNumber;
        /** How many batches it has executed less than this replica; negative if more. */
        readonly lag: number;
        readonly heardMsAgo: number;
      }
    | undefined;
}
