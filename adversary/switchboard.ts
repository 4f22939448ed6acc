/**
 * The network between the processes of a demonstration: whoever joins gets an address of its own for each replica, behind which a relay leads to
 * whatever process stands for that replica at the moment, or to none. So one key can be two processes, and the cluster can be divided, on
 * the loopback of one machine and without any right to change it. The relays see nothing but TLS.
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../src/node/index.ts';

export const HOST = '127.0.0.1';

/** The port that leads from `place` to a replica; undefined: cut. */
export type Route = (place: string, replica: number) => number | undefined;

export interface Switchboard {
  /** The addresses of all replicas as seen from a new place. */
  join(place: string): Promise<readonly Address[]>;
  /** From now on. Connections that would now lead elsewhere are closed. */
  route(route: Route): void;
  close(): Promise<void>;
}

interface Relay {
  readonly place: string;
  readonly replica: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
  target: number | undefined;
}

export function openSwitchboard(replicas: number): Switchboard {
  const relays: Relay[] = [];
  let current: Route = () => undefined;

  async function openRelay(place: string, replica: number): Promise<Address> {
    const server = createServer((near) => carry(relay, near));
    const relay: Relay = { place, replica, server, sockets: new Set(), target: current(place, replica) };
    relays.push(relay);
    server.listen(0, HOST);
    await once(server, 'listening');
    return { host: HOST, port: (server.address() as AddressInfo).port };
  }

  return {
    join: (place) => Promise.all(Array.from({ length: replicas }, (_, replica) => openRelay(place, replica))),
    route(route) {
      current = route;
      for (const relay of relays) {
        const target = route(relay.place, relay.replica);
        if (target === relay.target) continue;
        relay.target = target;
        for (const socket of relay.sockets) socket.destroy();
      }
    },
    async close() {
      await Promise.all(
        relays.map(({ server, sockets }) => {
          const closed = once(server, 'close');
          server.close();
          for (const socket of sockets) socket.destroy();
          return closed;
        }),
      );
    },
  };
}

function carry({ target, sockets }: Relay, near: Socket): void {
  near.on('error', () => undefined);
  if (target === undefined) {
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
}
