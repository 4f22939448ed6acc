/**
 * Keeps one link to a replica: connects, and connects again whenever it ends, for ever. Only one attempt is under way
 * at a time, so the newest connection that the other side sees is the one that counts here.
 */

import { connect, type TLSSocket } from 'node:tls';
import type { PublicKey, ReplicaIndex } from '../types/identities.ts';
import { redialDelayMs } from './backoff.ts';
import type { Channel } from './channel.ts';
import { greetReplica, type HandshakeEvents, type Surroundings } from './handshake.ts';
import { NetworkError } from './network-error.ts';

/** Where a replica listens, and by which key it is known there. */
export interface ReplicaAddress {
  /** 32 bytes. */
  readonly publicKey: PublicKey;
  readonly host: string;
  readonly port: number;
}

export interface Dialer {
  /** Ends the link and the attempts; resolves when the socket is closed. */
  stop(): Promise<void>;
}

/** Probes of an otherwise silent TCP connection begin after this. */
export const KEEP_ALIVE_MS = 10_000;

export function keepDialing(
  index: ReplicaIndex,
  address: ReplicaAddress,
  surroundings: Surroundings,
  events: HandshakeEvents,
): Dialer {
  const { limits, counters, local } = surroundings;
  let failures = 0;
  let stopped = false;
  let redialTimer: NodeJS.Timeout | undefined;
  let attempt: { socket: TLSSocket; channel: Channel | undefined } | undefined;

  function dial(): void {
    const socket = connect({
      host: address.host,
      port: address.port,
      secureContext: local.identity.secureContext,
      rejectUnauthorized: false,
    });
    const mine: { socket: TLSSocket; channel: Channel | undefined } = { socket, channel: undefined };
    attempt = mine;
    let failure: NetworkError | undefined;
    const deadline = setTimeout(() => {
      failure = new NetworkError('HANDSHAKE_TIMEOUT', `no HELLO within ${limits.handshakeTimeoutMs} ms`);
      if (mine.channel === undefined) socket.destroy();
      else mine.channel.close(failure);
    }, limits.handshakeTimeoutMs);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (error) => {
      failure ??= dialError(error, address);
    });
    socket.once('secureConnect', () => {
      mine.channel = greetReplica(
        socket,
        surroundings,
        { index, publicKey: address.publicKey },
        {
          onEstablished(channel, hello) {
            clearTimeout(deadline);
            failures = 0;
            return events.onEstablished(channel, hello);
          },
          onFailed: events.onFailed,
        },
      );
    });
    socket.once('close', () => {
      clearTimeout(deadline);
      attempt = undefined;
      if (!stopped) scheduleRedial();
      // Once there is a channel, it is the one that says why.
      if (mine.channel !== undefined) return;
      const reason = failure ?? new NetworkError('TLS_FAILED', 'closed during the TLS handshake');
      counters.closed[reason.code]++;
      events.onFailed(reason);
    });
  }

  function scheduleRedial(): void {
    const delayMs = redialDelayMs(failures, limits.redialMinMs, limits.redialMaxMs, Math.random());
    failures++;
    redialTimer = setTimeout(dial, delayMs);
  }

  dial();
  return {
    stop() {
      stopped = true;
      clearTimeout(redialTimer);
      const { socket, channel } = attempt ?? {};
      if (socket === undefined) return Promise.resolve();
      return new Promise((resolve) => {
        socket.once('close', () => resolve());
        channel?.close(new NetworkError('CLOSED', 'this side closed the transport'));
        socket.destroy();
      });
    },
  };
}

function dialError(error: NodeJS.ErrnoException, { host, port }: ReplicaAddress): NetworkError {
  const inTls = /^ERR_(SSL|TLS)/.test(error.code ?? '');
  return inTls
    ? new NetworkError('TLS_FAILED', `the TLS handshake failed: ${error.message}`, error)
    : new NetworkError('DIAL_FAILED', `cannot connect to ${host}:${port}: ${error.message}`, error);
}
