/**
 * A closed loop of operations through the public client: so many in flight, and each that ends begins the next. What is measured are
 * windows of a load that goes on, so that neither the beginning nor the end is in them.
 */

import { type Client, connect, type KvClient, kv } from '../src/client/index.ts';
import { randomBytes } from '../src/crypto/sodium-native.ts';
import type { BenchCluster } from './cluster.ts';
import type { Workload } from './options.ts';

export interface Load {
  /** Forgets the latencies so far: what ends from now on is in the window. */
  beginWindow(): void;
  /** Milliseconds from call to answer of what has ended since `beginWindow`, ascending. */
  endWindow(): Float64Array;
  /** Waits for what is in flight, then disconnects. @throws the first error of an operation */
  stop(): Promise<void>;
}

/** Sessions of one client key, and of one client. */
const SESSIONS_PER_CLIENT = 64;
/** Sessions of one key that replicas open at once; more are told to wait. */
const OPENED_AT_ONCE = 8;
/** Operations in flight that share a session when they are joined. */
const JOINED_PER_SESSION = 32;
const KEYS = 1_000;

export async function startLoad(cluster: BenchCluster, workload: Workload): Promise<Load> {
  const { inFlight, bytes, mode } = workload;
  const sessions = mode === 'single' ? inFlight : Math.max(1, Math.floor(inFlight / JOINED_PER_SESSION));
  const clients: Client[] = [];
  for (let left = sessions; left > 0; left -= SESSIONS_PER_CLIENT) {
    const { genesis, replicas } = cluster;
    const count = Math.min(left, SESSIONS_PER_CLIENT);
    const client = await connect({ genesis, replicas, key: randomBytes(32), sessions: count });
    clients.push(client);
    await openSessions(client, count);
  }
  const value = randomBytes(bytes);
  let latencies: number[] = [];
  let isStopping = false;
  let next = 0;

  async function loop(store: KvClient): Promise<void> {
    while (!isStopping) {
      const startMs = performance.now();
      await store.put(`key-${next++ % KEYS}`, value);
      latencies.push(performance.now() - startMs);
    }
  }

  const stores = clients.map((client) => kv(client));
  const loops = Array.from({ length: inFlight }, (_, i) => loop(stores[i % stores.length]!));
  // Looked at in `stop`; until then a failure must not end the process.
  const ended = Promise.allSettled(loops);

  return {
    beginWindow() {
      latencies = [];
    },
    endWindow: () => Float64Array.from(latencies).sort(),
    async stop() {
      isStopping = true;
      const outcomes = await ended;
      await Promise.all(clients.map((client) => client.close()));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}

/** A client opens a session when it has no idle one, so ever more operations at once open all of them. */
async function openSessions(client: Client, count: number): Promise<void> {
  const store = kv(client);
  for (let some = Math.min(count, OPENED_AT_ONCE); ; some = Math.min(count, some + OPENED_AT_ONCE)) {
    await Promise.all(Array.from({ length: some }, (_, i) => store.put(`key-${i}`, '')));
    if (some === count) return;
  }
}
