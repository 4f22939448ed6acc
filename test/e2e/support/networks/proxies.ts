/**
 * A network that can be cut on any machine: each direction between two replicas, and between the clients and a replica, goes through a
 * proxy of its own. A cut link is closed, and every new connection over it is closed at once.
 */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Address } from '../../../../src/node/index.ts';
import { onCleanUp } from '../cleanup.ts';
import { freePorts } from '../ports.ts';
import { loopbackNetwork } from './loopback.ts';
import type { Divisible } from './network.ts';

const HOST = '127.0.0.1';

interface Link {
  readonly address: Address;
  setCut(cut: boolean): void;
}

export async function proxiedNetwork(count: number): Promise<Divisible> {
  const under = await loopbackNetwork(count);
  const ports = await freePorts(HOST, (count + 1) * count);
  const targets = under.replicas;
  // From each replica, and last from the clients, to each replica.
  const links: Link[][] = [];
  for (let from = 0; from <= count; from++) {
    links.push(
      await Promise.all(targets.map((target, to) => openLink(ports[from * count + to]!, target.port))),
    );
  }

  function divide(separated: ReadonlySet<number>): void {
    for (const [from, row] of links.entries()) {
      for (const [to, link] of row.entries()) link.setCut(separated.has(from) !== separated.has(to));
    }
  }

  return {
    ...under,
    peersOf: (index) => links[index]!.map(({ address }) => address),
    replicas: links[count]!.map(({ address }) => address),
    separate: (indices) => divide(new Set(indices)),
    heal: () => divide(new Set()),
  };
}

async function openLink(port: number, target: number): Promise<Link> {
  let cut = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    if (cut) {
      near.destroy();
      return;
    }
    const far = connect(target, HOST);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(port, HOST);
  await once(server, 'listening');
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  onCleanUp(async () => {
    const closed = once(server, 'close');
    server.close();
    cutAll();
    await closed;
  });
  return {
    address: { host: HOST, port },
    setCut(value) {
      cut = value;
      if (cut) cutAll();
    },
  };
}
