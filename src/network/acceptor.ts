/**
 * The listening side: TCP connections, until they are links. Strangers get a bounded number of places and a
 * bounded time. When all places are taken, the one waiting longest makes room if it had a fair time already: idle
 * connections cannot lock others out, and many honest ones that come at once are served in their order.
 */

import { createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Channel } from './channel.ts';
import { KEEP_ALIVE_MS } from './dialer.ts';
import { awaitGreeting, type HandshakeEvents, type Surroundings } from './handshake.ts';
import type { Hello } from './hello.ts';
import { refusalFrame } from './hello.ts';
import { NetworkError } from './network-error.ts';

export interface AcceptorEvents extends Pick<HandshakeEvents, 'onEstablished'> {
  readonly reject: (hello: Hello) => NetworkError | undefined;
  /** `from`: the address, for the log. */
  readonly onFailed: (from: string, reason: NetworkError) => void;
}

export interface Acceptor {
  /** Connections that have not finished HELLO. */
  readonly unauthenticated: number;
  /** @throws NetworkError LISTEN_FAILED; CLOSED if it is closed meanwhile. `port` 0: any free one. */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
  /** Resolves when every accepted socket is closed. */
  close(): Promise<void>;
}

/** A connection on its way to a link. */
interface Stranger {
  readonly from: string;
  readonly raw: Socket;
  readonly sinceMs: number;
  readonly deadline: NodeJS.Timeout;
  /** There once TLS is. */
  channel: Channel | undefined;
  /** Why it ended, if that was before there was a channel. */
  reason: NetworkError | undefined;
}

export function createAcceptor(surroundings: Surroundings, events: AcceptorEvents): Acceptor {
  const { limits, counters, local } = surroundings;
  /** By remote address and port, oldest first. */
  const strangers = new Map<string, Stranger>();
  const sockets = new Set<Socket>();

  // Two servers, since the TLS server tells of a connection only when its handshake is over, and the places are
  // taken before. Handing it sockets in this way is documented.
  const tlsServer = createTlsServer({
    ...local.identity.tlsOptions,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: limits.handshakeTimeoutMs,
  });
  const tcpServer = createTcpServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });

  function onConnection(raw: Socket): void {
    const from = remoteOf(raw);
    raw.on('error', () => {}); // The close that follows says all there is to say.
    if (!makeRoom()) {
      fail(from, new NetworkError('BUSY', `${strangers.size} connections await their handshake already`));
      raw.destroy();
      return;
    }
    const stranger: Stranger = {
      from,
      raw,
      sinceMs: performance.now(),
      deadline: setTimeout(() => {
        expel(stranger, 'HANDSHAKE_TIMEOUT', `no HELLO within ${limits.handshakeTimeoutMs} ms`);
      }, limits.handshakeTimeoutMs),
      channel: undefined,
      reason: undefined,
    };
    strangers.set(from, stranger);
    sockets.add(raw);
    raw.once('close', () => {
      sockets.delete(raw);
      forget(stranger);
      // Once there is a channel, it is the one that says why.
      if (stranger.channel === undefined)
        fail(from, stranger.reason ?? new NetworkError('TLS_FAILED', 'left during the TLS handshake'));
    });
    tlsServer.emit('connection', raw);
  }

  /** Whether there is a place for one more. */
  function makeRoom(): boolean {
    if (strangers.size < limits.unauthenticatedMax) return true;
    const [oldest] = strangers.values();
    if (oldest === undefined || performance.now() - oldest.sinceMs < limits.unauthenticatedGraceMs)
      return false;
    expel(oldest, 'BUSY', 'made room for a newer connection');
    forget(oldest);
    return true;
  }

  function expel(stranger: Stranger, code: 'BUSY' | 'HANDSHAKE_TIMEOUT', text: string): void {
    const reason = new NetworkError(code, text);
    stranger.reason ??= reason;
    if (stranger.channel === undefined) stranger.raw.destroy();
    else stranger.channel.close(reason, refusalFrame(reason));
  }

  /** Frees its place. */
  function forget(stranger: Stranger): void {
    clearTimeout(stranger.deadline);
    if (strangers.get(stranger.from) === stranger) strangers.delete(stranger.from);
  }

  function fail(from: string, reason: NetworkError): void {
    counters.closed[reason.code]++;
    events.onFailed(from, reason);
  }

  tlsServer.on('tlsClientError', (error, socket) => {
    const stranger = strangers.get(remoteOf(socket));
    if (stranger !== undefined) {
      stranger.reason ??= new NetworkError(
        'TLS_FAILED',
        `the TLS handshake failed: ${error.message.trim()}`,
        error,
      );
    }
    socket.destroy();
  });

  tlsServer.on('secureConnection', (socket: TLSSocket) => {
    const stranger = strangers.get(remoteOf(socket));
    if (stranger === undefined) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    stranger.channel = awaitGreeting(socket, surroundings, events.reject, {
      onEstablished(channel, hello) {
        forget(stranger);
        return events.onEstablished(channel, hello);
      },
      onFailed(reason) {
        forget(stranger);
        events.onFailed(stranger.from, reason);
      },
    });
  });

  tcpServer.on('connection', onConnection);

  return {
    get unauthenticated() {
      return strangers.size;
    },
    listen(host, port) {
      return new Promise((resolve, reject) => {
        tcpServer.once('error', (error) => {
          const text = `cannot listen on ${host}:${port}: ${error.message}`;
          reject(new NetworkError('LISTEN_FAILED', text, error));
        });
        // Closed before it listened; later this has no effect.
        tcpServer.once('close', () => reject(new NetworkError('CLOSED', 'the transport was closed')));
        tcpServer.listen(port, host, () => {
          tcpServer.removeAllListeners('error');
          // Accepting can fail for want of file descriptors. That passes, and who could not connect tries again.
          tcpServer.on('error', (error) => {
            fail('?', new NetworkError('LISTEN_FAILED', `cannot accept: ${error.message}`, error));
          });
          const address = tcpServer.address();
          resolve({ port: typeof address === 'object' && address !== null ? address.port : port });
        });
      });
    },
    close() {
      return new Promise((resolve) => {
        tcpServer.close(() => resolve());
        for (const raw of sockets) raw.destroy();
      });
    },
  };
}

/** `tls` gives the same answer for the socket above as `net` does for the one below. */
function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
