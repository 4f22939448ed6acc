/**
 * What goes wrong in a run, as data: a plan drawn from the seed before the run begins, so that a failing plan can be printed, replayed and
 * made smaller.
 */

import type { ReplicaEvent } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { NetworkConditions } from './network.ts';
import type { Endpoint } from './observer.ts';
import type { Random } from './random.ts';
import { loseRounds, ROUND_KINDS, type Rounds } from './rounds.ts';

export type Fault =
  | { readonly type: 'crash'; readonly replicas: readonly ReplicaIndex[]; readonly downMs: number }
  | { readonly type: 'client-restart'; readonly client: number }
  | { readonly type: 'pause'; readonly replica: ReplicaIndex; readonly forMs: number }
  /** `oneWay`: only what goes from the first group to the second is lost. */
  | {
      readonly type: 'cut';
      readonly first: readonly Endpoint[];
      readonly second: readonly Endpoint[];
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  | { readonly type: 'weather'; readonly conditions: NetworkConditions; readonly forMs: number }
  /** A record that is no promise is damaged while the replica is down. */
  | { readonly type: 'damage'; readonly replica: ReplicaIndex; readonly downMs: number }
  /** The replica loses all it promised: from then on it is one of the f. */
  | { readonly type: 'lose-disk'; readonly replica: ReplicaIndex; readonly downMs: number }
  /** Whole rounds of the protocol are lost (rounds.ts). */
  | { readonly type: 'rounds'; readonly rounds: Rounds; readonly forMs: number }
  /** Soon after the next such event (ambush.ts), the replica that it happened to or another one suffers the deed. */
  | {
      readonly type: 'ambush';
      readonly event: ReplicaEvent['type'];
      readonly skip: number;
      /** So many places after the replica it happened to, or the primary of that replica's view. */
      readonly victim: number | 'primary';
      readonly delayUs: number;
      readonly deed: 'crash' | 'cut' | 'pause';
      readonly forMs: number;
    };

type AmbushFault = Extract<Fault, { type: 'ambush' }>;

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

export interface FaultPlanOptions {
  readonly replicas: number;
  readonly clients: number;
  /** How many replicas may lose their disk: each becomes one of the f. */
  readonly disksToLose: number;
  /** Faults begin within this time. */
  readonly durationMs: number;
  readonly count: number;
  readonly kinds: readonly Fault['type'][];
}

export const FAULT_KINDS: readonly Fault['type'][] = [
  'crash',
  'client-restart',
  'pause',
  'cut',
  'weather',
  'damage',
  'lose-disk',
  'rounds',
  'ambush',
];

/** What an ambush waits for: the moments between which a protocol is in an odd state. */
const MOMENTS: readonly ReplicaEvent['type'][] = [
  'proposed',
  'accepted',
  'voted',
  'committed',
  'executed',
  'suspected',
  'viewLeft',
  'viewEntered',
  'checkpointed',
  'stable',
  'transferStarted',
  'transferred',
];

/** Faults by ascending time. */
export function drawFaultPlan(random: Random, options: FaultPlanOptions): readonly PlannedFault[] {
  if (options.kinds.length === 0) return [];
  let { disksToLose } = options;
  // At most f disks decay: a body that is damaged on all disks that hold it is gone for good.
  const decaying = random
    .fork('decay')
    .shuffle(Array.from({ length: options.replicas }, (_, index) => index))
    .slice(0, Math.floor((options.replicas - 1) / 3));
  const plan: PlannedFault[] = [];
  for (let i = 0; i < options.count; i++) {
    const fault = drawFault(random, options);
    if (fault.type === 'lose-disk' && disksToLose-- <= 0) continue;
    const atMs = random.below(options.durationMs);
    if (fault.type !== 'damage') plan.push({ atMs, fault });
    else if (decaying.length > 0) {
      plan.push({ atMs, fault: { ...fault, replica: decaying[fault.replica % decaying.length]! } });
    }
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}

function drawFault(random: Random, options: FaultPlanOptions): Fault {
  const all = Array.from({ length: options.replicas }, (_, index) => index);
  // A lost disk is rare: it takes one of the f away for the rest of the run.
  const kind = random.pick(options.kinds);
  const type = kind === 'lose-disk' && random.chance(2, 3) ? options.kinds[0]! : kind;
  const forMs = duration(random);
  const replica = random.below(options.replicas);
  switch (type) {
    case 'crash': {
      const together = random.chance(1, 5)
        ? all.length
        : random.chance(1, 4)
          ? 1 + random.below(all.length)
          : 1;
      return { type, replicas: random.shuffle(all).slice(0, together), downMs: forMs };
    }
    case 'client-restart':
      return { type, client: random.below(options.clients) };
    case 'pause':
      return { type, replica, forMs };
    case 'cut': {
      const everyone = Array.from({ length: options.replicas + options.clients }, (_, endpoint) => endpoint);
      const shuffled = random.shuffle(everyone);
      const size = random.chance(1, 2) ? 1 : 1 + random.below(everyone.length - 1);
      return {
        type,
        first: shuffled.slice(0, size),
        second: shuffled.slice(size),
        oneWay: random.chance(1, 3),
        forMs,
      };
    }
    case 'weather':
      return { type, conditions: drawConditions(random), forMs };
    case 'damage':
      return { type, replica, downMs: forMs };
    case 'lose-disk':
      return { type, replica, downMs: forMs };
    case 'rounds':
      return { type, rounds: drawRounds(random), forMs: random.between(500, 10_000) };
    case 'ambush':
      return {
        type,
        event: random.pick(MOMENTS),
        skip: random.below(random.pick([1, 4, 20])),
        victim: random.pick([0, 0, 'primary', random.below(options.replicas)]),
        delayUs: random.below(random.pick([10, 1_000, 10_000])),
        deed: random.pick(['crash', 'cut', 'cut', 'pause']),
        forMs,
      };
  }
}

function drawRounds(random: Random): Rounds {
  const kinds = ROUND_KINDS.filter(() => random.chance(1, 2));
  return {
    salt: random.u32(),
    perMille: random.pick([50, 200, 500]),
    bySequence: random.chance(1, 2),
    kinds: kinds.length === 0 ? ['commit'] : kinds,
  };
}

/** Mostly short, now and then longer than the time-outs. */
function duration(random: Random): number {
  return random.chance(1, 4) ? random.between(1_000, 15_000) : random.between(1, 1_000);
}

/** From a quiet local network to one that loses a third and mixes up the rest. */
export function drawConditions(random: Random, lossPerMilleMax = 300): NetworkConditions {
  const delayMinUs = random.between(50, 1_000);
  return {
    delayMinUs,
    delayMaxUs: delayMinUs + random.below(random.pick([1_000, 10_000, 60_000])),
    jitterUs: random.below(random.pick([100, 5_000, 40_000])),
    stragglersPerMille: random.pick([0, 0, 10, 50]),
    stragglerUs: random.pick([50_000, 500_000]),
    lossPerMille: random.chance(1, 3) ? 0 : random.below(lossPerMilleMax + 1),
    duplicatesPerMille: random.chance(1, 2) ? 0 : random.below(200),
  };
}

/** Schedules the whole plan. Everything it breaks is mended again by the end of the plan, at the latest by `endFaults`. */
export function scheduleFaults(
  cluster: SimulatedCluster,
  plan: readonly PlannedFault[],
  calmest: NetworkConditions,
): void {
  for (const { atMs, fault } of plan) {
    cluster.kernel.schedule(atMs * 1000, () => inflict(cluster, fault, calmest));
  }
}

function inflict(cluster: SimulatedCluster, fault: Fault, calmest: NetworkConditions): void {
  const after = (ms: number, action: () => void) => {
    cluster.kernel.schedule(ms * 1000, action);
  };
  switch (fault.type) {
    case 'crash':
      fault.replicas.forEach((replica, i) => {
        cluster.crash(replica);
        after(fault.downMs + 7 * i, () => cluster.restart(replica));
      });
      break;
    case 'client-restart':
      cluster.restartClient(fault.client);
      break;
    case 'pause':
      cluster.pause(fault.replica);
      after(fault.forMs, () => cluster.resume(fault.replica));
      break;
    case 'cut':
      cluster.cut(fault.first, fault.second);
      if (!fault.oneWay) cluster.cut(fault.second, fault.first);
      after(fault.forMs, () => {
        cluster.mend(fault.first, fault.second);
        if (!fault.oneWay) cluster.mend(fault.second, fault.first);
      });
      break;
    case 'weather':
      cluster.network.conditions = fault.conditions;
      after(fault.forMs, () => {
        // Not if other weather, or the calm at the end, has come since.
        if (cluster.network.conditions === fault.conditions) cluster.network.conditions = calmest;
      });
      break;
    case 'damage':
      cluster.crash(fault.replica);
      cluster.damage(fault.replica, 'other');
      after(fault.downMs, () => cluster.restart(fault.replica));
      break;
    case 'lose-disk':
      cluster.loseDisk(fault.replica);
      after(fault.downMs, () => cluster.restart(fault.replica));
      break;
    case 'rounds': {
      const { losses } = cluster.network;
      const loses = loseRounds(fault.rounds, cluster.replicas.length);
      losses.add(loses);
      after(fault.forMs, () => losses.delete(loses));
      break;
    }
    case 'ambush': {
      const { event, skip, delayUs } = fault;
      const spring = (replica: ReplicaIndex) => {
        const victim = victimOf(cluster, fault, replica);
        cluster.kernel.schedule(delayUs, () => inflict(cluster, deedTo(cluster, fault, victim), calmest));
      };
      cluster.ambushes.lay({ event, skip, spring });
      break;
    }
  }
}

function victimOf(cluster: SimulatedCluster, { victim }: AmbushFault, replica: ReplicaIndex): ReplicaIndex {
  const { length } = cluster.replicas;
  if (victim !== 'primary') return (replica + victim) % length;
  return (cluster.replicas[replica]!.running?.state?.view ?? 0) % length;
}

function deedTo(cluster: SimulatedCluster, { deed, forMs }: AmbushFault, victim: ReplicaIndex): Fault {
  switch (deed) {
    case 'crash':
      return { type: 'crash', replicas: [victim], downMs: forMs };
    case 'pause':
      return { type: 'pause', replica: victim, forMs };
    case 'cut': {
      const everyone = Array.from({ length: cluster.replicas.length + cluster.clients.length }, (_, i) => i);
      const second = everyone.filter((endpoint) => endpoint !== victim);
      return { type: 'cut', first: [victim], second, oneWay: false, forMs };
    }
  }
}

/** Everything runs, is connected and gets the network given. */
export function endFaults(cluster: SimulatedCluster, conditions: NetworkConditions): void {
  cluster.tell('all faults end');
  cluster.ambushes.lift();
  cluster.network.losses.clear();
  cluster.network.conditions = conditions;
  cluster.heal();
  cluster.replicas.forEach((driver, index) => {
    if (driver.state === 'paused') cluster.resume(index);
    if (driver.state === 'down') cluster.restart(index);
  });
}

/** One line a fault. */
export function describeFault({ atMs, fault }: PlannedFault): string {
  const words: string[] = [];
  for (const [key, value] of Object.entries(fault)) {
    if (key !== 'type') words.push(`${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  return `at ${atMs} ms: ${fault.type}, ${words.join(', ')}`;
}
