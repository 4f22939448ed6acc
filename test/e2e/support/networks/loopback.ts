/** All on 127.0.0.1: nothing can be cut. */

import { freePorts } from '../ports.ts';
import type { Network } from './network.ts';

const HOST = '127.0.0.1';

export async function loopbackNetwork(count: number): Promise<Network> {
  const ports = await freePorts(HOST, 2 * count);
  const replicas = ports.slice(0, count).map((port) => ({ host: HOST, port }));
  return {
    listen: (index) => replicas[index]!,
    status: (index) => ({ host: HOST, port: ports[count + index]! }),
    peersOf: () => replicas,
    replicas,
    prefix: () => [],
  };
}
