/**
 * Free ports for listeners that come and go. A port that was chosen and is not listened on at the moment looks free, so everyone has ports of
 * his own: here none is handed out twice, each worker of the test run has its range, and all lie below those that `bft2f init` chooses from
 * and below those that the kernel gives to outgoing connections.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 2_000;
const PORTS_PER_WORKER = 2_000;
const WORKERS = 4;

const handedOut = new Set<number>();

export async function freePorts(host: string, count: number): Promise<number[]> {
  const ports: number[] = [];
  const first = FIRST + (Number(process.env.VITEST_POOL_ID) % WORKERS) * PORTS_PER_WORKER;
  while (ports.length < count) {
    const port = first + Math.floor(Math.random() * PORTS_PER_WORKER);
    if (handedOut.has(port)) continue;
    // Before it is tried: while that is waited for, another call may come upon it.
    handedOut.add(port);
    if (await isFree(host, port)) ports.push(port);
  }
  return ports;
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
