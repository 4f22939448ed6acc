/** Messages and events in a few words, for traces that people read. */

import type { Message } from '../protocol/messages/index.ts';
import type { ClientRequest } from '../protocol/messages/request.ts';
import type { ReplicaEvent } from '../protocol/replica/io.ts';
import { toHex } from '../types/bytes.ts';
import type { Endpoint } from './observer.ts';

/** The first bytes of a digest: enough to tell the few of one run apart. */
export function short(bytes: Uint8Array): string {
  return toHex(bytes.subarray(0, 3));
}

/** `0`, `1`… for replicas, `c0`, `c1`… for clients. */
export function nameOf(endpoint: Endpoint, replicaCount: number): string {
  return endpoint < replicaCount ? String(endpoint) : `c${endpoint - replicaCount}`;
}

export function describeMessage(message: Message): string {
  switch (message.type) {
    case 'request':
    case 'relay':
      return `${message.type} ${describeRequest(message.request)}`;
    case 'get-result':
      return `get-result ${short(message.requestDigest)}`;
    case 'read':
      return `read ${short(message.nonce)}${message.at === undefined ? '' : ` at s${message.at}`}`;
    case 'reply':
      return `reply ${message.status} ${short(message.requestDigest)} s${message.entry.sequenceNumber}`;
    case 'read-reply':
      return `read-reply ${message.status} ${short(message.nonce)} s${message.entry.sequenceNumber}`;
    case 'busy':
      return `busy ${short(message.reference)}`;
    case 'pre-prepare': {
      const { header, batch } = message;
      const body = batch === undefined ? 'no body' : `${batch.requests.length} requests`;
      return `pre-prepare v${header.view} s${header.sequenceNumber} ${short(header.batchDigest)} (${body})`;
    }
    case 'prepare':
      return `prepare v${message.view} s${message.sequenceNumber} ${short(message.batchDigest)}`;
    case 'commit':
      return `commit v${message.view} s${message.sequenceNumber} ${short(message.hashChainDigest)}`;
    case 'suspect':
      return `suspect v${message.view} of ${message.replica}`;
    case 'view-change': {
      const { view, base, prepared, replica } = message.viewChange;
      const claims = prepared.map((claim) => `s${claim.sequenceNumber}@v${claim.view}`).join(' ');
      return `view-change v${view} of ${replica} C=s${base.sequenceNumber}@v${base.view} P=[${claims}]`;
    }
    case 'new-view': {
      const headers = message.headers.map((header) => `s${header.sequenceNumber}`).join(' ');
      return `new-view v${message.view} O=[${headers}]`;
    }
    case 'checkpoint':
      return `checkpoint s${message.sequenceNumber} ${short(message.stateDigest)}`;
    case 'status':
      return `status v${message.view} ${message.phase} committed ${message.committed} executed ${message.executed} stable ${message.stable}`;
    case 'fetch':
      return `fetch ${message.want.type}`;
    case 'fetched':
      return `fetched ${message.payload.type}`;
    case 'evidence':
      return 'evidence';
  }
}

function describeRequest(request: ClientRequest): string {
  return request.type === 'open'
    ? `open of ${short(request.client)} seen s${request.seen.sequenceNumber}`
    : `ts ${request.timestamp} of ${short(request.client)} (${request.operations.length} operations) seen s${request.seen.sequenceNumber}`;
}

/** Without digests the text stays the same when formats change. */
export function describeEvent(event: ReplicaEvent, digests = true): string {
  switch (event.type) {
    case 'refused': {
      const from = event.from.kind === 'replica' ? event.from.index : short(event.from.key);
      return `refused ${event.message} from ${from}: ${event.reason}`;
    }
    case 'executed': {
      const { entry, requests } = event;
      const digest = digests ? ` ${short(entry.hashChainDigest)}` : '';
      return `executed s${entry.sequenceNumber}${digest} in v${event.view} (${requests} requests)`;
    }
    case 'evidence':
      return `evidence ${event.evidence.type} against ${event.guilty.join(' ')}`;
    default: {
      const words: string[] = [event.type];
      for (const [key, value] of Object.entries(event) as [string, unknown][]) {
        if (key === 'type') continue;
        if (key === 'view') words.push(`v${value}`);
        else if (key === 'sequenceNumber') words.push(`s${value}`);
        else if (value instanceof Uint8Array) {
          if (digests) words.push(short(value));
        } else words.push(`${key} ${value}`);
      }
      return words.join(' ');
    }
  }
}
