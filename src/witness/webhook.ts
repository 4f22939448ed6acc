/** Tells the operator's webhook of evidence: a few attempts, each with a time-out, and never in the way of anything else. */

import { setTimeout } from 'node:timers/promises';

export interface WebhookCall {
  readonly cluster: string;
  readonly witness: string;
  /** Where the witness keeps the evidence. */
  readonly evidence: string;
  /** Indices of the replicas that it proves guilty. */
  readonly guilty: readonly number[];
  readonly forked: boolean;
  /** Sentences for people. */
  readonly explanation: readonly string[];
}

export interface Webhook {
  call(body: WebhookCall): void;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

export interface WebhookOptions {
  readonly url: string | undefined;
  readonly onAttempt: (outcome: 'delivered' | 'failed' | 'given-up', reason: string) => void;
  /** Before the attempts after the first. */
  readonly delaysMs?: readonly number[] | undefined;
}

const DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000];
const TIMEOUT_MS = 5_000;

export function makeWebhook({ url, onAttempt, delaysMs = DELAYS_MS }: WebhookOptions): Webhook {
  const closing = new AbortController();
  const under = new Set<Promise<void>>();

  async function attempt(target: string, body: string): Promise<string | undefined> {
    try {
      const response = await fetch(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        redirect: 'error',
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      // What it says is not read, so it may say as much as it likes.
      await response.body?.cancel();
      return response.ok ? undefined : `it answered ${response.status}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async function deliver(target: string, body: string): Promise<void> {
    for (const delayMs of [0, ...delaysMs]) {
      await setTimeout(delayMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (closing.signal.aborted) return;
      const failure = await attempt(target, body);
      if (failure === undefined) return onAttempt('delivered', '');
      onAttempt('failed', failure);
    }
    onAttempt('given-up', `after ${1 + delaysMs.length} attempts`);
  }

  return {
    call(body) {
      if (url === undefined) return;
      const done = deliver(url, JSON.stringify(body)).finally(() => under.delete(done));
      under.add(done);
    },
    async close() {
      closing.abort();
      await Promise.all(under);
    },
  };
}
