/**
 * What goes wrong in a run, as data: a plan drawn from the seed before the run begins, so that a failing plan can be printed, replayed and
 * made smaller.
 */

import type { ReplicaEvent } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Damage, DiskTrouble } from './disk.ts';
import type { NetworkConditions } from './network.ts';
import type { Endpoint } from './observer.ts';
import type { Random } from './random.ts';
import { DYING_MOMENTS, type DyingMoment } from './replica-driver.ts';
import { ROUND_KINDS, type Rounds } from './rounds.ts';

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
  /** The same, on and off: the links are cut for the first half of each period. */
  | {
      readonly type: 'flap';
      readonly first: readonly Endpoint[];
      readonly second: readonly Endpoint[];
      readonly oneWay: boolean;
      readonly everyMs: number;
      readonly times: number;
    }
  /** The connections between them break, in the middle of frames, and come up again. */
  | {
      readonly type: 'reset';
      readonly first: readonly Endpoint[];
      readonly second: readonly Endpoint[];
      readonly everyMs: number;
      readonly times: number;
    }
  /** It takes its messages one by one from a queue with little room. */
  | {
      readonly type: 'slow-receiver';
      readonly endpoint: Endpoint;
      readonly perMessageUs: number;
      readonly queueMax: number;
      readonly forMs: number;
    }
  /** Something is damaged while the replica is down; if a promise, it is one of the f from then on. */
  | {
      readonly type: 'damage';
      readonly replica: ReplicaIndex;
      readonly what: Damage;
      readonly downMs: number;
    }
  | {
      readonly type: 'slow-disk';
      readonly replica: ReplicaIndex;
      readonly syncMs: number;
      readonly forMs: number;
    }
  /** The process ends when its disk refuses what it needs. */
  | {
      readonly type: 'bad-disk';
      readonly replica: ReplicaIndex;
      readonly trouble: DiskTrouble;
      readonly forMs: number;
    }
  /** Its wall clock is wrong for a while. */
  | {
      readonly type: 'clock-jump';
      readonly replica: ReplicaIndex;
      readonly byMs: number;
      readonly forMs: number;
    }
  /** The process dies at such a moment of one of its next steps, if one comes in time. */
  | {
      readonly type: 'die';
      readonly replica: ReplicaIndex;
      readonly moment: DyingMoment;
      readonly skip: number;
      readonly downMs: number;
    }
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

export type AmbushFault = Extract<Fault, { type: 'ambush' }>;

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
  'flap',
  'reset',
  'slow-receiver',
  'weather',
  'damage',
  'slow-disk',
  'bad-disk',
  'clock-jump',
  'die',
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
    if (losesPromises(fault) && disksToLose-- <= 0) continue;
    const atMs = random.below(options.durationMs);
    if (fault.type !== 'damage') plan.push({ atMs, fault });
    else if (decaying.length > 0) {
      plan.push({ atMs, fault: { ...fault, replica: decaying[fault.replica % decaying.length]! } });
    }
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}

function losesPromises(fault: Fault): boolean {
  return fault.type === 'lose-disk' || (fault.type === 'damage' && fault.what === 'promise');
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
    case 'cut':
      return { type, ...drawDivision(random, options), oneWay: random.chance(1, 3), forMs };
    case 'flap': {
      const [everyMs, times] = [random.between(2, random.pick([50, 1_000, 4_000])), random.between(2, 12)];
      return { type, ...drawDivision(random, options), oneWay: random.chance(1, 2), everyMs, times };
    }
    case 'reset':
      return {
        type,
        ...drawDivision(random, options),
        everyMs: random.between(1, random.pick([20, 500])),
        times: random.between(1, 20),
      };
    case 'slow-receiver':
      return {
        type,
        endpoint: random.below(options.replicas + options.clients),
        perMessageUs: random.between(500, random.pick([5_000, 50_000])),
        queueMax: random.between(1, random.pick([8, 256])),
        forMs,
      };
    case 'weather':
      return { type, conditions: drawConditions(random), forMs };
    case 'damage':
      return {
        type,
        replica,
        what: random.pick(['other', 'other', 'other', 'snapshot', 'snapshot', 'leaf', 'promise']),
        downMs: forMs,
      };
    case 'slow-disk':
      return { type, replica, syncMs: random.between(5, random.pick([50, 500, 3_000])), forMs };
    case 'bad-disk':
      return {
        type,
        replica,
        trouble: random.pick(['failing-sync', 'failing-sync', 'full', 'full-for-snapshots']),
        forMs,
      };
    case 'clock-jump': {
      const most = random.pick([500, 5_000, 100_000, 3_600_000]);
      return { type, replica, byMs: random.between(-most, most), forMs };
    }
    case 'die':
      return {
        type,
        replica,
        moment: random.pick(DYING_MOMENTS),
        skip: random.below(random.pick([1, 8, 64])),
        downMs: forMs,
      };
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

/** Everybody in two groups, often one endpoint against all others. */
function drawDivision(
  random: Random,
  options: FaultPlanOptions,
): { readonly first: readonly Endpoint[]; readonly second: readonly Endpoint[] } {
  const everyone = Array.from({ length: options.replicas + options.clients }, (_, endpoint) => endpoint);
  const shuffled = random.shuffle(everyone);
  const size = random.chance(1, 2) ? 1 : 1 + random.below(everyone.length - 1);
  return { first: shuffled.slice(0, size), second: shuffled.slice(size) };
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

/** One line. */
export function describeFault({ atMs, fault }: PlannedFault): string {
  return `at ${atMs} ms: ${faultWords(fault)}`;
}

export function faultWords(fault: Fault): string {
  const words: string[] = [];
  for (const [key, value] of Object.entries(fault)) {
    if (key !== 'type') words.push(`${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  return `${fault.type}, ${words.join(', ')}`;
}
