/**
 * One simulated run from a seed: a workload while things go wrong, then a calm in which everything must come to an end, then judgement.
 */

import { mixingHash } from '../crypto/mixing-hash.ts';
import type { KvResult } from '../services/kv/index.ts';
import { keyOf } from '../types/bytes.ts';
import type { BugName } from './bugs.ts';
import { type Attack, type Coalition, makeCoalition } from './byzantine/attack.ts';
import { ATTACK_NAMES, ATTACKS, type AttackName } from './byzantine/attacks.ts';
import { type ClusterOptions, makeSimulatedCluster, type SimulatedCluster } from './cluster.ts';
import { type Coverage, countCoverage } from './coverage.ts';
import { DISK_TIMES } from './disk.ts';
import { drawConditions, drawFaultPlan, FAULT_KINDS, type Fault, type PlannedFault } from './faults.ts';
import { recordHistory } from './history.ts';
import { endFaults, scheduleFaults } from './inflict.ts';
import { judgeHistory, promisedWith } from './judgement.ts';
import { CALM, type NetworkConditions } from './network.ts';
import type { Observer } from './observer.ts';
import { makeRandom, type Random } from './random.ts';
import type { DriverSabotage } from './replica-driver.ts';
import type { Violation } from './violation.ts';
import { type KvInput, kvWorkload } from './workload.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** 3f+1; 4 if left out. */
  readonly replicas?: number;
  /** 1…4 by the seed if left out. */
  readonly clients?: number;
  /** Operations of each client; 5…100 by the seed if left out. */
  readonly requests?: number;
  /** Which of its operations each client submits, by their numbers from 0; all if left out. */
  readonly operations?: readonly (readonly number[])[];
  /** Of 1,000 messages; the whole network is drawn from the seed if left out. */
  readonly lossPerMille?: number;
  /** What may go wrong besides the network; all kinds if left out. */
  readonly faults?: readonly Fault['type'][];
  /** Faulty replicas, 0…n; 0 if left out. Above f other promises are judged (docs/protocol.md §1). */
  readonly faulty?: number;
  /** What they do (byzantine/attacks.ts); drawn from the seed if left out. */
  readonly attack?: AttackName | undefined;
  /** After so many acts, most attacks end: their replicas behave correctly from then on. No end if left out. */
  readonly actsMax?: number;
  /** Instead of the plan drawn from the seed. */
  readonly plan?: readonly PlannedFault[];
  readonly sabotage?: DriverSabotage;
  /** A bug to be found (bugs.ts). */
  readonly bug?: BugName;
  readonly traceLines?: number;
  readonly observers?: readonly Observer[];
  readonly program?: ClusterOptions['program'];
}

export interface SimulationResult {
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  /** Equal for equal runs, 16 hexadecimal digits. */
  readonly digest: string;
  readonly plan: readonly PlannedFault[];
  /** What the faulty replicas did, if there were any. */
  readonly attack: AttackName | undefined;
  /** The replicas that were faulty by nature. */
  readonly faulty: readonly number[];
  /** The numbers of the operations that each client had to submit. */
  readonly chosen: readonly (readonly number[])[];
  readonly stats: SimulationStats;
  /** The last events, if they were asked for. */
  readonly trace: readonly string[];
}

export interface SimulationStats {
  readonly simulatedMs: number;
  readonly batches: number;
  /** The highest view entered. */
  readonly views: number;
  readonly operations: number;
  readonly messages: number;
  readonly events: number;
  /** How often faulty replicas and clients did what no correct one does. */
  readonly acts: number;
  /** What it came across, by name. */
  readonly coverage: Coverage;
  /** Histories that clients were led onto, where there may be several; else 1. */
  readonly forks: number;
  /** How many pairs of correct replicas ended on two histories with a head of each, so that the fork had to be proved. */
  readonly forksMet: number;
}

/** After the faults have ended, every request must be answered and every replica abreast within so much virtual time. */
export const LIVENESS_BOUND_MS = 300_000;

/** Where progress is not promised: how long clients may go on after the faults have ended. */
const AFTERMATH_MS = 30_000;

/** Faults begin within this much of the start, at most, when they come thick and fast. */
const FAULTS_MAX_MS = 20_000;

/**
 * By how much a run's faults and requests are drawn apart. Where they come close together they meet in the middle of things. Where they do
 * not, each takes its whole course: time-outs grow and shrink, views last, and quiet comes between; and that costs little.
 */
const STRETCHES = [1, 1, 4, 16];

export function runSimulation(options: SimulationOptions): SimulationResult {
  const random = makeRandom(options.seed);
  const shape = random.fork('shape');
  const replicas = options.replicas ?? 4;
  const faulty = options.faulty ?? 0;
  const byzantine = random.fork('byzantine');
  const drawnAttack = byzantine.pick(ATTACK_NAMES);
  const attack = options.attack ?? drawnAttack;
  const everyone = Array.from({ length: replicas }, (_, index) => index);
  // Most attacks need a primary, and the first one is replica 0.
  const [eager, shuffled] = [byzantine.chance(1, 2), byzantine.shuffle(everyone)];
  const order = eager ? [0, ...shuffled.filter((index) => index !== 0)] : shuffled;
  const coalition = makeCoalition(order.slice(0, faulty), byzantine.fork('coalition'), options.actsMax);
  // Everything is drawn, then what was asked for takes its place: an option changes nothing but what it is for.
  const drawnClients = shape.between(1, 4);
  const drawnRequests = shape.between(5, shape.pick([10, 40, 100]));
  const script: Attack = ATTACKS[attack];
  // Who lies to replicas is one client more: the others are judged as ever.
  const lies = script.client !== undefined && (faulty > 0 || options.attack !== undefined);
  const clients = (options.clients ?? drawnClients) + (lies ? 1 : 0);
  const lyingClient = lies ? clients - 1 : undefined;
  const requests = options.requests ?? drawnRequests;
  const faultsMs = random.fork('stretch').pick(STRETCHES) * shape.between(1_000, FAULTS_MAX_MS);
  const drawn = drawConditions(random.fork('conditions'));
  const conditions: NetworkConditions =
    options.lossPerMille === undefined ? drawn : { ...drawn, lossPerMille: options.lossPerMille };
  const kinds = options.faults ?? drawKinds(random.fork('kinds'), faulty > 0);
  const plan =
    options.plan ??
    drawFaultPlan(random.fork('faults'), {
      replicas,
      disksToLose: Math.max(0, Math.floor((replicas - 1) / 3) - faulty),
      clients,
      durationMs: faultsMs,
      count: shape.below(shape.pick([4, 10, 40])),
      kinds,
    });

  const counted = countCoverage();
  const promise = promisedWith(replicas, coalition.members, plan);

  const counters = { views: 0, messages: 0 };
  const counting: Observer = {
    onDeliver() {
      counters.messages++;
    },
    onEvent(_, event) {
      if (event.type === 'viewEntered') counters.views = Math.max(counters.views, event.view);
    },
  };
  const workload = kvWorkload(mixingHash, shape.between(1, 3));
  const clocks = random.fork('clocks');
  const checkpointInterval = shape.pick([4, 4, 8, 16, 64]);
  const cluster = makeSimulatedCluster({
    random,
    replicas,
    clients,
    service: workload.service,
    // Small limits, so that short runs reach them.
    genesisLimits: {
      pipelineWindow: shape.pick([1, 4, 16]),
      checkpointInterval,
      watermarkWindow: 4 * checkpointInterval,
      chainWindow: shape.pick([32, 256, 65_536]),
      sessionsMax: shape.pick([clients, clients + 2, 16_384]),
      sessionsPerKeyMax: shape.pick([1, 2, 64]),
    },
    localLimits: {
      requestTimeoutMs: shape.pick([100, 300, 1_000]),
      requestTimeoutMaxMs: shape.pick([2_000, 60_000]),
      // So few that bodies of executed batches are read from the log.
      bodyBytesMax: 1_024,
      // So few that a checkpoint takes several.
      checkpointSliceBytes: 256,
    },
    conditions,
    diskTimes: { ...DISK_TIMES, snapshotMaxUs: shape.pick([1_000, 20_000, 500_000]) },
    durableClients: shape.chance(1, 2),
    clockErrors: () => ({ driftPpm: clocks.between(-500, 500), skewMs: clocks.between(-900, 900) }),
    observers: [counting, counted.observer, ...(options.observers ?? [])],
    ...(options.sabotage === undefined ? {} : { sabotage: options.sabotage }),
    bug: options.bug,
    ...(options.traceLines === undefined ? {} : { traceLines: options.traceLines }),
    program: options.program ?? traitors(attack, coalition, random),
    lyingClient: (client, owner) => (client === lyingClient ? script.client!(owner, coalition) : undefined),
    promise,
  });

  const history = recordHistory<KvInput, KvResult>();
  const work = startClients(cluster, random.fork('workload'), workload, history, {
    requests,
    faultsMs,
    chosen: options.operations ?? Array.from({ length: clients }, () => [...Array(requests).keys()]),
  });
  scheduleFaults({ cluster, conditions, endMs: faultsMs }, plan);
  if (faulty > 0) script.stage?.(cluster, coalition, faultsMs);
  const failed = () => cluster.violations.length > 0;

  cluster.kernel.runUntil(faultsMs * 1000, failed);
  if (!failed()) {
    endFaults(cluster, CALM);
    const isLive = promise === 'linearizable';
    const boundUs = cluster.kernel.nowUs + (isLive ? LIVENESS_BOUND_MS : AFTERMATH_MS) * 1000;
    cluster.kernel.runUntil(boundUs, () => failed() || (isLive && work.done() && isAbreast(cluster)));
    if (!failed() && isLive) judgeLiveness(cluster, work.done());
    if (!failed()) cluster.proofs?.finish();
  }
  const verdict = judgeHistory(cluster, workload, history);
  if (verdict.type === 'violation') {
    const stuck = verdict.stuck
      .map(({ client, input, output }) => `${client} ${input.type} → ${output?.type ?? 'unknown'}`)
      .join('; ');
    cluster.report('safety', 'linearizability', `on one key nothing explains: ${stuck}`);
  }
  cluster.forks?.finish();
  if (!cluster.violations.some((violation) => violation.kind === 'crash')) cluster.executions.finish();

  return {
    ok: cluster.violations.length === 0,
    violations: cluster.violations,
    digest: cluster.eventDigest.digest(),
    plan,
    attack: faulty > 0 ? attack : undefined,
    faulty: coalition.members,
    chosen: work.chosen,
    stats: {
      simulatedMs: Math.round(cluster.nowMs()),
      batches: cluster.agreement.executed,
      views: counters.views,
      operations: history.operations().length,
      messages: counters.messages,
      events: cluster.kernel.steps,
      acts: coalition.acts,
      coverage: counted.coverage(),
      forks: cluster.forks?.branches().length ?? 1,
      forksMet: cluster.proofs?.met ?? 0,
    },
    trace: cluster.trace?.lines() ?? [],
  };
}

/**
 * Swarm testing (Groce et al. 2012): each seed leaves out some kinds of faults altogether, since many bugs show only where others do not get in
 * their way.
 */
function drawKinds(random: Random, withFaulty: boolean): readonly Fault['type'][] {
  // What all correct disks have lost, faulty replicas may be the last to hold.
  const kinds = FAULT_KINDS.filter((kind) => !withFaulty || kind !== 'damage');
  if (random.chance(1, 4)) return kinds;
  const some = kinds.filter(() => random.chance(1, 2));
  return some.length === 0 ? [random.pick(kinds)] : some;
}

/** The coalition's replicas run the attack. */
function traitors(
  attack: AttackName,
  coalition: Coalition,
  random: Random,
): NonNullable<ClusterOptions['program']> {
  return (index, correct, owner) => {
    if (!coalition.members.includes(index)) return correct;
    coalition.signers.set(index, owner.signer);
    const traitor = { ...owner, index, coalition, random: random.fork(`traitor ${index}`) };
    return ATTACKS[attack].replica(correct, traitor);
  };
}

interface Work {
  readonly chosen: readonly (readonly number[])[];
  /** Every operation has its outcome. */
  done(): boolean;
}

interface WorkOptions {
  readonly requests: number;
  readonly faultsMs: number;
  readonly chosen: readonly (readonly number[])[];
}

/**
 * Each client submits its operations, a few at a time, with pauses that spread them over the time of the faults. They are drawn beforehand,
 * so that leaving some out leaves the others as they were.
 */
function startClients(
  cluster: SimulatedCluster,
  random: Random,
  workload: ReturnType<typeof kvWorkload>,
  history: ReturnType<typeof recordHistory<KvInput, KvResult>>,
  { requests, faultsMs, chosen }: WorkOptions,
): Work {
  const thinkMaxMs = random.chance(1, 3) ? 10 : Math.ceil((2 * faultsMs) / requests);
  let remaining = 0;
  cluster.clients.forEach((client, i) => {
    const own = random.fork(client.name);
    const concurrency = own.pick([1, 1, 2, 4]);
    const drawn = Array.from({ length: requests }, (_, number) => ({
      ...workload.next(own, `${client.name}.${number}`, cluster.isCorrectClient(i) ? '' : 'z'),
      thinkUs: own.below(thinkMaxMs * 1000),
    }));
    const work = chosen[i]?.flatMap((number) => drawn[number] ?? []) ?? [];
    const isJudged = cluster.isCorrectClient(i);
    if (isJudged) remaining += work.length;
    let begun = 0;
    const next = (pauseUs: number) => {
      const step = work[begun++];
      if (step !== undefined) cluster.kernel.schedule(pauseUs + step.thinkUs, () => submit(step));
    };
    const submit = ({ input, read }: (typeof work)[number]) => {
      if (!isJudged) return client.submit(workload.encode(input), read, () => next(0));
      const operation = history.invoke(client.name, input);
      client.submit(workload.encode(input), read, (outcome) => {
        remaining--;
        if (outcome.type === 'accepted' || outcome.type === 'read') {
          const head = outcome.type === 'read' ? outcome.head : outcome.receipt.head;
          const place = { history: keyOf(head.hashChainDigest), ordered: outcome.type === 'accepted' };
          // Where nothing is promised, anything may have been accepted.
          if (cluster.promise !== 'nothing')
            history.complete(operation, workload.decode(outcome.result), place);
        } else if (outcome.type === 'rejected') history.reject(operation);
        next(0);
      });
    };
    for (let k = 0; k < concurrency; k++) next(1000 * i);
  });
  return { chosen, done: () => remaining === 0 };
}

/** Every correct replica runs and has executed all that any has. */
function isAbreast(cluster: SimulatedCluster): boolean {
  return cluster.replicas.every(
    (driver, index) =>
      !cluster.isCorrect(index) ||
      (driver.state === 'up' &&
        driver.running?.state?.ledger.executed.sequenceNumber === cluster.agreement.executed),
  );
}

function judgeLiveness(cluster: SimulatedCluster, answered: boolean): void {
  if (!answered) {
    const waiting = cluster.clients
      .filter((client, i) => client.outstanding > 0 && cluster.isCorrectClient(i))
      .map((client) => client.name);
    cluster.report(
      'liveness',
      'every request is answered',
      `${LIVENESS_BOUND_MS} ms after the faults ended, requests of ${waiting.join(', ')} are unanswered`,
    );
  } else if (!isAbreast(cluster)) {
    const behind = cluster.replicas
      .map((driver, index) => `${index}: s${driver.running?.state?.ledger.executed.sequenceNumber ?? '?'}`)
      .join(', ');
    cluster.report(
      'liveness',
      'every replica catches up',
      `${LIVENESS_BOUND_MS} ms after the faults ended, replicas have executed ${behind} of s${cluster.agreement.executed}`,
    );
  }
}
