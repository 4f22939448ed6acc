/**
 * What the transport tests share: keys, a record of everything a transport reported that can be waited on, and a
 * stranger who speaks the wire by hand, so that he can also speak it wrongly.
 */

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { type ClientTransport, createClientTransport } from '../../src/network/client-transport.ts';
import { createFrameParser } from '../../src/network/frame-parser.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL, helloFrame, type Party } from '../../src/network/hello.ts';
import { type Identity, makeIdentity } from '../../src/network/identity.ts';
import type { NetworkLimits } from '../../src/network/limits.ts';
import type { NetworkError } from '../../src/network/network-error.ts';
import {
  createReplicaTransport,
  type Remote,
  type ReplicaTransport,
} from '../../src/network/replica-transport.ts';
import { concatBytes, u32Bytes } from '../../src/types/bytes.ts';

export const HOST = '127.0.0.1';
export const CLUSTER = new Uint8Array(32).fill(0xc1);
export const OTHER_CLUSTER = new Uint8Array(32).fill(0xc2);

export function seedOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

const identities = new Map<number, Identity>();
/** Replica i has the seed 1 + i; clients have seeds from 100. */
export function identityOf(seedNumber: number): Identity {
  const identity = identities.get(seedNumber) ?? makeIdentity(seedOf(seedNumber));
  identities.set(seedNumber, identity);
  return identity;
}

export interface Happening {
  readonly what: 'frame' | 'connected' | 'disconnected' | 'refused';
  /** `r1`, `c0` (connection number), or the place of a refused one. */
  readonly who: string;
  readonly remote?: Remote;
  readonly frame?: Uint8Array;
  readonly reason?: NetworkError;
}

export interface Witness {
  readonly seen: Happening[];
  /** The first thing seen, from the beginning or from `since` on, to which `matches` says yes. */
  until(matches: (happening: Happening) => boolean, since?: number): Promise<Happening>;
  untilConnected(who: string, since?: number): Promise<Happening>;
  untilRefused(code: string): Promise<Happening>;
  add(happening: Happening): void;
}

export function createWitness(): Witness {
  const seen: Happening[] = [];
  let waiters: { matches: (happening: Happening) => boolean; resolve: (happening: Happening) => void }[] = [];
  const witness: Witness = {
    seen,
    until(matches, since = 0) {
      const found = seen.slice(since).find(matches);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => waiters.push({ matches, resolve }));
    },
    untilConnected: (who, since) =>
      witness.until((event) => event.what === 'connected' && event.who === who, since),
    untilRefused: (code) => witness.until((event) => event.what === 'refused' && event.reason?.code === code),
    add(happening) {
      seen.push(happening);
      const ready = waiters.filter(({ matches }) => matches(happening));
      waiters = waiters.filter((waiter) => !ready.includes(waiter));
      for (const { resolve } of ready) resolve(happening);
    },
  };
  return witness;
}

function nameOf(remote: Remote): string {
  return remote.role === 'replica' ? `r${remote.index}` : `c${remote.connection}`;
}

export function addresses(ports: readonly number[]) {
  return ports.map((port, index) => ({ publicKey: identityOf(1 + index).publicKey, host: HOST, port }));
}

export interface Node {
  readonly transport: ReplicaTransport;
  readonly witness: Witness;
  readonly port: number;
}

const open: { close(): Promise<void> }[] = [];

/** To be called after each test. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
}

export interface NodeChoices {
  readonly limits?: Partial<NetworkLimits>;
  readonly clusterId?: Uint8Array;
  readonly port?: number;
  readonly seed?: number;
  readonly onFrame?: (from: Remote, frame: Uint8Array) => void;
  readonly onConnected?: (from: Remote, transport: ReplicaTransport) => void;
}

/** Replica `index`; `ports` are those of all replicas as far as it must know them: those below it. */
export async function startReplica(
  index: number,
  ports: readonly number[],
  choices: NodeChoices = {},
): Promise<Node> {
  const witness = createWitness();
  const transport: ReplicaTransport = createReplicaTransport({
    seed: seedOf(1 + index),
    index,
    clusterId: choices.clusterId ?? CLUSTER,
    epoch: 0,
    replicas: addresses(ports),
    host: HOST,
    port: choices.port ?? 0,
    limits: { redialMinMs: 5, redialMaxMs: 40, ...choices.limits },
    onFrame:
      choices.onFrame ??
      ((remote, frame) => witness.add({ what: 'frame', who: nameOf(remote), remote, frame })),
    onConnected(remote) {
      choices.onConnected?.(remote, transport);
      witness.add({ what: 'connected', who: nameOf(remote), remote });
    },
    onDisconnected: (remote, reason) =>
      witness.add({ what: 'disconnected', who: nameOf(remote), remote, reason }),
    onRefused: (where, reason) => witness.add({ what: 'refused', who: where, reason }),
  });
  open.push(transport);
  const { port } = await transport.listen();
  return { transport, witness, port };
}

/** n replicas, each with all links up. */
export async function startCluster(n: number, choices: NodeChoices = {}): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  for (let i = 0; i < n; i++) {
    const ports = Array.from({ length: n }, (_, j) => nodes[j]?.port ?? 1);
    nodes.push(await startReplica(i, ports, choices));
  }
  await Promise.all(
    nodes.flatMap(({ witness }, i) =>
      nodes.flatMap((_, j) => (i === j ? [] : [witness.untilConnected(`r${j}`)])),
    ),
  );
  return nodes;
}

export interface ClientNode {
  readonly transport: ClientTransport;
  readonly witness: Witness;
}

export function startClient(
  ports: readonly number[],
  choices: NodeChoices & { readonly replicas?: ReturnType<typeof addresses> } = {},
): ClientNode {
  const witness = createWitness();
  const transport = createClientTransport({
    seed: seedOf(choices.seed ?? 100),
    clusterId: choices.clusterId ?? CLUSTER,
    epoch: 0,
    replicas: choices.replicas ?? addresses(ports),
    limits: { redialMinMs: 5, redialMaxMs: 40, ...choices.limits },
    onFrame: (index, frame) => witness.add({ what: 'frame', who: `r${index}`, frame }),
    onConnected: (index) => witness.add({ what: 'connected', who: `r${index}` }),
    onDisconnected: (index, reason) => witness.add({ what: 'disconnected', who: `r${index}`, reason }),
    onRefused: (index, reason) => witness.add({ what: 'refused', who: `r${index}`, reason }),
  });
  open.push(transport);
  return { transport, witness };
}

/** A frame as it is on the wire. */
export function framed(frame: Uint8Array): Uint8Array {
  return concatBytes(u32Bytes(frame.length), frame);
}

/** A TLS connection under the identity `seedNumber`, with nothing said yet. */
export async function dialTls(port: number, seedNumber: number): Promise<TLSSocket> {
  const socket = connect({
    host: HOST,
    port,
    secureContext: identityOf(seedNumber).secureContext,
    rejectUnauthorized: false,
  });
  socket.on('error', () => {});
  open.push({ close: async () => void socket.destroy() });
  await once(socket, 'secureConnect');
  return socket;
}

/** A TCP connection, perhaps not yet made. */
export function dialTcp(port: number): Socket {
  const socket = connectTcp(port, HOST);
  socket.on('error', () => {});
  open.push({ close: async () => void socket.destroy() });
  return socket;
}

/** Unlike `once(socket, 'close')`, whether or not there was an error before. */
export function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

export function helloOn(
  socket: TLSSocket,
  seedNumber: number,
  party: Party,
  clusterId = CLUSTER,
): Uint8Array {
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  const identity = identityOf(seedNumber);
  return helloFrame({ identity, clusterId, epoch: 0, party, versions: [1] }, exporter, 1 << 22);
}

/** The next frame that arrives at a socket which nothing reads yet. */
export async function nextFrame(socket: TLSSocket): Promise<Uint8Array> {
  const parser = createFrameParser(1 << 22);
  for (;;) {
    const frame = parser.next();
    if (frame instanceof Uint8Array) {
      socket.pause();
      return frame;
    }
    socket.resume();
    const [chunk] = await once(socket, 'data');
    parser.push(chunk);
  }
}

/** A stranger with a link: dials, says HELLO, hears HELLO, and reads nothing more. */
export async function dialLink(port: number, seedNumber: number, party: Party): Promise<TLSSocket> {
  const socket = await dialTls(port, seedNumber);
  socket.write(framed(helloOn(socket, seedNumber, party)));
  await nextFrame(socket);
  return socket;
}
