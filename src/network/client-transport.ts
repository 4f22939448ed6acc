/**
 * A client's links: one to each replica, kept up for as long as the transport is open. A client listens nowhere; the
 * replicas answer on the connections that it made.
 */

import type { ReplicaIndex } from '../types/identities.ts';
import type { Channel } from './channel.ts';
import { type Counters, copyCounters, createCounters } from './counters.ts';
import { keepDialing, type ReplicaAddress } from './dialer.ts';
import type { Surroundings } from './handshake.ts';
import { PROTOCOL_VERSIONS } from './hello.ts';
import { makeIdentity } from './identity.ts';
import { type NetworkLimits, networkLimits } from './limits.ts';
import type { NetworkError } from './network-error.ts';

export interface ClientTransportOptions {
  /** 32 bytes: the client's Ed25519 private key. */
  readonly seed: Uint8Array;
  /** 32 bytes. */
  readonly clusterId: Uint8Array;
  readonly epoch: number;
  /** All replicas in the order of the genesis. */
  readonly replicas: readonly ReplicaAddress[];
  readonly limits?: Partial<NetworkLimits>;
  /** The frame belongs to the callee. */
  readonly onFrame: (from: ReplicaIndex, frame: Uint8Array) => void;
  readonly onConnected: (index: ReplicaIndex) => void;
  readonly onDisconnected: (index: ReplicaIndex, reason: NetworkError) => void;
  /** An attempt to connect that failed; others follow. */
  readonly onRefused?: (index: ReplicaIndex, reason: NetworkError) => void;
}

export interface ClientTransport {
  /** Queues a frame, which must not be changed any more; false if it is dropped: no link, or no room. */
  send(index: ReplicaIndex, frame: Uint8Array): boolean;
  /** Stops delivery from one replica until `resume`. */
  pause(index: ReplicaIndex): void;
  resume(index: ReplicaIndex): void;
  isConnected(index: ReplicaIndex): boolean;
  /** Ends one link, for the reason given; it is dialled anew, as whenever a link ends. */
  disconnect(index: ReplicaIndex, reason: NetworkError): void;
  stats(): Counters;
  /** Ends all connections, timers and callbacks; what is queued is dropped. */
  close(): Promise<void>;
}

/** Begins to connect at once. No callback runs inside a call of one of the transport's methods. */
export function createClientTransport(options: ClientTransportOptions): ClientTransport {
  const limits = networkLimits(options.limits);
  const counters = createCounters();
  const surroundings: Surroundings = {
    local: {
      identity: makeIdentity(options.seed),
      clusterId: options.clusterId,
      epoch: options.epoch,
      party: { role: 'client' },
      versions: PROTOCOL_VERSIONS,
    },
    limits,
    counters,
  };
  const channels: (Channel | undefined)[] = options.replicas.map(() => undefined);
  let closed = false;

  const dialers = options.replicas.map((address, index) =>
    keepDialing(index, address, surroundings, {
      onEstablished(channel) {
        channels[index] = channel;
        return {
          onOpen: () => closed || options.onConnected(index),
          onFrame: (frame) => closed || options.onFrame(index, frame),
          onClose(reason) {
            channels[index] = undefined;
            if (!closed) options.onDisconnected(index, reason);
          },
        };
      },
      onFailed(reason) {
        if (!closed) options.onRefused?.(index, reason);
      },
    }),
  );

  return {
    send(index, frame) {
      const outcome = channels[index]?.send(frame) ?? 'NOT_CONNECTED';
      if (outcome === 'queued') return true;
      counters.dropped[outcome]++;
      return false;
    },
    pause: (index) => channels[index]?.pause(),
    resume: (index) => channels[index]?.resume(),
    isConnected: (index) => channels[index] !== undefined,
    disconnect: (index, reason) => channels[index]?.close(reason),
    stats: () => copyCounters(counters),
    async close() {
      closed = true;
      await Promise.all(dialers.map((dialer) => dialer.stop()));
    },
  };
}
