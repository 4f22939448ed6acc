/**
 * The witness over HTTP. Anyone may ask: what counts is signed. So requests are bounded before they are read, and few are worked on at once.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Address, NodeError } from '../node/index.ts';
import { NOTE_BYTES_MAX, SUBMISSION_BYTES_MAX } from '../protocol/accountability/index.ts';
import { type Answer, type Api, text } from './api.ts';
import type { WitnessMetrics } from './metrics.ts';

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 256;
const IN_WORK_MAX = 64;

type Route =
  | { readonly method: 'POST'; readonly bytesMax: number; answer(body: Uint8Array): Promise<Answer> }
  | { readonly method: 'GET'; answer(): Promise<Answer> | Answer };

/** @throws NodeError NETWORK if the port cannot be opened */
export async function serveWitness(address: Address, api: Api, metrics: WitnessMetrics): Promise<HttpServer> {
  const routes = new Map<string, Route>([
    [
      '/add-checkpoint',
      { method: 'POST', bytesMax: SUBMISSION_BYTES_MAX, answer: (body) => api.addCheckpoint(body) },
    ],
    ['/add-head', { method: 'POST', bytesMax: NOTE_BYTES_MAX, answer: (body) => api.addHead(body) }],
    ['/checkpoint', { method: 'GET', answer: () => api.checkpoint() }],
    ['/metrics', { method: 'GET', answer: () => metrics.page() }],
    ['/healthz', { method: 'GET', answer: () => text(200, 'ok') }],
  ]);
  let inWork = 0;

  async function answerTo(request: IncomingMessage): Promise<Answer> {
    const path = request.url?.split('?')[0] ?? '';
    const route = routes.get(path);
    if (route === undefined) return text(404, `there are ${[...routes.keys()].join(', ')}`);
    if (request.method !== route.method) return text(405, `only ${route.method}`);
    if (route.method === 'GET') return route.answer();
    if (inWork >= IN_WORK_MAX) return text(503, 'too many requests at once: try again');
    inWork++;
    try {
      const body = await bodyOf(request, route.bytesMax);
      return body === undefined
        ? text(413, `at most ${route.bytesMax} bytes are read`)
        : await route.answer(body);
    } finally {
      inWork--;
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await answerTo(request);
    } catch {
      // The caller has left, or the disk failed: that stops the witness by another way.
      answer = text(500, 'the witness cannot answer now');
    }
    const path = request.url?.split('?')[0] ?? '';
    metrics.noteRequest(routes.has(path) ? path : 'other', answer.status);
    const { status, type, body } = answer;
    // What was not read would be taken for the next request.
    const rest = request.complete ? {} : { connection: 'close' };
    const retry = status === 503 ? { 'retry-after': '1' } : {};
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...rest, ...retry });
    response.end(body);
  }

  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => void serve(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new NodeError(
      'NETWORK',
      `cannot listen on ${address.host}:${address.port}: ${reason}. Choose another port in the witness file.`,
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

/** The whole body, or undefined once it is longer than allowed. */
async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > bytesMax) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
