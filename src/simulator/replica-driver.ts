/**
 * One simulated machine with one replica: carries out the step contract (protocol/replica/io.ts) over virtual time, disk and
 * network, and suffers crashes, pauses and clocks that are wrong.
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
  readonly kernel: Kernel;
  readonly random: Random;
  readonly program: ReplicaProgram;
  readonly disk: Disk;
  readonly clockErrors: ClockErrors;
  readonly observer: Required<Observer>;
  readonly report: Report;
  /** Hands a message to the network; never to the replica itself. */
  readonly send: (to: Destination, message: Message) => void;
  readonly sabotage: DriverSabotage;
}

export interface ReplicaDriver {
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

  function clock(): Clock {
    const localUs = localElapsedUs();
    return {
      monotonicMs: Math.floor(localUs / 1000),
      wallMs: WALL_ORIGIN_MS + options.clockErrors.skewMs + Math.floor(kernel.nowUs / 1000),
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

  function carryOut(output: Output): void {
    disk.append(
      sabotage.forgetBodies ? output.persist.filter((record) => record.type !== 'body') : output.persist,
    );
    for (const event of output.events) observer.onEvent(index, event);
    emit(output.sends);
    if (output.promises.length > 0) {
      if (sabotage.skipSync) emit(output.promises);
      else waiting.push({ position: disk.appended, promises: output.promises });
    }
    if (output.discardBelow !== undefined) discard(output.discardBelow, output);
    speak();
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
    while (waiting[0] !== undefined && waiting[0].position <= disk.synced) emit(waiting.shift()!.promises);
    if (syncing || disk.synced === disk.appended) return;
    if (waiting.length > 0) sync();
    else lazySync ??= kernel.schedule(LAZY_SYNC_US, inProcess(sync));
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
    );
  }

  function discard(below: number, output: Output): void {
    const position = disk.appended;
    disk.append(output.carry);
    disk.sync(inProcess(() => disk.discard(below, position)));
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
        writingSnapshot = false;
        snapshots.shift();
        input({ type: 'snapshot-durable', sequenceNumber: next.sequenceNumber });
        writeNextSnapshot();
      }),
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

  return {
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
  };
}
