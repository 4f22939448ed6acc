/**
 * One correct replica under exploration: the core and its log, driven without time, disk or network. A disk that is written at once and a loopback
 * that is taken at once are what the step contract allows at best; who crashes between two steps finds all that it wrote.
 */

import { type LeafStore, memoryLeafStore } from '../../crypto/leaf-store.ts';
import type { Message } from '../../protocol/messages/index.ts';
import type { DurableRecord } from '../../protocol/records.ts';
import type { Recovered, Replica } from '../../protocol/replica/index.ts';
import type { Input, Output, ReplicaEvent } from '../../protocol/replica/io.ts';
import { assert } from '../../types/assert.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { WALL_ORIGIN_MS } from '../replica-driver.ts';
import type { ReplicaProgram, RunningReplica } from '../replica-program.ts';

/** More steps than this for one input are a loop that goes nowhere. */
const STEPS_MAX = 1_000;

export interface Machine {
  readonly index: ReplicaIndex;
  readonly program: ReplicaProgram;
  readonly records: DurableRecord[];
  readonly leaves: LeafStore;
  running: RunningReplica;
  nowMs: number;
}

/** What came out of one input and of the own messages that it led to. */
export interface Effects {
  readonly sent: { readonly to: ReplicaIndex; readonly message: Message }[];
  readonly events: ReplicaEvent[];
}

export function replicaOf(machine: Machine): Replica {
  assert(machine.running.state !== undefined, 'what is explored is the core itself, or a bent one');
  return machine.running.state;
}

function clockOf(nowMs: number): { monotonicMs: number; wallMs: number } {
  // Wall clocks of correct replicas agree, and stand still: batches differ in their requests, not in when they were made.
  return { monotonicMs: nowMs, wallMs: WALL_ORIGIN_MS };
}

/** A replica on an empty disk, just started. */
export function makeMachine(
  index: ReplicaIndex,
  program: ReplicaProgram,
): { machine: Machine; effects: Effects } {
  const records: DurableRecord[] = [];
  const leaves = memoryLeafStore();
  const { running, output } = program.start(recovered(records), leaves, clockOf(0));
  const machine: Machine = { index, program, records, leaves, running, nowMs: 0 };
  return { machine, effects: carryOut(machine, output) };
}

/** The process dies and another begins on what the disk holds. It may not sign before it has heard from peers. */
export function restart(machine: Machine): Effects {
  const { running, output } = machine.program.start(
    recovered(machine.records),
    machine.leaves,
    clockOf(machine.nowMs),
  );
  machine.running = running;
  return carryOut(machine, output);
}

/** Gives the replica one input, and then its own messages. */
export function feed(machine: Machine, input: Input): Effects {
  return carryOut(machine, machine.running.step(input, clockOf(machine.nowMs)));
}

/** Its clock goes on by T without anything arriving: every timer that is due by then fires, in order. */
export function letTimeoutPass(machine: Machine): Effects {
  const effects: Effects = { sent: [], events: [] };
  const untilMs = machine.nowMs + replicaOf(machine).timeoutMs;
  for (let ticks = 0; replicaOf(machine).wakeAtMs <= untilMs && ticks < STEPS_MAX; ticks++) {
    machine.nowMs = replicaOf(machine).wakeAtMs;
    const { sent, events } = feed(machine, { type: 'tick' });
    effects.sent.push(...sent);
    effects.events.push(...events);
  }
  return effects;
}

function carryOut(machine: Machine, first: Output): Effects {
  const effects: Effects = { sent: [], events: [] };
  const own: Message[] = [];
  const { index } = machine;
  const take = (output: Output): void => {
    machine.records.push(...output.persist);
    effects.events.push(...output.events);
    for (const { to, message } of [...output.sends, ...output.promises]) {
      if (to.kind === 'all' || (to.kind === 'replica' && to.index === index)) own.push(message);
      if (to.kind === 'client') continue;
      const { replicaCount } = replicaOf(machine).context.cluster.thresholds;
      for (let peer = 0; peer < replicaCount; peer++) {
        const isFor = to.kind === 'replica' ? to.index === peer : true;
        if (isFor && peer !== index) effects.sent.push({ to: peer, message });
      }
    }
  };
  take(first);
  for (let i = 0; i < own.length; i++) {
    assert(i < STEPS_MAX, 'a replica does not talk to itself for ever');
    const input: Input = { type: 'receive', from: { kind: 'replica', index }, message: own[i]! };
    take(machine.running.step(input, clockOf(machine.nowMs)));
  }
  return effects;
}

function recovered(records: readonly DurableRecord[]): Recovered {
  const bodies = () => records.filter((record) => record.type === 'body');
  return {
    snapshot: undefined,
    records: records.filter((record) => record.type !== 'body'),
    bodies: {
      sequenceNumbers: () => new Set(bodies().map((record) => record.sequenceNumber)),
      read: (s) =>
        bodies()
          .filter((record) => record.sequenceNumber === s)
          .map((record) => record.batch),
    },
    promisesLost: false,
  };
}
