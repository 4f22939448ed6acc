/**
 * Strangers who connect to all replicas' ports and misbehave, over and over, each in one way, until they are told to stop. Whatever
 * they do, they do it without a key that the genesis names.
 */

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { encode } from '../../../src/codec/index.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL, helloFrame, type Party } from '../../../src/network/hello.ts';
import { makeIdentity } from '../../../src/network/identity.ts';
import { type Address, generateKey } from '../../../src/node/index.ts';
import { messageSchema } from '../../../src/protocol/messages/index.ts';
import { makeRandom } from '../../../src/simulator/random.ts';
import { concatBytes, fromHex, u32Bytes } from '../../../src/types/bytes.ts';
import { onCleanUp } from './cleanup.ts';
import { until } from './wait.ts';

export interface Strangers {
  /** Resolves when each kind of stranger has been through `count` more rounds. */
  rounds(count: number): Promise<void>;
  stop(): Promise<void>;
}

interface Target extends Address {
  readonly clusterId: string;
}

const random = makeRandom(1);
const identity = makeIdentity(generateKey().seed);

type Misdeed = (target: Target) => Promise<void>;

const MISDEEDS: Readonly<Record<string, Misdeed>> = {
  async 'garbage instead of TLS'(target) {
    const socket = await dial(target);
    socket.write(random.bytes(10_000));
    await closed(socket);
  },
  async 'HTTP instead of TLS'(target) {
    const socket = await dial(target);
    socket.write(`GET / HTTP/1.1\r\nhost: ${'x'.repeat(10_000)}\r\n\r\n`);
    await closed(socket);
  },
  /** So many that they take all places of those who have not said yet who they are. */
  async 'connections that say half a word, slowly, and hold on'(target) {
    const sockets = await Promise.all(Array.from({ length: 80 }, () => dial(target)));
    for (const socket of sockets) socket.write(Uint8Array.of(0x16, 0x03, 0x01));
    await Promise.all(sockets.map(closed));
  },
  async 'a replica without the right key'(target) {
    const socket = await dialSecured(target);
    socket.write(framed(hello(socket, target, { role: 'replica', index: random.below(4) })));
    await closed(socket);
  },
  async 'a first frame of four gigabytes'(target) {
    const socket = await dialSecured(target);
    socket.write(u32Bytes(0xffff_ffff));
    await closed(socket);
  },
  async 'a client that announces too long a frame'(target) {
    const socket = await dialLink(target);
    socket.write(u32Bytes(0x7fff_ffff));
    socket.write(random.bytes(100_000));
    await closed(socket);
  },
  async 'a client that sends frames of garbage'(target) {
    const socket = await dialLink(target);
    for (let i = 0; i < 200; i++) {
      const isTaken = socket.write(framed(random.bytes(1 + random.below(20_000))));
      if (!isTaken) await event(socket, 'drain');
    }
    socket.destroy();
  },
  async "a client that sends replicas' messages"(target) {
    const socket = await dialLink(target);
    const suspect = { view: 2 ** 40, replica: 0, signature: random.bytes(64) };
    for (let i = 0; i < 200; i++) {
      socket.write(framed(encode(messageSchema, { type: 'suspect', ...suspect })));
    }
    socket.end();
    await closed(socket);
  },
  async 'a client that never ends its frame'(target) {
    const sockets = await Promise.all(Array.from({ length: 4 }, () => dialLink(target)));
    for (const socket of sockets) socket.write(concatBytes(u32Bytes(200_000), random.bytes(199_999)));
    // Until the replica has surely read it: what follows on another connection is answered only later.
    (await dialLink(target)).destroy();
    for (const socket of sockets) socket.destroy();
  },
};

export function sendStrangers(targets: readonly Target[]): Strangers {
  const done = new Map<string, number>();
  let isStopping = false;
  const ended = Promise.all(
    Object.entries(MISDEEDS).map(async ([name, misdeed]) => {
      for (let round = 0; !isStopping; round++) {
        // A connection that is refused or breaks is what a stranger has to expect.
        await Promise.allSettled(targets.map(misdeed));
        done.set(name, round + 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  const stop = async (): Promise<void> => {
    isStopping = true;
    for (const socket of sockets) socket.destroy();
    await ended;
  };
  onCleanUp(stop);
  return {
    stop,
    async rounds(count) {
      const before = new Map(done);
      await until(`strangers have been through ${count} rounds`, () => {
        const slow = Object.keys(MISDEEDS).filter(
          (name) => (done.get(name) ?? 0) < (before.get(name) ?? 0) + count,
        );
        if (slow.length === 0) return true;
        throw new Error(`not yet: ${slow.join(', ')}`);
      });
    },
  };
}

const sockets = new Set<Socket>();

function watched<S extends Socket>(socket: S): S {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  return socket;
}

async function dial({ host, port }: Address): Promise<Socket> {
  const socket = watched(connectTcp(port, host));
  await event(socket, 'connect');
  return socket.resume();
}

async function dialSecured({ host, port }: Address): Promise<TLSSocket> {
  const { secureContext } = identity;
  const socket = watched(connectTls({ host, port, secureContext, rejectUnauthorized: false }));
  await event(socket, 'secureConnect');
  return socket.resume();
}

/** A client of the cluster, under a key of its own: anyone may be one. */
async function dialLink(target: Target): Promise<TLSSocket> {
  const socket = await dialSecured(target);
  socket.write(framed(hello(socket, target, { role: 'client' })));
  await event(socket, 'data');
  return socket;
}

function hello(socket: TLSSocket, { clusterId }: Target, party: Party): Uint8Array {
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  const local = { identity, clusterId: fromHex(clusterId)!, epoch: 0, party, versions: [1] };
  return helloFrame(local, exporter, 1 << 20);
}

function framed(frame: Uint8Array): Uint8Array {
  return concatBytes(u32Bytes(frame.length), frame);
}

/** Rejects if the socket closes first, or has closed already. */
function event(socket: Socket, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the connection is closed'));
    if (socket.closed) onClose();
    socket.once('close', onClose);
    socket.once(name, () => {
      socket.off('close', onClose);
      resolve();
    });
  });
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await event(socket, 'close').catch(() => undefined);
}
