/**
 * Free ports for listeners that come and go. Below the range from which the kernel takes the ports of outgoing connections: while a
 * replica is down, another process's connection must not be given its port. None is handed out twice: a port that another caller has
 * chosen, and does not listen on yet, looks free.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 10_000;
const LAST = 31_999;

const handedOut = new Set<number>();

export async function freePorts(host: string, count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST + 1 - FIRST));
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
