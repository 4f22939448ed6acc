/**
 * A cluster driven by hand, for tests that must decide who hears what: replicas of the real core, disks that never fail, and a network
 * that delivers at once and in order, but for what a filter loses or alters. Two groups of one genesis share their replicas' keys, so that
 * replicas that run in both, with different peers, are a fork's faulty replicas; each of them is correct in its own world.
 */

import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import type { Signer } from '../../src/crypto/port.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../../src/crypto/simulated.ts';
import type { Context } from '../../src/protocol/context.ts';
import { DEFAULT_GENESIS_LIMITS, type GenesisLimits, makeCluster } from '../../src/protocol/genesis.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { type DurableRecord, recordSequenceNumber } from '../../src/protocol/records.ts';
import type { BodyStore } from '../../src/protocol/replica/body-store.ts';
import {
  type RecoveredSnapshot,
  type Replica,
  startReplica,
  step,
} from '../../src/protocol/replica/index.ts';
import type {
  Destination,
  Input,
  Output,
  Party,
  ReplicaEvent,
  SnapshotToWrite,
} from '../../src/protocol/replica/io.ts';
import { DEFAULT_LOCAL_LIMITS, type LocalLimits } from '../../src/protocol/replica/limits.ts';
import { keyOf, utf8 } from '../../src/types/bytes.ts';
import { journalService } from './journal.ts';

const backend = makeSimulatedCrypto(sha256);

/** 2025-06-15, in milliseconds: where the group's time begins on the wall. */
export const WALL_MS = 1_750_000_000_000;

/** A key that a name stands for. */
export function signerOf(name: string): Signer {
  return backend.signerFromSeed(sha256(utf8(name)));
}

export function replicaSigner(index: number): Signer {
  return signerOf(`replica ${index}`);
}

export interface GroupOptions {
  readonly replicas?: number;
  readonly quorum?: number;
  readonly limits?: Partial<GenesisLimits>;
  readonly local?: Partial<LocalLimits>;
  readonly listedOnly?: boolean;
  readonly listed?: readonly Signer[];
}

export interface Member {
  replica: Replica;
  /** All that it ever recorded. */
  readonly records: DurableRecord[];
  /** What its log still holds of them. */
  log: DurableRecord[];
  snapshot: SnapshotToWrite | undefined;
  readonly events: ReplicaEvent[];
  /** A silent one neither hears nor says anything. */
  silent: boolean;
}

export interface Packet {
  readonly from: Party;
  /** A replica, or all connections of a client's key. */
  readonly to: Party;
  readonly message: Message;
}

/** false loses the packet; a message travels in its place. */
export type Filter = (packet: Packet) => boolean | Message;

/** A client as the group sees it. */
export interface Listener {
  receive(from: number, message: Message): void;
  /** Infinity: not before something else happens. */
  wakeAtMs: number;
  tick(): void;
}

export interface Group {
  readonly context: Context;
  readonly members: readonly Member[];
  nowMs: number;
  /** What happens to packets between different parties; undefined: all arrive. */
  filter: Filter | undefined;
  readonly listeners: Map<string, Listener[]>;
  /** Hands a message to the network. */
  send(from: Party, to: number, message: Message): void;
  /** Delivers until nothing is under way. */
  settle(): void;
  /** The process ends and another begins with what the disk kept. */
  restart(index: number): void;
  /** Lets so many milliseconds pass, with all that they bring. */
  pass(ms: number): void;
  /** Lets time pass until it is true; @throws Error if that takes more than `withinMs`. */
  until(condition: () => boolean, withinMs?: number): void;
}

const PACKETS_MAX = 200_000;

export function contextOf(options: GroupOptions = {}): Context {
  const replicas = options.replicas ?? 4;
  const genesis = {
    name: 'group',
    service: 'journal',
    replicas: Array.from({ length: replicas }, (_, index) => replicaSigner(index).publicKey),
    quorumSize: options.quorum ?? 2 * Math.floor((replicas - 1) / 3) + 1,
    listedOnly: options.listedOnly ?? false,
    listed: (options.listed ?? []).map((signer) => signer.publicKey),
    limits: { ...DEFAULT_GENESIS_LIMITS, ...options.limits },
  };
  return { cluster: makeCluster(genesis, backend.crypto), crypto: backend.crypto };
}

export function makeGroup(options: GroupOptions = {}): Group {
  const context = contextOf(options);
  const { replicaCount } = context.cluster.thresholds;
  const limits: LocalLimits = { ...DEFAULT_LOCAL_LIMITS, ...options.local };
  const clock = () => ({ monotonicMs: group.nowMs, wallMs: WALL_MS + group.nowMs });
  let queue: Packet[] = [];
  const members: Member[] = [];

  const group: Group = {
    context,
    members,
    nowMs: 0,
    filter: undefined,
    listeners: new Map(),
    send(from, to, message) {
      queue.push({ from, to: { kind: 'replica', index: to }, message });
    },
    settle() {
      for (let count = 0; queue.length > 0; count++) {
        if (count === PACKETS_MAX) throw new Error('the group does not come to rest');
        const due = queue;
        queue = [];
        for (const packet of due) deliver(packet);
      }
    },
    restart(index) {
      const member = members[index]!;
      const { snapshot } = member;
      const bytes = (chunks: SnapshotToWrite['chunks']) => chunks.map((chunk) => chunk.bytes());
      const recovered = snapshot && {
        ...snapshot,
        chunks: bytes(snapshot.chunks),
        windowChunks: bytes(snapshot.windowChunks),
      };
      carryOut(index, member, start(index, member, recovered));
    },
    pass(ms) {
      passUntil(group.nowMs + ms, () => false);
    },
    until(condition, withinMs = 60_000) {
      group.settle();
      if (!passUntil(group.nowMs + withinMs, condition)) {
        throw new Error(`it has not come true within ${withinMs} ms: ${condition}`);
      }
    },
  };

  function passUntil(endMs: number, condition: () => boolean): boolean {
    group.settle();
    while (!condition()) {
      const wakes = [...members.entries()].filter(([, { silent }]) => !silent);
      const sleepers = [...group.listeners.values()].flat();
      const next = Math.min(
        ...wakes.map(([, { replica }]) => replica.wakeAtMs),
        ...sleepers.map(({ wakeAtMs }) => wakeAtMs),
      );
      if (next > endMs) {
        group.nowMs = endMs;
        return false;
      }
      group.nowMs = Math.max(group.nowMs, next);
      for (const [index, { replica }] of wakes) {
        if (replica.wakeAtMs <= group.nowMs) input(index, { type: 'tick' });
      }
      for (const sleeper of sleepers) if (sleeper.wakeAtMs <= group.nowMs) sleeper.tick();
      group.settle();
    }
    return true;
  }

  function deliver(packet: Packet): void {
    const { from, to } = packet;
    if (isSilent(from) || isSilent(to)) return;
    const isLoopback = from.kind === 'replica' && to.kind === 'replica' && from.index === to.index;
    const verdict = isLoopback ? true : (group.filter?.(packet) ?? true);
    if (verdict === false) return;
    const message = verdict === true ? packet.message : verdict;
    if (to.kind === 'replica') input(to.index, { type: 'receive', from, message });
    else if (from.kind === 'replica') {
      for (const listener of group.listeners.get(keyOf(to.key)) ?? []) listener.receive(from.index, message);
    }
  }

  function isSilent(party: Party): boolean {
    return party.kind === 'replica' && members[party.index]!.silent;
  }

  function input(index: number, what: Input): void {
    const member = members[index]!;
    carryOut(index, member, step(member.replica, what, clock()));
  }

  function carryOut(index: number, member: Member, output: Output): void {
    const { discardBelow } = output;
    if (discardBelow !== undefined) {
      member.log = member.log.filter((record) => recordSequenceNumber(record) > discardBelow);
      member.log.push(...output.carry);
    }
    member.log.push(...output.persist);
    member.records.push(...output.persist);
    member.events.push(...output.events);
    const from: Party = { kind: 'replica', index };
    for (const { to, message } of [...output.sends, ...output.promises]) {
      for (const party of partiesOf(index, to)) queue.push({ from, to: party, message });
    }
    for (const snapshot of output.snapshots) {
      member.snapshot = snapshot;
      input(index, { type: 'snapshot-durable', sequenceNumber: snapshot.sequenceNumber });
    }
  }

  function partiesOf(from: number, to: Destination): readonly Party[] {
    if (to.kind === 'client' || to.kind === 'replica') return [to];
    const all = Array.from({ length: replicaCount }, (_, index): Party => ({ kind: 'replica', index }));
    return to.kind === 'all' ? all : all.filter((_, index) => index !== from);
  }

  const bodiesOf = (index: number): BodyStore => ({
    sequenceNumbers: () =>
      (members[index]?.log ?? []).flatMap((record) =>
        record.type === 'body' ? [record.sequenceNumber] : [],
      ),
    read: (s) =>
      members[index]!.log.flatMap((record) =>
        record.type === 'body' && record.sequenceNumber === s ? [record.batch] : [],
      ),
  });
  const leaves = Array.from({ length: replicaCount }, () => memoryLeafStore());

  /** Gives the member its replica. */
  function start(index: number, member: Omit<Member, 'replica'>, snapshot: RecoveredSnapshot | undefined) {
    const started = startReplica(
      {
        context,
        index,
        signer: replicaSigner(index),
        service: journalService,
        leaves: leaves[index]!,
        limits,
      },
      {
        snapshot,
        records: member.log.filter((record) => record.type !== 'body'),
        bodies: bodiesOf(index),
        promisesLost: false,
      },
      clock(),
    );
    members[index] = Object.assign(member, { replica: started.replica });
    return started.output;
  }

  for (let index = 0; index < replicaCount; index++) {
    const member = { records: [], log: [], snapshot: undefined, events: [], silent: false };
    const output = start(index, member, undefined);
    carryOut(index, members[index]!, output);
  }
  group.settle();
  return group;
}

/** The events of one type that a member has told so far. */
export function eventsOf<T extends ReplicaEvent['type']>(
  group: Group,
  index: number,
  type: T,
): readonly Extract<ReplicaEvent, { type: T }>[] {
  return group.members[index]!.events.filter(
    (event): event is Extract<ReplicaEvent, { type: T }> => event.type === type,
  );
}

/** The operations that a member has applied, in order. */
export function journalOf(group: Group, index: number): readonly string[] {
  const { ledger } = group.members[index]!.replica;
  const bytes = ledger.service
    .snapshot()
    .read(utf8('journal'), { timeMs: 0, client: new Uint8Array(32), resultBytesMax: 1_000_000 });
  const text = new TextDecoder().decode(bytes);
  return text === '' ? [] : text.split('\n');
}

export function executedAt(group: Group, index: number): number {
  return group.members[index]!.replica.ledger.executed.sequenceNumber;
}

export function isFrom(packet: Packet, index: number): boolean {
  return packet.from.kind === 'replica' && packet.from.index === index;
}

export function isTo(packet: Packet, index: number): boolean {
  return packet.to.kind === 'replica' && packet.to.index === index;
}
