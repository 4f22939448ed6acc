/** A link that can fall silent: passes bytes on between clients and one replica, or keeps them to itself while the connection looks well. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { HOST } from '../node/support.ts';

export interface Relay {
  readonly address: { readonly host: string; readonly port: number };
  /** What comes from now on vanishes, as on a network that is cut. */
  mute(): void;
  /** What vanished comes, as TCP would repeat it. */
  unmute(): void;
  /** Connections taken so far. */
  readonly connections: number;
  close(): Promise<void>;
}

export async function startRelay(port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let isMute = false;
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = connect(port, HOST);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (isMute) from.pause();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, HOST, resolve);
  });
  return {
    address: { host: HOST, port: (server.address() as AddressInfo).port },
    mute() {
      isMute = true;
      for (const socket of sockets) socket.pause();
    },
    unmute() {
      isMute = false;
      for (const socket of sockets) socket.resume();
    },
    get connections() {
      return connections;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
