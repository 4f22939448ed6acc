/**
 * One simulated machine with one replica: carries out the step contract (protocol/replica/io.ts) over virtual time, disk and
 * network, and suffers crashes between any two of its steps, pauses, disks that fail and clocks that are wrong.
 */

import type { Message } from '../protocol/messages/index.ts';
import type { Clock, Destination, Input, Output, Send, SnapshotToWrite } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Disk } from './disk.ts';
import type { Kernel, Timer } from './kernel.ts';
import type { Observer } from './observer.ts';
import type { Random } from './random.ts';
import type { ReplicaProgram, RunningReplica } from './replica-program.ts';
import type { Report } from './violation.ts';

/** A machine's clocks. */
export interface ClockErrors {
  /** Its clocks run so much faster, in millionths. */
  readonly driftPpm: number;
  /** Its wall clock is ahead by so much. */
  readonly skewMs: number;
}

/**
 * Where in carrying out a step a process can die: before its records are appended; when they are and none is synced; when they are durable
 * and no promise has left; when some promises have left, to some receivers; when a snapshot is durable and the replica does not know.
 */
export type DyingMoment = (typeof DYING_MOMENTS)[number];

export const DYING_MOMENTS = [
  'before-append',
  'before-sync',
  'before-sending',
  'amid-sending',
  'after-snapshot',
] as const;

/** Bugs of drivers, for tests of the checkers: each must make the persist-before-speak checker report. */
export interface DriverSabotage {
  /** Promises leave without waiting for the disk. */
  readonly skipSync?: boolean;
  /** `body` records are never written. */
  readonly forgetBodies?: boolean;
  /** Snapshots are reported as durable before they are written. */
  readonly hastySnapshots?: boolean;
}

export interface ReplicaDriverOptions {
  readonly index: ReplicaIndex;
  readonly replicas: number;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly program: ReplicaProgram;
  readonly disk: Disk;
  readonly clockErrors: ClockErrors;
  readonly observer: Required<Observer>;
  readonly report: Report;
  /** Hands a message to the network; never to the replica itself. */
  readonly send: (to: Destination, message: Message) => void;
  /** The process has ended by itself, for the reason given; `crash` has been done. */
  readonly onStopped: (reason: string) => void;
  readonly sabotage: DriverSabotage;
}

export interface ReplicaDriver {
  /** Its wall clock is ahead by so much more than usual. */
  clockJumpMs: number;
  readonly state: 'up' | 'down' | 'paused' | 'broken';
  readonly running: RunningReplica | undefined;
  /** Starts the process on what the disk holds. */
  start(): void;
  /** The process dies, and what was not synced with it. */
  crash(): void;
  /** The process stops running but lives on (SIGSTOP); what arrives waits. */
  pause(): void;
  resume(): void;
  receive(input: Input): void;
  /** The process dies at such a moment after `skip` others; undefined takes it back. */
  doom(moment: DyingMoment | undefined, skip: number): void;
}

/** Virtual time 0 on the wall: an arbitrary instant of 2025. */
export const WALL_ORIGIN_MS = 1_750_000_000_000;

/** What a paused process's sockets hold; the rest is lost. */
const BACKLOG_MAX = 4096;

/** More ticks than this within a millisecond are a loop that goes nowhere. */
const TICKS_PER_MS_MAX = 50;

/** Records that nothing waits for are synced with the next that do, or after so long. */
const LAZY_SYNC_US = 20_000;

export function makeReplicaDriver(options: ReplicaDriverOptions): ReplicaDriver {
  const { index, kernel, random, disk, observer, sabotage } = options;
  let state: ReplicaDriver['state'] = 'down';
  let running: RunningReplica | undefined;
  /** Counts processes and pauses: what belongs to an earlier one is dropped. */
  let process = 0;
  let startedAtUs = 0;
  let wake: Timer | undefined;
  /** Promises that wait for the disk, with the position up to which it must be synced. */
  let waiting: { readonly position: number; readonly promises: readonly Send[] }[] = [];
  let syncing = false;
  let lazySync: Timer | undefined;
  let snapshots: SnapshotToWrite[] = [];
  let writingSnapshot = false;
  let backlog: (() => void)[] = [];
  let ticks = { atMs: -1, count: 0 };
  let doomed: { readonly moment: DyingMoment; skip: number } | undefined;

  function clock(): Clock {
    const localUs = localElapsedUs();
    return {
      monotonicMs: Math.floor(localUs / 1000),
      wallMs:
        WALL_ORIGIN_MS + options.clockErrors.skewMs + driver.clockJumpMs + Math.floor(kernel.nowUs / 1000),
    };
  }

  function localElapsedUs(): number {
    const elapsedUs = kernel.nowUs - startedAtUs;
    return elapsedUs + Math.floor((elapsedUs * options.clockErrors.driftPpm) / 1_000_000);
  }

  /** What happens to a process: now if it runs, when it resumes if it is stopped, never if it has died. */
  function inProcess(action: () => void): () => void {
    const begun = process;
    return () => {
      if (begun !== process) return;
      if (state === 'paused') {
        if (backlog.length < BACKLOG_MAX) backlog.push(action);
      } else action();
    };
  }

  /** A correct replica never throws; if it does, it stays down. */
  function guarded(action: () => Output): void {
    try {
      carryOut(action());
    } catch (error) {
      process++;
      state = 'broken';
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      options.report('crash', 'crash', `replica ${index} stopped: ${text}`);
    }
  }

  function input(what: Input): void {
    if (running === undefined || state !== 'up') return;
    const { step } = running;
    guarded(() => step(what, clock()));
    observer.onStep(index);
  }

  /** The process ends by itself. */
  function stop(reason: string): void {
    driver.crash();
    options.onStopped(reason);
  }

  function diesHere(moment: DyingMoment): boolean {
    if (doomed?.moment !== moment || doomed.skip-- > 0) return false;
    doomed = undefined;
    stop(`it dies (${moment})`);
    return true;
  }

  function carryOut(output: Output): void {
    const begun = process;
    const records = output.persist.length > 0;
    if (records && diesHere('before-append')) return;
    disk.append(
      sabotage.forgetBodies ? output.persist.filter((record) => record.type !== 'body') : output.persist,
    );
    for (const event of output.events) observer.onEvent(index, event);
    if (records && diesHere('before-sync')) return;
    emit(output.sends);
    if (output.promises.length > 0) {
      if (sabotage.skipSync) emit(output.promises);
      else waiting.push({ position: disk.appended, promises: output.promises });
    }
    if (output.discardBelow !== undefined) discard(output.discardBelow, output);
    speak();
    if (begun !== process) return;
    for (const chunk of output.receivedChunks) disk.keepChunk(chunk);
    if (output.transferEnded) disk.endTransfer();
    snapshots.push(...output.snapshots);
    writeNextSnapshot();
    sleepUntil(output.wakeAtMs);
  }

  function emit(sends: readonly Send[]): void {
    for (const { to, message } of sends) {
      const isOwn = to.kind === 'replica' && to.index === index;
      if (isOwn || to.kind === 'all') {
        kernel.schedule(
          0,
          inProcess(() => loopback(message)),
        );
      }
      if (!isOwn) options.send(to, message);
    }
  }

  function loopback(message: Message): void {
    input({ type: 'receive', from: { kind: 'replica', index }, message });
  }

  /** Sends the promises whose records are durable, and has the disk synced for the others. */
  function speak(): void {
    while (waiting[0] !== undefined && waiting[0].position <= disk.synced) {
      const { promises } = waiting.shift()!;
      if (doomed?.moment === 'amid-sending' && doomed.skip === 0) emit(someOf(promises));
      if (diesHere('before-sending') || diesHere('amid-sending')) return;
      emit(promises);
    }
    if (syncing || disk.synced === disk.appended) return;
    if (waiting.length > 0) sync();
    else lazySync ??= kernel.schedule(LAZY_SYNC_US, inProcess(sync));
  }

  /** What has left when the process dies while it sends: a part, and the last of it to one receiver. */
  function someOf(promises: readonly Send[]): readonly Send[] {
    const some = promises.slice(0, 1 + random.below(promises.length));
    const last = some.pop()!;
    if (last.to.kind !== 'all' && last.to.kind !== 'others') return [...some, last];
    const receiver = (index + 1 + random.below(options.replicas)) % options.replicas;
    return receiver === index ? some : [...some, { ...last, to: { kind: 'replica', index: receiver } }];
  }

  function sync(): void {
    lazySync?.cancel();
    lazySync = undefined;
    if (syncing) return;
    syncing = true;
    disk.sync(
      inProcess(() => {
        syncing = false;
        speak();
      }),
      inProcess(syncFailed),
    );
  }

  /** A sync is never tried again: what the kernel still holds after a failed one, nobody knows. */
  const syncFailed = () => stop('its disk refused a sync');

  function discard(below: number, output: Output): void {
    const position = disk.appended;
    disk.append(output.carry);
    disk.sync(
      inProcess(() => disk.discard(below, position)),
      inProcess(syncFailed),
    );
  }

  function writeNextSnapshot(): void {
    const next = snapshots[0];
    if (next === undefined || writingSnapshot) return;
    writingSnapshot = true;
    if (sabotage.hastySnapshots) {
      const { sequenceNumber } = next;
      kernel.schedule(
        0,
        inProcess(() => input({ type: 'snapshot-durable', sequenceNumber })),
      );
    }
    disk.writeSnapshot(
      next,
      inProcess(() => {
        if (diesHere('after-snapshot')) return;
        writingSnapshot = false;
        snapshots.shift();
        input({ type: 'snapshot-durable', sequenceNumber: next.sequenceNumber });
        writeNextSnapshot();
      }),
      inProcess(diskFull),
    );
  }

  /** A snapshot found no room. What is left of it may do for asking for another primary; then this process ends. */
  function diskFull(): void {
    input({ type: 'disk-full' });
    if (state !== 'up') return;
    disk.sync(
      inProcess(() => {
        speak();
        if (state === 'up') stop('its disk is full');
      }),
      inProcess(syncFailed),
    );
  }

  function sleepUntil(wakeAtMs: number): void {
    wake?.cancel();
    wake = undefined;
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    const localUs = Math.max(0, Math.ceil(wakeAtMs * 1000) - localElapsedUs());
    // Rounded up: a tick that comes before its time would only ask for another.
    const delayUs = Math.ceil((localUs * 1_000_000) / (1_000_000 + options.clockErrors.driftPpm)) + 1;
    wake = kernel.schedule(delayUs, inProcess(tick));
  }

  function tick(): void {
    const { monotonicMs } = clock();
    ticks =
      ticks.atMs === monotonicMs ? { ...ticks, count: ticks.count + 1 } : { atMs: monotonicMs, count: 1 };
    if (ticks.count > TICKS_PER_MS_MAX) {
      process++;
      state = 'broken';
      options.report('crash', 'busy loop', `replica ${index} asks to be woken at once, again and again`);
      return;
    }
    observer.onWake(index);
    input({ type: 'tick' });
  }

  const driver: ReplicaDriver = {
    clockJumpMs: 0,
    get state() {
      return state;
    },
    get running() {
      return running;
    },
    start() {
      if (state !== 'down') return;
      process++;
      startedAtUs = kernel.nowUs;
      ticks = { atMs: -1, count: 0 };
      state = 'up';
      guarded(() => {
        const started = options.program.start(disk.recover(), disk.leaves, clock());
        running = started.running;
        return started.output;
      });
    },
    crash() {
      if (state !== 'up' && state !== 'paused') return;
      process++;
      state = 'down';
      running = undefined;
      wake?.cancel();
      lazySync?.cancel();
      lazySync = undefined;
      waiting = [];
      syncing = false;
      snapshots = [];
      writingSnapshot = false;
      backlog = [];
      disk.crash();
    },
    pause() {
      if (state === 'up') state = 'paused';
    },
    resume() {
      if (state !== 'paused') return;
      state = 'up';
      // Timers and sockets are both ready; which the process looks at first is up to its event loop.
      const ready = backlog;
      backlog = [];
      if (random.chance(1, 2)) input({ type: 'tick' });
      for (const action of ready) if (state === 'up') action();
    },
    receive(what) {
      inProcess(() => input(what))();
    },
    doom(moment, skip) {
      doomed = moment === undefined ? undefined : { moment, skip };
    },
  };
  return driver;
}
