/** Carries out a plan of faults on a cluster, and ends them all. */

import type { ReplicaIndex } from '../types/identities.ts';
import type { SimulatedCluster } from './cluster.ts';
import { type AmbushFault, type Fault, faultWords, type PlannedFault } from './faults.ts';
import type { NetworkConditions } from './network.ts';
import { loseRounds } from './rounds.ts';

/** Faults that the cluster itself tells observers of. */
const TOLD: ReadonlySet<Fault['type']> = new Set([
  'crash',
  'client-restart',
  'pause',
  'cut',
  'flap',
  'reset',
  'damage',
  'lose-disk',
]);

/** How faults end: each after its time, all of them at `endMs`. */
interface Course {
  readonly cluster: SimulatedCluster;
  /** The network's conditions when there is no weather. */
  readonly conditions: NetworkConditions;
  readonly endMs: number;
}

/** Schedules the whole plan. Whoever calls it calls `endFaults` at `endMs`: what a fault breaks it does not mend later than that, nor break. */
export function scheduleFaults(course: Course, plan: readonly PlannedFault[]): void {
  for (const { atMs, fault } of plan) {
    course.cluster.kernel.schedule(atMs * 1000, () => inflict(course, fault));
  }
}

function inflict(course: Course, fault: Fault): void {
  const { cluster, conditions, endMs } = course;
  const after = (ms: number, action: () => void) => {
    cluster.kernel.schedule(Math.floor(ms * 1000), () => {
      if (cluster.nowMs() < endMs) action();
    });
  };
  if (!TOLD.has(fault.type)) cluster.tell(faultWords(fault), { type: 'other', name: fault.type });
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
      cut(cluster, fault);
      after(fault.forMs, () => mend(cluster, fault));
      break;
    case 'flap':
      for (let i = 0; i < fault.times; i++) {
        after(i * fault.everyMs, () => cut(cluster, fault));
        after(i * fault.everyMs + Math.ceil(fault.everyMs / 2), () => mend(cluster, fault));
      }
      break;
    case 'reset':
      for (let i = 0; i < fault.times; i++) {
        after(i * fault.everyMs, () => cluster.reset(fault.first, fault.second));
      }
      break;
    case 'slow-receiver':
      cluster.network.slowDown(fault.endpoint, fault);
      after(fault.forMs, () => cluster.network.slowDown(fault.endpoint, undefined));
      break;
    case 'weather':
      cluster.network.conditions = fault.conditions;
      after(fault.forMs, () => {
        cluster.network.conditions = conditions;
      });
      break;
    case 'damage':
      cluster.crash(fault.replica);
      cluster.damage(fault.replica, fault.what);
      after(fault.downMs, () => cluster.restart(fault.replica));
      break;
    case 'slow-disk': {
      const disk = cluster.disks[fault.replica]!;
      disk.slowUs = fault.syncMs * 1000;
      after(fault.forMs, () => {
        disk.slowUs = undefined;
      });
      break;
    }
    case 'bad-disk': {
      const disk = cluster.disks[fault.replica]!;
      disk.trouble = fault.trouble;
      after(fault.forMs, () => {
        disk.trouble = undefined;
        cluster.restart(fault.replica);
      });
      break;
    }
    case 'clock-jump': {
      const driver = cluster.replicas[fault.replica]!;
      driver.clockJumpMs = fault.byMs;
      after(fault.forMs, () => {
        driver.clockJumpMs = 0;
      });
      break;
    }
    case 'die':
      cluster.replicas[fault.replica]!.doom(fault.moment, fault.skip);
      after(fault.downMs, () => {
        cluster.replicas[fault.replica]!.doom(undefined, 0);
        cluster.restart(fault.replica);
      });
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
        after(delayUs / 1000, () => inflict(course, deedTo(cluster, fault, victim)));
      };
      cluster.ambushes.lay({ event, skip, spring });
      break;
    }
  }
}

type Division = Pick<Extract<Fault, { type: 'cut' }>, 'first' | 'second' | 'oneWay'>;

function cut(cluster: SimulatedCluster, { first, second, oneWay }: Division): void {
  cluster.cut(first, second);
  if (!oneWay) cluster.cut(second, first);
}

function mend(cluster: SimulatedCluster, { first, second, oneWay }: Division): void {
  cluster.mend(first, second);
  if (!oneWay) cluster.mend(second, first);
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
  for (let endpoint = 0; endpoint < cluster.replicas.length + cluster.clients.length; endpoint++) {
    cluster.network.slowDown(endpoint, undefined);
  }
  for (const disk of cluster.disks) {
    disk.slowUs = undefined;
    disk.trouble = undefined;
  }
  // What a disk did to a process may show only now: a sync that was slow ends after all faults.
  cluster.supervise();
  cluster.replicas.forEach((driver, index) => {
    driver.doom(undefined, 0);
    driver.clockJumpMs = 0;
    if (driver.state === 'paused') cluster.resume(index);
    if (driver.state === 'down') cluster.restart(index);
  });
}
