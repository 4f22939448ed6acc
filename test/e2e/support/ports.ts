/**
 * Free ports for listeners that come and go. Below the range from which the kernel takes the ports of outgoing connections: while a
 * replica is down, another process's connection must not be given its port.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 10_000;
const LAST = 31_999;

export async function freePorts(host: string, count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (!ports.has(port) && (await isFree(host, port))) ports.add(port);
  }
  return [...ports];
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
