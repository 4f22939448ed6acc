/**
 * Clients that keep a cluster busy while something happens to it, and remember everything for the judgement: a history of colliding
 * operations for the linearizability checker, and writes under keys of their own, of which none may be lost
 * once it was acknowledged.
 */

import { type Client, ClientError, connect, kv } from '../../../src/client/index.ts';
import { sha256 } from '../../../src/crypto/sha256.ts';
import { type Address, generateKey } from '../../../src/node/index.ts';
import type { KvResult } from '../../../src/services/kv/index.ts';
import { type HistoryRecorder, type Operation, recordHistory } from '../../../src/simulator/history.ts';
import { makeRandom, type Random } from '../../../src/simulator/random.ts';
import { type KvInput, kvWorkload } from '../../../src/simulator/workload.ts';
import { concatBytes, utf8 } from '../../../src/types/bytes.ts';
import { onCleanUp } from './cleanup.ts';
import { brief, type Cluster } from './cluster.ts';
import { PATIENCE_MS } from './wait.ts';

export interface LoadChoices {
  readonly clients?: number;
  /** How long an operation may take before its client gives it up. Shorter than any outage, if it must be seen to fail. */
  readonly deadlineMs?: number;
  /** Bytes of most values; one in eight has eight times as many. */
  readonly valueBytes?: number;
  readonly replicas?: readonly Address[];
}

export interface LoadResult {
  readonly history: readonly Operation<KvInput, KvResult>[];
  /** Keys and values of acknowledged writes. */
  readonly written: ReadonlyMap<string, string>;
  /** Operations that ended without an answer. */
  readonly failures: readonly ClientError[];
}

export interface Load {
  /** Operations acknowledged so far. */
  readonly acknowledged: number;
  /** Operations that ended without an answer so far. */
  readonly failures: readonly ClientError[];
  /** Resolves once so many more operations, begun from now on, were acknowledged. */
  progress(count?: number): Promise<void>;
  /** Ends the clients, each after its current operation. */
  stop(): Promise<LoadResult>;
}

/** Enough of each key's operations to collide, few enough to be judged quickly. */
const OPERATIONS_PER_EPOCH = 200;
const KEYS = 3;
const workload = kvWorkload(sha256, KEYS);

export async function startLoad(cluster: Cluster, choices: LoadChoices = {}): Promise<Load> {
  const { clients: count = 3, deadlineMs = 2 * PATIENCE_MS } = choices;
  const history = recordHistory<KvInput, KvResult>();
  const written = new Map<string, string>();
  const failures: ClientError[] = [];
  const waiting = new Set<{ left: number; readonly since: number; done: (error?: Error) => void }>();
  let acknowledged = 0;
  let begun = 0;
  let isStopping = false;
  let broken: Error | undefined;

  const clients = await Promise.all(
    Array.from({ length: count }, () => connectTo(cluster, choices.replicas, deadlineMs)),
  );
  const ended = Promise.all(
    clients.map((client, index) =>
      runClient(client, index).catch((error) => {
        broken ??= error instanceof Error ? error : new Error(String(error));
        for (const waiter of waiting) waiter.done(broken);
      }),
    ),
  );
  onCleanUp(async () => {
    isStopping = true;
    await Promise.all(clients.map((client) => client.close()));
    await ended;
  });

  async function runClient(client: Client, index: number): Promise<void> {
    const random = makeRandom(index);
    for (let round = 0; !isStopping; round++) {
      const number = begun++;
      const isAnswered =
        round % 2 === 0
          ? await collide(client, `c${index}`, `${index}.${round}`, random)
          : await writeOwn(client, `w/${index}/${round}`, random);
      if (!isAnswered) continue;
      acknowledged++;
      for (const waiter of waiting) if (number >= waiter.since && --waiter.left === 0) waiter.done();
    }
  }

  async function collide(client: Client, name: string, label: string, random: Random): Promise<boolean> {
    const { input, read } = inEpoch(workload.next(random, label), Math.floor(begun / OPERATIONS_PER_EPOCH));
    return recorded(history, name, input, read, () =>
      client[read ? 'read' : 'submit'](workload.encode(input)).then(({ result }) => workload.decode(result)),
    );
  }

  async function recorded(
    recorder: HistoryRecorder<KvInput, KvResult>,
    name: string,
    input: KvInput,
    read: boolean,
    call: () => Promise<KvResult>,
  ): Promise<boolean> {
    const operation = recorder.invoke(name, input);
    const outcome = await attempt(call);
    if (outcome.ok) recorder.complete(operation, outcome.value);
    // A read without an answer says nothing; a write may still take effect at any time.
    else if (read || outcome.error.outcome === 'not-applied') recorder.reject(operation);
    return outcome.ok;
  }

  async function writeOwn(client: Client, key: string, random: Random): Promise<boolean> {
    const { valueBytes = 64 } = choices;
    const value = `${key} `.padEnd(random.chance(1, 8) ? 8 * valueBytes : valueBytes, '.');
    const outcome = await attempt(() => kv(client).put(key, value));
    if (outcome.ok) written.set(key, value);
    return outcome.ok;
  }

  async function attempt<T>(call: () => Promise<T>) {
    try {
      return { ok: true, value: await call() } as const;
    } catch (error) {
      // Anything but a deadline is no answer that a correct cluster gives to this load.
      if (!(error instanceof ClientError)) throw error;
      if (error.code !== 'NO_QUORUM' && error.code !== 'OUTCOME_UNKNOWN') {
        if (!(isStopping && error.code === 'CLOSED')) throw error;
      }
      failures.push(error);
      return { ok: false, error } as const;
    }
  }

  async function describeStandstill(wanted: number): Promise<Error> {
    const statuses = (await cluster.statuses()).map((status) => JSON.stringify(brief(status)));
    const text = `the load makes no progress: ${wanted} operations are missing after ${PATIENCE_MS} ms`;
    return new Error([text, ...failures.slice(-3).map(String), ...statuses].join('\n'));
  }

  return {
    get acknowledged() {
      return acknowledged;
    },
    failures,
    progress: (wanted = 50) =>
      new Promise((resolve, reject) => {
        const waiter = { left: wanted, since: begun, done };
        const timer = setTimeout(() => void describeStandstill(waiter.left).then(done), PATIENCE_MS);
        function done(error?: Error): void {
          clearTimeout(timer);
          waiting.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        }
        waiting.add(waiter);
        if (broken !== undefined) done(broken);
      }),
    async stop() {
      isStopping = true;
      await ended;
      await Promise.all(clients.map((client) => client.close()));
      if (broken !== undefined) throw broken;
      return { history: history.operations(), written, failures };
    },
  };
}

/** A client in this process, with a key of its own. */
export function connectTo(
  cluster: Cluster,
  replicas = cluster.network.replicas,
  deadlineMs = PATIENCE_MS,
): Promise<Client> {
  return connect({
    genesis: cluster.genesis,
    replicas,
    key: generateKey().seed,
    deadlineMs,
    noQuorumMs: deadlineMs,
  });
}

/** On fresh keys after a while: what is long over needs no second thought. */
function inEpoch({ input, read }: { input: KvInput; read: boolean }, epoch: number) {
  return { input: { ...input, key: concatBytes(utf8(`${epoch}/`), input.key) } as KvInput, read };
}
