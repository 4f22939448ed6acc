/**
 * Carries out the step contract (protocol/replica/io.ts) on a real disk, real links and real clocks. It is the only one that calls the
 * replica: one input at a time, a bounded number in a turn of the event loop.
 *
 * The first failure is the last thing that happens: nothing more is sent or written, and the owner is told once.
 */

import { decode } from '../codec/index.ts';
import type { Remote, ReplicaTransport } from '../network/replica-transport.ts';
import { messageSchema } from '../protocol/messages/index.ts';
import { type DurableRecord, encodeRecord, isPromise, recordSequenceNumber } from '../protocol/records.ts';
import type { Clock, Input, Output, Party, ReplicaEvent } from '../protocol/replica/io.ts';
import { isStorageError } from '../storage/storage-error.ts';
import type { ReplicaIndex, SequenceNumber } from '../types/identities.ts';
import { createHousekeeping, type Disk } from './housekeeping.ts';
import { type Arrival, createInbox } from './inbox.ts';
import { asNodeError, NodeError } from './node-error.ts';
import { createPost } from './post.ts';
import { createPromiseGate } from './promise-gate.ts';

export interface DriverOptions {
  readonly index: ReplicaIndex;
  readonly replicaCount: number;
  readonly step: (input: Input, clock: Clock) => Output;
  readonly clock: () => Clock;
  readonly disk: Disk;
  readonly links: Pick<ReplicaTransport, 'send' | 'sendToClient' | 'pause' | 'resume'>;
  /** Snapshots that the replica may still hand out to peers. */
  readonly heldSnapshots: () => ReadonlySet<SequenceNumber>;
  readonly onEvent: (event: ReplicaEvent) => void;
  readonly onMalformed: (from: Party, reason: string) => void;
  /** Default 8 MiB: a smaller log is left in one piece. */
  readonly smallLogBytes?: number | undefined;
  /** Called once; the driver has stopped. */
  readonly onFailure: (error: NodeError) => void;
  /** A group became durable. */
  readonly onSynced?: ((durationMs: number) => void) | undefined;
}

export interface Driver {
  /** Carries out what the replica's start gave. Before it, nothing is given to the replica. */
  start(output: Output): void;
  receive(from: Remote, frame: Uint8Array): void;
  connected(peer: ReplicaIndex): void;
  /** Inputs that wait, and frames of clients that were dropped because too many did. */
  readonly inbox: { readonly size: number; readonly dropped: number };
  /** Gives the replica nothing more; resolves when no work on the disk is under way. */
  stop(): Promise<void>;
}

/** Node fires a longer timer at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A log smaller than this is not worth a new segment at each checkpoint. */
const SMALL_LOG_BYTES = 8 * 1024 * 1024;

export function createDriver(options: DriverOptions): Driver {
  const { index, links, clock, smallLogBytes = SMALL_LOG_BYTES } = options;
  const { log } = options.disk;
  let state: 'starting' | 'running' | 'stopped' = 'starting';
  let turn: NodeJS.Immediate | undefined;
  let wake: NodeJS.Timeout | undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;

  const inbox = createInbox(links);
  const post = createPost({
    index,
    replicaCount: options.replicaCount,
    links,
    loopback: (message) => enqueue({ type: 'receive', from: { kind: 'replica', index }, message }),
  });
  const gate = createPromiseGate({
    sync: () => log.sync(),
    release: (promises) => guarded(() => post(promises)),
    onFailure: fail,
    onSynced: options.onSynced,
    nowMs: () => performance.now(),
  });
  const housekeeping = createHousekeeping({
    disk: options.disk,
    onSnapshotDurable: (sequenceNumber) => enqueue({ type: 'snapshot-durable', sequenceNumber }),
    heldSnapshots: options.heldSnapshots,
    onFailure: (error) => {
      if (isStorageError(error, 'DISK_FULL')) sayDiskFull(error);
      else fail(error);
    },
  });

  function halt(): void {
    state = 'stopped';
    clearTimeout(wake);
    if (turn !== undefined) clearImmediate(turn);
    gate.close();
    inbox.clear();
  }

  function fail(error: unknown): void {
    if (state === 'stopped') return;
    halt();
    void housekeeping.close();
    options.onFailure(asNodeError(error));
  }

  /** Nothing that goes wrong in here may be survived: the replica's state may be half changed. */
  function guarded(action: () => void): void {
    if (state === 'stopped') return;
    try {
      action();
    } catch (error) {
      fail(error);
    }
  }

  /** A snapshot found no room. What is left of it may do for asking for another primary; then this replica stops. */
  function sayDiskFull(error: unknown): void {
    give({ type: 'disk-full' });
    gate.flush();
    void gate.idle().then(() => fail(error));
  }

  function enqueue(input: Input): void {
    if (state === 'stopped') return;
    inbox.pushOwn(input);
    scheduleTurn();
  }

  function scheduleTurn(): void {
    if (state === 'running') turn ??= setImmediate(takeTurn);
  }

  function takeTurn(): void {
    turn = undefined;
    const isMore = inbox.turn((item) => {
      const input = 'frame' in item ? inputOf(item) : item;
      if (input !== undefined) give(input);
      return state === 'running';
    });
    // After a whole turn, so that its promises share a sync.
    gate.flush();
    if (isMore) scheduleTurn();
  }

  /** Undefined, and counted, if the bytes are no message. */
  function inputOf({ from, frame }: Arrival): Input | undefined {
    const party = partyOf(from);
    const decoded = decode(messageSchema, frame);
    if (decoded.ok) return { type: 'receive', from: party, message: decoded.value };
    options.onMalformed(party, decoded.error.reason);
    return undefined;
  }

  function give(input: Input): void {
    guarded(() => carryOut(options.step(input, clock())));
  }

  function carryOut(output: Output): void {
    append(output.persist);
    // Behind the step's own records, so that a later segment than all it replaces holds it.
    if (output.discardBelow !== undefined) {
      if (log.bytes > smallLogBytes) log.rotate();
      append(output.carry);
    }
    post(output.sends);
    gate.hold(output.promises);
    for (const chunk of output.receivedChunks) housekeeping.keepChunk(chunk);
    for (const snapshot of output.snapshots) housekeeping.writeSnapshot(snapshot);
    if (output.transferEnded) housekeeping.endTransfer();
    if (output.discardBelow !== undefined) housekeeping.discardBelow(output.discardBelow);
    for (const event of output.events) show(event);
    sleepUntil(output.wakeAtMs);
  }

  function append(records: readonly DurableRecord[]): void {
    if (records.length === 0) return;
    for (const record of records) {
      const payload = encodeRecord(record);
      log.append({
        // The tag that begins the payload names the type of record.
        kind: payload[0]!,
        sequenceNumber: recordSequenceNumber(record),
        payload,
        mirrored: isPromise(record),
      });
    }
    gate.noteAppended();
  }

  function show(event: ReplicaEvent): void {
    options.onEvent(event);
    if (event.type !== 'diverged') return;
    throw new NodeError(
      'DIVERGED',
      `the state after batch ${event.sequenceNumber} differs from what f+1 other replicas agree on: this disk or machine is damaged, or the service is not deterministic. Give the replica a new key and an empty data directory.`,
    );
  }

  function sleepUntil(atMs: number): void {
    if (atMs === wakeAtMs && wake !== undefined) return;
    clearTimeout(wake);
    wake = undefined;
    wakeAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, Math.ceil(atMs - clock().monotonicMs));
    wake = setTimeout(onWake, Math.min(delayMs, TIMER_MS_MAX));
  }

  /** Too early, if the time is farther away than a timer reaches or the clocks differ: then the replica asks for the same time again. */
  function onWake(): void {
    wake = undefined;
    give({ type: 'tick' });
    gate.flush();
  }

  return {
    inbox,
    start(output) {
      state = 'running';
      guarded(() => carryOut(output));
      gate.flush();
      if (inbox.size > 0) scheduleTurn();
    },
    receive(from, frame) {
      if (state === 'stopped') return;
      inbox.push({ from, frame });
      scheduleTurn();
    },
    connected: (peer) => enqueue({ type: 'connected', peer }),
    async stop() {
      halt();
      await Promise.all([gate.idle(), housekeeping.close()]);
    },
  };
}

function partyOf(from: Remote): Party {
  return from.role === 'replica'
    ? { kind: 'replica', index: from.index }
    : { kind: 'client', key: from.publicKey };
}
