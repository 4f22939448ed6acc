/**
 * A whole cluster in one process: replicas on simulated machines, clients, the network between them, and the checkers that watch. Everything in it
 * is decided by one seed.
 */

import { mixingHash } from '../crypto/mixing-hash.ts';
import type { Signer } from '../crypto/port.ts';
import { makeSimulatedCrypto } from '../crypto/simulated.ts';
import type { ClientLimits } from '../protocol/client/index.ts';
import { DEFAULT_CLIENT_LIMITS } from '../protocol/client/index.ts';
import type { Context } from '../protocol/context.ts';
import {
  DEFAULT_GENESIS_LIMITS,
  type Genesis,
  type GenesisLimits,
  makeCluster,
} from '../protocol/genesis.ts';
import type { Message } from '../protocol/messages/index.ts';
import type { Destination } from '../protocol/replica/io.ts';
import { DEFAULT_LOCAL_LIMITS, type LocalLimits } from '../protocol/replica/limits.ts';
import type { ServiceFactory } from '../services/service.ts';
import { keyOf } from '../types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../types/identities.ts';
import { type Ambushes, makeAmbushes } from './ambush.ts';
import { BUGS, type BugName } from './bugs.ts';
import { type Agreement, checkAgreement } from './checkers/agreement.ts';
import { checkBoundedMemory } from './checkers/bounded-memory.ts';
import { checkExecutions, type Executions } from './checkers/executions.ts';
import { checkForkProved, type ForkProved } from './checkers/fork-proved.ts';
import { checkForkStar, type ForkStar } from './checkers/fork-star.ts';
import { checkNoEquivocation } from './checkers/no-equivocation.ts';
import { checkNoFraming } from './checkers/no-framing.ts';
import { checkPersistBeforeSpeak } from './checkers/persist-before-speak.ts';
import { checkTestimony } from './checkers/testimony.ts';
import { checkVoteChain } from './checkers/vote-chain.ts';
import { type ClientDriver, makeClientDriver } from './client-driver.ts';
import { type Damage, DISK_TIMES, type Disk, type DiskTimes, makeDisk } from './disk.ts';
import { type Kernel, makeKernel } from './kernel.ts';
import { CALM, makeNetwork, type Network, type NetworkConditions } from './network.ts';
import { type Endpoint, type Happening, type Observer, tellAll } from './observer.ts';
import type { Random } from './random.ts';
import {
  type ClockErrors,
  type DriverSabotage,
  makeReplicaDriver,
  type ReplicaDriver,
} from './replica-driver.ts';
import { correctReplica, type ReplicaProgram } from './replica-program.ts';
import { digestEvents, type EventDigest, keepTrace, type Trace } from './trace.ts';
import type { Report, Violation } from './violation.ts';
import { watchedService } from './watched-service.ts';

export interface ClusterOptions {
  readonly random: Random;
  readonly replicas: number;
  /** q; 2f+1 if left out. */
  readonly quorum?: number;
  readonly clients: number;
  /** With `mixingHash`, as all of the cluster: what hashes otherwise can transfer no state. */
  readonly service: ServiceFactory;
  readonly genesisLimits?: Partial<GenesisLimits>;
  readonly localLimits?: Partial<LocalLimits>;
  readonly clientLimits?: Partial<ClientLimits>;
  readonly durableClients?: boolean;
  readonly conditions?: NetworkConditions;
  readonly diskTimes?: DiskTimes;
  /** The clocks of each replica; exact if left out. */
  readonly clockErrors?: (replica: ReplicaIndex) => ClockErrors;
  /** What a machine runs instead of the correct replica; such a replica counts as faulty. */
  readonly program?: (replica: ReplicaIndex, correct: ReplicaProgram, owner: ProgramOwner) => ReplicaProgram;
  readonly sabotage?: DriverSabotage;
  /** What a faulty client does with each message instead of sending it; a client without one is correct. */
  readonly lyingClient?: (client: number, owner: ClientOwner) => ClientSend | undefined;
  /** What is judged; linearizable if left out. */
  readonly promise?: Promised;
  /** All replicas, or all clients, have it. */
  readonly bug?: BugName | undefined;
  /** Events kept for the trace; 0 for none. */
  readonly traceLines?: number;
  readonly observers?: readonly Observer[];
}

/** What a faulty program knows beside the correct one it wraps. */
export interface ProgramOwner {
  readonly context: Context;
  readonly signer: Signer;
  readonly limits: LocalLimits;
}

/** What a faulty client's program knows. */
export interface ClientOwner {
  readonly context: Context;
  readonly signer: Signer;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly genesisLimits: GenesisLimits;
  readonly send: ClientSend;
}

export type ClientSend = (to: readonly ReplicaIndex[], message: Message) => void;

/** By how many are faulty (docs/protocol.md §1). What binds correct replicas alone is judged in any case. */
export type Promised = 'linearizable' | 'fork*' | 'nothing';

export interface SimulatedCluster {
  readonly kernel: Kernel;
  readonly context: Context;
  /** The replicas' keys, for those that lie in their own name. */
  readonly signers: readonly Signer[];
  readonly clientKeys: readonly PublicKey[];
  readonly network: Network;
  readonly replicas: readonly ReplicaDriver[];
  readonly disks: readonly Disk[];
  readonly clients: readonly ClientDriver[];
  readonly promise: Promised;
  readonly agreement: Agreement;
  readonly executions: Executions;
  /** Where fork* is promised and no more. */
  readonly forks: ForkStar | undefined;
  /** There, too. */
  readonly proofs: ForkProved | undefined;
  readonly eventDigest: EventDigest;
  readonly trace: Trace | undefined;
  readonly ambushes: Ambushes;
  /** Found so far; the same property is reported once. */
  readonly violations: readonly Violation[];
  readonly report: Report;
  isCorrect(replica: ReplicaIndex): boolean;
  isCorrectClient(client: number): boolean;
  crash(replica: ReplicaIndex): void;
  restart(replica: ReplicaIndex): void;
  pause(replica: ReplicaIndex): void;
  resume(replica: ReplicaIndex): void;
  /** From now on a process that ends by itself is soon started again, as a supervisor does. */
  supervise(): void;
  /** A client's process dies and another begins at once. */
  restartClient(client: number): void;
  /** Crashes the replica and takes away all its disk held: from now on it counts as faulty. */
  loseDisk(replica: ReplicaIndex): void;
  /** Damages something on the disk of a replica that is down; a lost promise makes it count as faulty. */
  damage(replica: ReplicaIndex, kind: Damage): void;
  /** Cuts every link from one of `from` to one of `to`. */
  cut(from: readonly Endpoint[], to: readonly Endpoint[]): void;
  /** Breaks every connection between one of `from` and one of `to`; they come up again. */
  reset(from: readonly Endpoint[], to: readonly Endpoint[]): void;
  /** Takes back one such cut, and tells both ends of links that are whole again. */
  mend(from: readonly Endpoint[], to: readonly Endpoint[]): void;
  /** Mends all links and tells both ends. */
  heal(): void;
  /** Something is done to the cluster: for the trace and the digest, and for pictures if they know of its kind. */
  tell(text: string, what?: Happening): void;
  /** Virtual milliseconds since the beginning. */
  nowMs(): number;
}

/** What a replica may lose without losing a promise. */
const REPLACEABLE: ReadonlySet<string> = new Set(['body', 'committed', 'evidence', 'snapshot', 'leaf']);

/** How long a supervisor waits before it starts what has ended. */
const SUPERVISOR_US = 100_000;

export function makeSimulatedCluster(options: ClusterOptions): SimulatedCluster {
  const { random } = options;
  const backend = makeSimulatedCrypto(mixingHash);
  const kernel = makeKernel();
  const keys = random.fork('keys');
  const signers = Array.from({ length: options.replicas }, () => backend.signerFromSeed(keys.bytes(32)));
  const clientSigners = Array.from({ length: options.clients }, () => backend.signerFromSeed(keys.bytes(32)));
  const maxFaulty = Math.floor((options.replicas - 1) / 3);
  const genesis: Genesis = {
    name: 'simulation',
    service: 'simulated',
    replicas: signers.map((signer) => signer.publicKey),
    quorumSize: options.quorum ?? 2 * maxFaulty + 1,
    listedOnly: false,
    listed: [],
    limits: { ...DEFAULT_GENESIS_LIMITS, ...options.genesisLimits },
  };
  const context: Context = { cluster: makeCluster(genesis, backend.crypto), crypto: backend.crypto };
  const bug = options.bug === undefined ? {} : BUGS[options.bug];
  const replicaContext = bug.replicaContext?.(context) ?? context;
  const clientContext = bug.clientContext?.(context) ?? context;

  const violations: Violation[] = [];
  const report: Report = (kind, property, text) => {
    if (violations.some((violation) => violation.property === property)) return;
    const violation: Violation = { kind, property, text, atMs: kernel.nowUs / 1000 };
    violations.push(violation);
    observer.onFault(`VIOLATION of ${property}: ${text}`, { type: 'other' });
    observer.onViolation(violation);
  };
  const faulty = new Set<ReplicaIndex>();
  const isCorrect = (replica: ReplicaIndex) => !faulty.has(replica);

  const clientKeyOf = (endpoint: Endpoint): PublicKey =>
    clientSigners[endpoint - options.replicas]!.publicKey;
  // With more than f faulty replicas there may be many histories: what presumes a single one has no say.
  const promise = options.promise ?? 'linearizable';
  const reportOfOneHistory: Report = (kind, property, text) => {
    if (promise === 'linearizable') report(kind, property, text);
  };
  const lyingClients = new Set<Endpoint>();
  const agreement = checkAgreement(isCorrect, reportOfOneHistory);
  const executions = checkExecutions(
    isCorrect,
    (client) => (lyingClients.has(client) ? undefined : clientKeyOf(client)),
    (key) => endpointsOfKey.get(keyOf(key))?.some((client) => !lyingClients.has(client)) === true,
    reportOfOneHistory,
  );
  const persistence = checkPersistBeforeSpeak(context, isCorrect, report);
  const forks =
    promise === 'fork*'
      ? checkForkStar({
          context,
          isCorrect,
          clientKeyOf: (client) => (lyingClients.has(client) ? undefined : clientKeyOf(client)),
          report,
        })
      : undefined;
  const proofs =
    promise === 'fork*'
      ? checkForkProved({
          context,
          isCorrect,
          isCorrectClient: (client) => !lyingClients.has(client),
          headOf: (replica) => replicas[replica]?.running?.state?.head,
          report,
        })
      : undefined;
  const eventDigest = digestEvents(kernel);
  const traceLines = options.traceLines ?? 0;
  const trace = traceLines > 0 ? keepTrace(kernel, options.replicas, traceLines) : undefined;
  const ambushes = makeAmbushes();
  const observer = tellAll([
    eventDigest,
    ...(trace === undefined ? [] : [trace]),
    agreement,
    executions,
    persistence,
    ...(forks === undefined ? [] : [forks]),
    ...(proofs === undefined ? [] : [proofs]),
    checkNoEquivocation(options.replicas, isCorrect, report),
    checkVoteChain(context, isCorrect, report),
    checkTestimony(context, isCorrect, report),
    checkNoFraming(isCorrect, (client) => !lyingClients.has(client), report),
    checkBoundedMemory(
      context,
      (replica) => replicas[replica]?.running?.state,
      // A quorum of liars leads from view to view as fast as it likes, and what that writes is up to them.
      (replica) => (promise === 'nothing' ? 0 : disks[replica]!.size),
      report,
    ),
    ...(options.observers ?? []),
    ambushes,
  ]);

  observer.onBegin({ kernel, context, replicas: options.replicas, clients: options.clients });

  const endpointsOfKey = new Map<string, Endpoint[]>();
  clientSigners.forEach((signer, i) => {
    endpointsOfKey.set(keyOf(signer.publicKey), [options.replicas + i]);
  });
  const everyReplica = signers.map((_, index) => index);
  const othersOf = everyReplica.map((from) => everyReplica.filter((index) => index !== from));

  function endpointsOf(from: ReplicaIndex, to: Destination): readonly Endpoint[] {
    switch (to.kind) {
      case 'all':
      case 'others':
        return othersOf[from]!;
      case 'replica':
        return [to.index];
      case 'client':
        return endpointsOfKey.get(keyOf(to.key)) ?? [];
    }
  }

  function receive(from: Endpoint, to: Endpoint, message: Message): void {
    if (to >= options.replicas) {
      if (from < options.replicas) clients[to - options.replicas]?.receive(from, message);
      return;
    }
    const sender =
      from < options.replicas
        ? ({ kind: 'replica', index: from } as const)
        : ({ kind: 'client', key: clientKeyOf(from) } as const);
    replicas[to]!.receive({ type: 'receive', from: sender, message });
  }

  const network = makeNetwork({
    kernel,
    random: random.fork('network'),
    endpoints: options.replicas + options.clients,
    conditions: options.conditions ?? CALM,
    observer,
    receive,
  });

  let supervised = false;
  let instances = 0;
  const disks = everyReplica.map((index) =>
    makeDisk({
      kernel,
      random: random.fork(`disk ${index}`),
      times: options.diskTimes ?? DISK_TIMES,
      hash: backend.crypto.hash,
      onDurable: (record) => observer.onDurable(index, record),
      onSnapshotDurable: (snapshot) => observer.onSnapshotDurable(index, snapshot),
    }),
  );
  const replicas: readonly ReplicaDriver[] = everyReplica.map((index) => {
    const signer = signers[index]!;
    const limits = { ...DEFAULT_LOCAL_LIMITS, ...options.localLimits };
    const written = correctReplica({
      context: replicaContext,
      index,
      signer,
      service: watchedService(
        options.service,
        () => instances++,
        (execution) => observer.onExecution(index, execution),
      ),
      limits,
    });
    const correct = bug.program?.(written, context, signer) ?? written;
    const program = options.program?.(index, correct, { context, signer, limits }) ?? correct;
    if (program !== correct) faulty.add(index);
    return makeReplicaDriver({
      index,
      kernel,
      random: random.fork(`replica ${index}`),
      program,
      disk: disks[index]!,
      clockErrors: options.clockErrors?.(index) ?? { driftPpm: 0, skewMs: 0 },
      observer,
      report: (kind, property, text) => {
        if (isCorrect(index)) report(kind, property, text);
      },
      send: (to, message) => network.send(index, endpointsOf(index, to), message),
      replicas: options.replicas,
      onStopped: (reason) => {
        cluster.tell(`${index} stops: ${reason}`, { type: 'crash', replica: index });
        if (supervised) kernel.schedule(SUPERVISOR_US, () => cluster.restart(index));
      },
      sabotage: { ...options.sabotage, ...bug.sabotage },
    });
  });
  const clients: readonly ClientDriver[] = clientSigners.map((signer, i) => {
    const endpoint = options.replicas + i;
    const send: ClientSend = (to, message) => network.send(endpoint, to, message);
    const lying = options.lyingClient?.(i, {
      context,
      signer,
      kernel,
      random: random.fork(`lying client ${i}`),
      genesisLimits: genesis.limits,
      send,
    });
    if (lying !== undefined) lyingClients.add(endpoint);
    return makeClientDriver({
      endpoint,
      name: `c${i}`,
      kernel,
      random: random.fork(`client ${i}`),
      context: clientContext,
      judge: context,
      signer,
      limits: { ...DEFAULT_CLIENT_LIMITS, ...options.clientLimits },
      durable: options.durableClients ?? false,
      observer,
      report: (kind, property, text) => {
        if (lying === undefined) report(kind, property, text);
      },
      bend: bug.bendSession,
      send: lying ?? send,
    });
  });

  function connect(a: Endpoint, b: Endpoint): void {
    if (network.isCut(a, b) || network.isCut(b, a)) return;
    if (a < options.replicas && b < options.replicas) replicas[a]!.receive({ type: 'connected', peer: b });
    else if (a >= options.replicas) clients[a - options.replicas]!.connected(b);
  }

  /** Connections come up one by one, within 50 ms. */
  function reconnect(a: Endpoint, b: Endpoint): void {
    kernel.schedule(reconnections.below(50_000), () => {
      connect(a, b);
      connect(b, a);
    });
  }
  const reconnections = random.fork('reconnections');

  function start(index: ReplicaIndex): void {
    replicas[index]!.start();
    for (const peer of everyReplica) {
      if (peer !== index && replicas[peer]!.state !== 'down') reconnect(index, peer);
    }
    clients.forEach((_, i) => {
      reconnect(options.replicas + i, index);
    });
  }

  const cluster: SimulatedCluster = {
    kernel,
    context,
    signers,
    clientKeys: clientSigners.map((signer) => signer.publicKey),
    network,
    replicas,
    disks,
    clients,
    promise,
    agreement,
    executions,
    forks,
    proofs,
    eventDigest,
    trace,
    ambushes,
    violations,
    report,
    isCorrect,
    isCorrectClient: (client) => !lyingClients.has(options.replicas + client),
    crash(index) {
      if (replicas[index]!.state === 'down') return;
      cluster.tell(`crash ${index}`, { type: 'crash', replica: index });
      replicas[index]!.crash();
    },
    restart(index) {
      if (replicas[index]!.state !== 'down') return;
      cluster.tell(`restart ${index}`, { type: 'restart', replica: index });
      start(index);
    },
    pause(index) {
      cluster.tell(`pause ${index}`, { type: 'pause', replica: index });
      replicas[index]!.pause();
    },
    resume(index) {
      cluster.tell(`resume ${index}`, { type: 'resume', replica: index });
      replicas[index]!.resume();
    },
    supervise() {
      supervised = true;
    },
    restartClient(client) {
      cluster.tell(`restart c${client}`, { type: 'client-restart', client });
      clients[client]!.restart();
    },
    loseDisk(index) {
      cluster.tell(`lose the disk of ${index}`, { type: 'lose-disk', replica: index });
      replicas[index]!.crash();
      disks[index]!.empty();
      persistence.forget(index);
      faulty.add(index);
    },
    damage(index, kind) {
      const what = disks[index]!.damage(kind);
      if (what === undefined) return;
      cluster.tell(`damage the disk (${what}) of ${index}`, { type: 'damage', replica: index });
      if (!REPLACEABLE.has(what)) faulty.add(index);
    },
    cut(from, to) {
      cluster.tell(`cut ${from.join(' ')} | ${to.join(' ')}`, { type: 'cut', from, to });
      for (const a of from) for (const b of to) if (a !== b) network.cut(a, b);
    },
    reset(from, to) {
      cluster.tell(`reset ${from.join(' ')} | ${to.join(' ')}`, { type: 'other', name: 'reset' });
      for (const a of from) {
        for (const b of to) {
          if (a === b) continue;
          network.reset(a, b);
          reconnect(a, b);
        }
      }
    },
    mend(from, to) {
      cluster.tell(`mend ${from.join(' ')} | ${to.join(' ')}`, { type: 'mend', from, to });
      for (const a of from) for (const b of to) if (network.mend(a, b)) reconnect(a, b);
    },
    heal() {
      cluster.tell('heal', { type: 'heal' });
      const pairs = new Set(network.heal().map(([a, b]) => (a < b ? `${a} ${b}` : `${b} ${a}`)));
      for (const pair of pairs) {
        const [a, b] = pair.split(' ').map(Number) as [number, number];
        reconnect(a, b);
      }
    },
    tell: (text, what = { type: 'other' }) => observer.onFault(text, what),
    nowMs: () => kernel.nowUs / 1000,
  };
  for (const index of everyReplica) start(index);
  return cluster;
}
