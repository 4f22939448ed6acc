/**
 * The state of one replica: plain records, changed only by the handlers beside this file. Each field says what it means and when it
 * changes. `ledger` is what all replicas agree on; everything else is this replica's own view of how far that agreement has come.
 */

import type { LeafStore } from '../../crypto/leaf-store.ts';
import type { Signer } from '../../crypto/port.ts';
import type { Chunk, ServiceFactory, Snapshot } from '../../services/service.ts';
import type { Digest, PublicKey, ReplicaIndex, SequenceNumber, View } from '../../types/identities.ts';
import type { Evidence } from '../accountability/evidence.ts';
import type { Context } from '../context.ts';
import type { FrozenLedger, Ledger, LedgerSnapshot, WindowEntry } from '../ledger.ts';
import type { Batch } from '../messages/batch.ts';
import type {
  CheckpointCertificate,
  CommitCertificate,
  PreparedCertificate,
} from '../messages/certificates.ts';
import type { Checkpoint } from '../messages/checkpoint.ts';
import type { Entry, EntryContent, Head } from '../messages/entry.ts';
import type { Promises, Stable, StateSummary, Want } from '../messages/fetch.ts';
import type { Commit, Header, Prepare } from '../messages/ordering.ts';
import type { Read } from '../messages/reply.ts';
import type { ClientRequest } from '../messages/request.ts';
import type { StatusMessage } from '../messages/status.ts';
import type { JustifiedViewChange, NewView, Suspect } from '../messages/view-change.ts';
import type { BodyStore } from './body-store.ts';
import type { Clock, Output } from './io.ts';
import type { LocalLimits } from './limits.ts';

export interface ReplicaOptions {
  readonly context: Context;
  readonly index: ReplicaIndex;
  /** The key whose public half stands at `index` in the genesis configuration. */
  readonly signer: Signer;
  readonly service: ServiceFactory;
  /** Where L keeps its leaves. */
  readonly leaves: LeafStore;
  readonly limits: LocalLimits;
}

/** One sequence number while it is being agreed on, and until a stable checkpoint covers it. */
export interface Slot {
  readonly sequenceNumber: SequenceNumber;
  /**
   * The header of the highest view seen for s, by this replica's own acceptance or as the primary's word; its body may
   * still be missing.
   */
  header: Header | undefined;
  /** Whether `header` was accepted: persisted with its body, and prepared for unless we are its primary. */
  accepted: boolean;
  /** Whether `header` comes from a NEW-VIEW's O: its time and freshness are not judged again. */
  fromNewView: boolean;
  /** Bodies of s by D(β), whose requests were verified: those of `header` and `prepared`. */
  readonly bodies: Map<string, Batch>;
  /** D(β) of the bodies that the log file holds, so that each is written once. */
  readonly persistedBodies: Set<string>;
  /** Of each replica the PREPARE of its highest view. */
  readonly prepares: Map<ReplicaIndex, Prepare>;
  /** Of each replica the commit vote of its highest view. */
  readonly commits: Map<ReplicaIndex, Commit>;
  /** The prepared certificate of the highest view; part of P while s > C.s. */
  prepared: PreparedCertificate | undefined;
  /** Our commit vote for s of the last view we cast one in, by view. Sent again, never recomputed. Views never fall. */
  readonly ownVotes: Map<View, Commit>;
}

/** One committed sequence number. */
export interface LogEntry {
  readonly batchDigest: Digest;
  readonly hashChainDigest: Digest;
  /** Covers s; its own s may be higher. */
  readonly certificate: CommitCertificate;
  /** Undefined until it is here, and again where the log's file has it and memory has no room. */
  batch: Batch | undefined;
  /** What executing it gave; undefined before. */
  executed: EntryContent | undefined;
  /** The view in which this replica signed, or would sign, the entry. */
  executedView: View;
}

/** A request that waits to be ordered. */
export interface Pending {
  readonly key: string;
  readonly request: ClientRequest;
  readonly digest: Digest;
  readonly bytes: number;
  readonly knownSession: boolean;
  /**
   * When its clock was started: when it became one of the oldest, on entering a view, and while this replica catches up. Undefined
   * while it has none, so that a long queue alone deposes nobody.
   */
  clockStartMs: number | undefined;
  relayed: boolean;
  /** The s of the batch of the current view that holds it. */
  proposedAt: SequenceNumber | undefined;
}

/** A thing this replica lacks and asks peers for, one at a time. */
export interface Wanted {
  readonly key: string;
  readonly want: Want;
  /** Peers to ask, best first; the next is taken in rotation. */
  readonly peers: ReplicaIndex[];
  readonly timeoutMs: number;
  /** How often it was asked for. */
  asked: number;
  /** The FETCH under way. */
  number: number | undefined;
  peer: ReplicaIndex | undefined;
  deadlineMs: number;
}

/** State transfer to a stable checkpoint, stage by stage; undefined fields are not here yet. */
export interface Transfer {
  readonly stable: Stable;
  /** Who offered it. */
  readonly from: ReplicaIndex;
  /** Verified: L at `stable` extends our own L. */
  proved: boolean;
  /** Leaf hashes from `executed` up to the chain window's first. */
  leaves: Digest[];
  window: Map<SequenceNumber, WindowEntry>;
  /** Who sent leaves or window entries: to be blamed together if they do not fit. */
  readonly sources: Set<ReplicaIndex>;
  manifest: Digest[];
  chunks: Map<number, Uint8Array>;
  /** Everything is here and verified; the state was replaced, and its snapshot is being written. */
  installing: boolean;
}

/** The state of a checkpoint whose digests are being computed. */
export interface FrozenCheckpoint extends FrozenLedger {
  readonly windowChunks: readonly Chunk[];
}

/** A checkpoint this replica took, kept while peers may transfer it. */
export interface HeldSnapshot {
  readonly snapshot: LedgerSnapshot;
  durable: boolean;
  /** Until then a peer that transfers it may ask for more of it. */
  leaseUntilMs: number;
}

/** What a peer's last STATUS said, and what was answered. */
export interface PeerStatus {
  status: StatusMessage;
  receivedAtMs: number;
}

export interface Replica {
  readonly options: ReplicaOptions;
  readonly context: Context;
  readonly index: ReplicaIndex;
  readonly limits: LocalLimits;
  /** The replicated state after `ledger.executed`. */
  readonly ledger: Ledger;

  /** The time of the step under way. */
  now: Clock;
  /** The output of the step under way. */
  out: Output;

  // --- Views (view-change.ts) ---
  /** The view this replica is in or, while `changing`, is changing to. Never falls. */
  view: View;
  /** normal: in `view`. changing: it has left all views below `view` and waits for its NEW-VIEW. */
  phase: 'normal' | 'changing';
  /** Signs nothing ever again (docs/protocol.md §7), or nothing about ordering (k > f proved). */
  silence: 'none' | 'ordering' | 'learner';
  /** A primary that restarted in its own view proposes nothing in it. */
  mayPropose: boolean;
  /** Highest SUSPECT of each replica, ours included once it is durable. */
  readonly suspects: Map<ReplicaIndex, Suspect>;
  /** The highest view this replica has asked to abandon; -1 for none. */
  suspectedView: View;
  /** When this replica last joined a suspicion of others. */
  joinedAtMs: number;
  /** VIEW-CHANGEs for the highest view of each replica. */
  readonly viewChanges: Map<ReplicaIndex, JustifiedViewChange>;
  /** Our own last VIEW-CHANGE: the same bytes again. */
  ownViewChange: JustifiedViewChange | undefined;
  /** The NEW-VIEW of the view this replica entered last. */
  newView: NewView | undefined;
  /** N*: the base of `newView`. */
  newViewBase: SequenceNumber;
  /** The last s of O. */
  newViewLast: SequenceNumber;
  /** Whether our chain was shown to lead to C of `newView`, so that O may be prepared. */
  newViewVerified: boolean;
  /** Earlier NEW-VIEWs, kept to name the guilty, with the stable s at which each may go. */
  readonly oldNewViews: { readonly newView: NewView; readonly keptUntil: SequenceNumber }[];
  /** T now. */
  timeoutMs: number;
  /** When the new-view timer fires; undefined while it is not running. */
  newViewDeadlineMs: number | undefined;
  viewEnteredAtMs: number;
  /** Whether a batch was executed since the view was entered. */
  executedInView: boolean;
  /** Whether a clock came above T/4 since the view was entered. */
  slowInView: boolean;

  // --- Ordering (ordering.ts) ---
  readonly slots: Map<SequenceNumber, Slot>;
  /** s that are prepared in `view` and still lack our vote in it. */
  readonly unvoted: Set<SequenceNumber>;
  /** The view in which our own votes contradict our committed chain: no more votes in it. −1: none. Durable, since the votes are deleted. */
  votesStoppedIn: View;
  /** The last s this replica proposed as primary of `view`. */
  proposed: SequenceNumber;
  /** Fresh proposals that are too far ahead of our clock, judged again at each tick. */
  readonly heldProposals: Set<SequenceNumber>;

  // --- Committed and executed (committing.ts, execution.ts) ---
  /** All up to here is committed. ≥ executed. */
  committed: SequenceNumber;
  /** HCD at `committed`. */
  committedDigest: Digest;
  /** The commit certificate of the highest s; undefined at genesis or just after a transfer. */
  commitCertificate: CommitCertificate | undefined;
  /** Committed batches above `logFloor`. */
  readonly log: Map<SequenceNumber, LogEntry>;
  /** Batches at or below are gone; HCD is known at it. */
  logFloor: SequenceNumber;
  /** The bodies that the log's file holds. */
  readonly bodies: BodyStore;
  /** Executed batches whose bodies are in memory, oldest first, with their bytes. */
  readonly executedBodies: Map<SequenceNumber, number>;
  /** The sum of these. */
  executedBodyBytes: number;
  /** A quorum committed beyond what our links reach: links are asked for. */
  unlinked: CommitCertificate | undefined;
  /**
   * The entries this replica recorded before it restarted, above what it has executed since: replay must meet them, and nothing
   * executed is signed below the highest.
   */
  readonly recordedEntries: Map<SequenceNumber, EntryContent>;
  signFloor: SequenceNumber;
  /** Our signed entries of recent s. */
  readonly entries: Map<SequenceNumber, Entry>;
  /** States after each of the last batches, for READs at a given s. */
  readonly recentStates: Map<SequenceNumber, { readonly snapshot: Snapshot; readonly timeMs: number }>;
  readonly heldReads: { readonly from: PublicKey; readonly read: Read }[];

  // --- Requests (requests.ts) ---
  /** By session, or by key and nonce of an OPEN; oldest first. */
  readonly pending: Map<string, Pending>;
  pendingBytes: number;
  readonly pendingPerKey: Map<string, number>;
  /** At the primary: what each backup relayed, oldest first. */
  readonly relayed: Map<ReplicaIndex, Map<string, ClientRequest>>;
  /** When the oldest unproposed request began to wait for company. */
  batchWaitingSinceMs: number | undefined;

  // --- Checkpoints (checkpointing.ts) ---
  /** h. */
  stable: SequenceNumber;
  /** The stable checkpoint before: batches above it are still given to peers. */
  previousStable: SequenceNumber;
  /** The newest checkpoint's state, until its digests are known. */
  frozen: FrozenCheckpoint | undefined;
  /** Our newest CHECKPOINT: sent again, never another for its s. */
  ownCheckpoint: Checkpoint | undefined;
  /** CHECKPOINTs that were signed before a restart, met again by replay. */
  readonly recordedCheckpoints: Map<SequenceNumber, Checkpoint>;
  stableCertificate: CheckpointCertificate | undefined;
  stableSummary: StateSummary | undefined;
  /** CHECKPOINTs above h: by s, by signer. */
  readonly checkpoints: Map<SequenceNumber, Map<ReplicaIndex, Checkpoint>>;
  /** The newest CHECKPOINT of each replica, for STATUS. */
  readonly newestCheckpoint: Map<ReplicaIndex, SequenceNumber>;
  /** Snapshots taken or received, newest last. */
  readonly snapshots: Map<SequenceNumber, HeldSnapshot>;
  /** The newest s whose snapshot is durable here. */
  durableSnapshot: SequenceNumber;

  // --- STATUS, FETCH, transfer (status.ts, fetching.ts, state-transfer.ts) ---
  readonly peers: Map<ReplicaIndex, PeerStatus>;
  statusNumber: number;
  heartbeatAtMs: number;
  /** What the last heartbeat said; an unchanged one is repeated more slowly. */
  heartbeatSummary: string;
  /** Peers that are to get STATUS at the end of this step. */
  readonly statusDue: Set<ReplicaIndex>;
  /** When each peer was last told our STATUS out of turn. */
  readonly statusSentAtMs: Map<ReplicaIndex, number>;
  /** When each peer's STATUS was last answered. */
  readonly answeredAtMs: Map<ReplicaIndex, number>;
  readonly wanted: Map<string, Wanted>;
  readonly fetchNumbers: Map<number, string>;
  nextFetchNumber: number;
  /** Bad answers of each peer; the worse are asked later. */
  readonly demerits: Map<ReplicaIndex, number>;
  /** Something may be missing: recompute what to ask for at the end of this step. */
  gapsDirty: boolean;
  transfer: Transfer | undefined;
  /** Chunks that an earlier process received, by digest; forgotten when a transfer ends. */
  readonly receivedChunks: Map<string, Uint8Array>;
  /** Peers that no longer have what we need to go on batch by batch; cleared by executing one. */
  readonly tooOldAt: Set<ReplicaIndex>;
  /** f+1 peers have not: a stable checkpoint is asked for. */
  wantsTransfer: boolean;
  /** Nothing was committed between the last two heartbeats. */
  commitStalled: boolean;
  committedAtHeartbeat: SequenceNumber;
  /** The newest promises of each replica that we hold: told to it in `yours`, shown to it when it asks. */
  readonly promisesHeld: Map<ReplicaIndex, Promises>;
  /** The newest PREPARE or vote of our own, lexicographically by (v, s). */
  ownPromise: { view: View; sequenceNumber: SequenceNumber };
  /** The highest stable s in the log we started from: promises up to it may be gone, since their records were deleted. */
  promiseFloor: SequenceNumber;
  /** The newest entry that we recorded. */
  ownEntry: SequenceNumber;
  /** Peers whose STATUS has arrived since the start; nothing is signed before Q−1 of them have (docs/protocol.md §7). */
  readonly heardFrom: Set<ReplicaIndex>;
  /** Enough peers were heard: the next step starts signing. */
  mayStart: boolean;
  started: boolean;
  /** V: the newest entry of each replica, verified. */
  readonly versionVector: Map<ReplicaIndex, Entry>;
  /** The newest head of our own history. */
  head: Head | undefined;
  /** What was proved, by kind and signers, so that each is reported once; written again before older records go. */
  readonly evidence: Map<string, Evidence>;
  guilty: Set<ReplicaIndex>;
  /** Peers whose newest entry is of another history, with its s, until their heads were asked for. */
  readonly strangers: Map<ReplicaIndex, SequenceNumber>;
  /** Which pieces each peer was sent over this connection, and when the last one. */
  readonly evidenceSent: Map<ReplicaIndex, { readonly keys: Set<string>; atMs: number }>;
  /** When the last EVIDENCE of each peer was judged. */
  readonly evidenceTakenAtMs: Map<ReplicaIndex, number>;
  /** The same of all clients together. */
  readonly clientEvidenceAtMs: { sent: number; taken: number };
  /** When the driver was last asked to wake us; a tick that is much later means that the process was stopped. */
  wakeAtMs: number;
}
