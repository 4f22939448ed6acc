/**
 * What a machine asks about a replica, over plain HTTP on a port of its own: `/metrics`, `/healthz`, `/readyz`, `/status`, `/checkpoint`. It tells much
 * and checks nobody, so it belongs on the loopback interface or a network of operators.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import { NodeError } from './node-error.ts';
import type { NodeStatus } from './node-status.ts';
import type { Address } from './replica-config.ts';

export interface HealthSources {
  readonly metrics: Metrics;
  readonly status: () => NodeStatus;
  /** A signed note; undefined: there is none now. */
  readonly checkpoint: () => Promise<string | undefined>;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 64;
const PATHS = ['/metrics', '/healthz', '/readyz', '/status', '/checkpoint'];

/** @throws NodeError NETWORK if the port cannot be opened */
export async function serveHealth(address: Address, sources: HealthSources): Promise<HealthServer> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer(sources, request, response).catch((error) =>
        reply(response, 500, 'text/plain', `${String(error)}\n`),
      );
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new NodeError(
      'NETWORK',
      `cannot serve metrics on ${address.host}:${address.port}: ${reason}. Choose another port in the replica file.`,
      error,
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  { metrics, status, checkpoint }: HealthSources,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return reply(response, 405, 'text/plain', 'only GET\n');
  }
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      return reply(response, 200, metrics.contentType, await metrics.text());
    case '/healthz':
      return reply(response, 200, 'text/plain', 'ok\n');
    case '/readyz': {
      const now = status();
      return now.ready
        ? reply(response, 200, 'text/plain', 'ready\n')
        : reply(response, 503, 'text/plain', `${unreadyReason(now)}\n`);
    }
    case '/status':
      return reply(response, 200, 'application/json', `${JSON.stringify(status(), undefined, 2)}\n`);
    case '/checkpoint': {
      const note = await checkpoint();
      return note === undefined
        ? reply(response, 503, 'text/plain', 'no checkpoint now, or no key for it\n')
        : reply(response, 200, 'text/plain; charset=utf-8', note);
    }
    default:
      return reply(response, 404, 'text/plain', `there are ${PATHS.join(', ')}\n`);
  }
}

function unreadyReason(status: NodeStatus): string {
  if (status.silence === 'learner') return 'learner: it signs nothing any more and needs a new key';
  if (!status.started) return 'not started: it waits to hear from a quorum of replicas';
  return `behind: executed ${status.executed}`;
}

function reply(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
