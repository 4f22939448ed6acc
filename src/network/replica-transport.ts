/**
 * A replica's links: one with each other replica, and those of its clients.
 *
 * Of two replicas the one with the higher index dials, and whatever connects last as a replica replaces what stood
 * before. So there is one link per pair without any negotiation, and a connection that died on one side only is
 * replaced as soon as the dialler notices: by a reset, by silence (`idleTimeoutMs`), or by TCP's own probes.
 *
 * A frame sent while there is no link, or no room in its queue, is dropped: the protocol's STATUS finds out what is
 * missing after the link is back, so a queue that outlives its link would only deliver what is stale.
 */

import { keyOf } from '../types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../types/identities.ts';
import { createAcceptor } from './acceptor.ts';
import type { Channel, SendOutcome } from './channel.ts';
import { type Counters, copyCounters, createCounters } from './counters.ts';
import { type Dialer, keepDialing, type ReplicaAddress } from './dialer.ts';
import type { Listeners, Surroundings } from './handshake.ts';
import { type Hello, PROTOCOL_VERSIONS } from './hello.ts';
import { makeIdentity } from './identity.ts';
import { type NetworkLimits, networkLimits } from './limits.ts';
import { rejectMember } from './membership.ts';
import { NetworkError } from './network-error.ts';

/** Who is at the other end; `connection` tells the links of one client's key apart and is never used again. */
export type Remote =
  | { readonly role: 'replica'; readonly index: ReplicaIndex }
  | { readonly role: 'client'; readonly publicKey: PublicKey; readonly connection: number };

export interface ReplicaTransportOptions {
  /** 32 bytes: the Ed25519 private key of replica `index`. */
  readonly seed: Uint8Array;
  readonly index: ReplicaIndex;
  /** 32 bytes. */
  readonly clusterId: Uint8Array;
  readonly epoch: number;
  /** All replicas in the order of the genesis, this one included (its host and port there are not used). */
  readonly replicas: readonly ReplicaAddress[];
  /** Where to listen. Port 0: any free one. */
  readonly host: string;
  readonly port: number;
  readonly limits?: Partial<NetworkLimits>;
  /** The frame belongs to the callee. */
  readonly onFrame: (from: Remote, frame: Uint8Array) => void;
  readonly onConnected: (from: Remote) => void;
  readonly onDisconnected: (from: Remote, reason: NetworkError) => void;
  /** A connection that ended before it was a link. `where`: a replica's index or a remote address, for the log. */
  readonly onRefused?: (where: string, reason: NetworkError) => void;
}

export interface TransportStats extends Counters {
  /** Connections in their handshake. */
  readonly unauthenticated: number;
  readonly clientConnections: number;
  /** By replica index; this replica's own entry is never connected. */
  readonly peers: readonly PeerStats[];
}

export interface PeerStats {
  readonly connected: boolean;
  readonly queuedBytes: number;
}

export interface ReplicaTransport {
  /**
   * Starts to listen and to dial. To be called once.
   * @throws NetworkError LISTEN_FAILED, or CLOSED if it was closed meanwhile.
   */
  listen(): Promise<{ readonly port: number }>;
  /** Queues a frame, which must not be changed any more; false if it is dropped. */
  send(peer: ReplicaIndex, frame: Uint8Array): boolean;
  /** To every connection of that key; how many took it. A connection with a full queue is closed. */
  sendToClient(publicKey: PublicKey, frame: Uint8Array): number;
  /** Stops delivery from one connection until `resume`; what it sends then fills its own buffers. */
  pause(remote: Remote): void;
  resume(remote: Remote): void;
  stats(): TransportStats;
  /** Ends all connections, timers and callbacks; what is queued is dropped. */
  close(): Promise<void>;
}

interface Link {
  readonly remote: Remote;
  readonly channel: Channel;
}

/** No callback runs inside a call of one of the transport's methods. @throws Error on options that cannot work. */
export function createReplicaTransport(options: ReplicaTransportOptions): ReplicaTransport {
  const { index, replicas } = options;
  const limits = networkLimits(options.limits);
  const counters = createCounters();
  const identity = makeIdentity(options.seed);
  const misfit = rejectMember(identity.publicKey, index, replicas);
  if (misfit !== undefined) throw new Error(misfit);
  const surroundings: Surroundings = {
    local: {
      identity,
      clusterId: options.clusterId,
      epoch: options.epoch,
      party: { role: 'replica', index },
      versions: PROTOCOL_VERSIONS,
    },
    limits,
    counters,
  };
  const peers: (Link | undefined)[] = replicas.map(() => undefined);
  const clients = new Map<number, Link>();
  const clientsByKey = new Map<string, Set<Link>>();
  const dialers: Dialer[] = [];
  let connectionsMade = 0;
  let closed = false;

  const acceptor = createAcceptor(surroundings, {
    reject(hello) {
      if (hello.party.role === 'client') return rejectClient(hello.publicKey);
      const other = hello.party.index;
      if (other <= index) {
        const text = `replica ${other} may not connect to replica ${index}: the higher index connects to the lower`;
        return new NetworkError('WRONG_INDEX', text);
      }
      const wrong = rejectMember(hello.publicKey, other, replicas);
      if (wrong === undefined) return undefined;
      return new NetworkError(other < replicas.length ? 'WRONG_KEY' : 'WRONG_INDEX', wrong);
    },
    onEstablished: addLink,
    onFailed: refused,
  });

  function rejectClient(publicKey: PublicKey): NetworkError | undefined {
    if (clients.size >= limits.clientConnectionsMax) {
      return new NetworkError('BUSY', `${clients.size} client connections already`);
    }
    const ofKey = clientsByKey.get(keyOf(publicKey))?.size ?? 0;
    if (ofKey < limits.clientConnectionsPerKeyMax) return undefined;
    return new NetworkError('BUSY', `${ofKey} connections of this client key already`);
  }

  function addLink(channel: Channel, { party, publicKey }: Hello): Listeners {
    // A copy: the decoded key is a view of the whole frame.
    const remote: Remote =
      party.role === 'replica'
        ? { role: 'replica', index: party.index }
        : { role: 'client', publicKey: publicKey.slice(), connection: connectionsMade++ };
    const link: Link = { remote, channel };
    if (remote.role === 'replica') {
      const before = peers[remote.index];
      const reason = new NetworkError('REPLACED', `replica ${remote.index} connected anew`);
      before?.channel.close(reason);
      if (before !== undefined) removeLink(before, reason);
      peers[remote.index] = link;
    } else {
      clients.set(remote.connection, link);
      const key = keyOf(remote.publicKey);
      const ofKey = clientsByKey.get(key);
      if (ofKey === undefined) clientsByKey.set(key, new Set([link]));
      else ofKey.add(link);
    }
    return {
      onOpen: () => closed || options.onConnected(remote),
      onFrame: (frame) => closed || options.onFrame(remote, frame),
      onClose: (reason) => removeLink(link, reason),
    };
  }

  function removeLink(link: Link, reason: NetworkError): void {
    const { remote } = link;
    if (linkOf(remote) !== link) return;
    if (remote.role === 'replica') {
      peers[remote.index] = undefined;
    } else {
      clients.delete(remote.connection);
      const key = keyOf(remote.publicKey);
      const ofKey = clientsByKey.get(key);
      ofKey?.delete(link);
      if (ofKey?.size === 0) clientsByKey.delete(key);
    }
    if (!closed) options.onDisconnected(remote, reason);
  }

  function linkOf(remote: Remote): Link | undefined {
    return remote.role === 'replica' ? peers[remote.index] : clients.get(remote.connection);
  }

  function refused(where: string, reason: NetworkError): void {
    if (!closed) options.onRefused?.(where, reason);
  }

  /** Counts what is dropped. */
  function sendOn(channel: Channel | undefined, frame: Uint8Array): SendOutcome {
    const outcome = channel?.send(frame) ?? 'NOT_CONNECTED';
    if (outcome !== 'queued') counters.dropped[outcome]++;
    return outcome;
  }

  return {
    async listen() {
      const listening = await acceptor.listen(options.host, options.port);
      for (let lower = 0; lower < index && !closed; lower++) {
        const events = {
          onEstablished: addLink,
          onFailed: (reason: NetworkError) => refused(`replica ${lower}`, reason),
        };
        dialers.push(keepDialing(lower, replicas[lower]!, surroundings, events));
      }
      return listening;
    },
    send(peer, frame) {
      return sendOn(peers[peer]?.channel, frame) === 'queued';
    },
    sendToClient(publicKey, frame) {
      let took = 0;
      for (const { channel } of clientsByKey.get(keyOf(publicKey)) ?? []) {
        const outcome = sendOn(channel, frame);
        if (outcome === 'queued') took++;
        if (outcome === 'QUEUE_FULL') {
          channel.close(new NetworkError('OVERFLOW', 'the client reads more slowly than it is answered'));
        }
      }
      return took;
    },
    pause: (remote) => linkOf(remote)?.channel.pause(),
    resume: (remote) => linkOf(remote)?.channel.resume(),
    stats: () => ({
      ...copyCounters(counters),
      unauthenticated: acceptor.unauthenticated,
      clientConnections: clients.size,
      peers: peers.map((link) => ({
        connected: link !== undefined,
        queuedBytes: link?.channel.queuedBytes ?? 0,
      })),
    }),
    async close() {
      closed = true;
      const reason = new NetworkError('CLOSED', 'this side closed the transport');
      for (const link of [...peers, ...clients.values()]) link?.channel.close(reason);
      await Promise.all([acceptor.close(), ...dialers.map((dialer) => dialer.stop())]);
    },
  };
}
