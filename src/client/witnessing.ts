/**
 * The client's side of witnesses (docs/witness.md): shows them heads that it has accepted, and knows when enough of them have cosigned. It believes
 * a witness that signed a head of which a proof says that it extends the client's own; everything else is asked for again.
 */

import { setTimeout } from 'node:timers/promises';
import { verifyConsistency } from '../crypto/merkle-tree.ts';
import {
  type Cosigner,
  cosignedAt,
  formatHead,
  type ProvedEvidence,
  parseNote,
  parseSubmission,
  SUBMISSION_BYTES_MAX,
  verifyEvidence,
  verifyHead,
} from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import type { Head } from '../protocol/messages/entry.ts';
import { keyOf } from '../types/bytes.ts';

export interface Witness {
  /** Without a slash at its end. */
  readonly url: string;
  readonly cosigner: Cosigner;
}

export interface WitnessingOptions {
  readonly context: Context;
  readonly witnesses: readonly Witness[];
  /** How many of them must cosign. 0: heads are shown to them, and nobody waits. */
  readonly needed: number;
  /** A witness refused with verified evidence of a fork. */
  readonly onFork: (proof: ProvedEvidence) => void;
}

export interface Witnessing {
  /** Resolves once enough witnesses have cosigned this head, or one that extends it. Rejects when the signal is aborted. */
  cosigned(head: Head, signal: AbortSignal): Promise<void>;
  /** What each witness said last that was no cosignature. */
  complaints(): string;
  /** Ends all questions, and what waits for them as if aborted. */
  close(): void;
}

const REQUEST_TIMEOUT_MS = 5_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** Evidence may be as large as this; cosignatures are smaller. */
const ANSWER_BYTES_MAX = 1024 * 1024 + SUBMISSION_BYTES_MAX;

/** One head on its way: all operations of a batch wait for the same. */
interface Vouching {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiting: number;
}

export function makeWitnessing({ context, witnesses, needed, onFork }: WitnessingOptions): Witnessing {
  const open = new Map<string, Vouching>();
  const closing = new AbortController();
  const complaints = new Map<number, string>();
  /** With `needed` 0: what each witness is shown next, and who is being shown something. */
  const next = new Map<Witness, Head>();
  const shown = new Set<Witness>();

  /** What is wrong with the witness's answer; undefined if it cosigned. */
  async function ask(witness: Witness, head: Head, signal: AbortSignal): Promise<string | undefined> {
    try {
      const response = await fetch(`${witness.url}/add-head`, {
        method: 'POST',
        body: formatHead(context, head),
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      });
      const body = await bodyOf(response);
      if (body === undefined) return 'its answer is too long';
      if (response.status === 200) return rejectCosigned(witness, head, body);
      if (response.status === 403) noteRefusal(body);
      return `it answered ${response.status}`;
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      return [error, cause]
        .map((it) => (it instanceof Error ? it.message : ''))
        .join(' ')
        .trim();
    }
  }

  function rejectCosigned({ cosigner }: Witness, head: Head, body: Uint8Array): string | undefined {
    const submission = parseSubmission(body);
    if (!submission.ok) return submission.error;
    const { oldSize, path, note } = submission.value;
    const parsed = parseNote(note);
    const later = verifyHead(context, note);
    if (!parsed.ok || !later.ok) return 'it cosigned no head of this cluster';
    if (cosignedAt(context.crypto, cosigner, parsed.value) === undefined) {
      return 'its answer has no signature of its key';
    }
    const extended = {
      size1: head.sequenceNumber,
      root1: head.logRoot,
      size2: later.value.sequenceNumber,
      root2: later.value.logRoot,
      path,
    };
    const isOurs = oldSize === head.sequenceNumber && verifyConsistency(context.crypto.hash, extended);
    return isOurs ? undefined : 'the head that it cosigned is not proved to extend this client’s';
  }

  function noteRefusal(body: Uint8Array): void {
    const proof = verifyEvidence(context, body);
    if (proof.ok && proof.value.verdict.forked) onFork(proof.value);
  }

  /** Asks until it is cosigned. Rejects when the signal is aborted. */
  async function persuade(index: number, head: Head, signal: AbortSignal): Promise<void> {
    for (let delayMs = RETRY_MIN_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
      signal.throwIfAborted();
      const complaint = await ask(witnesses[index]!, head, signal);
      if (complaint === undefined) {
        complaints.delete(index);
        return;
      }
      if (!signal.aborted) complaints.set(index, complaint);
      await setTimeout(delayMs, undefined, { signal });
    }
  }

  function vouch(head: Head): Vouching {
    const abort = new AbortController();
    const done = new Promise<void>((resolve, reject) => {
      let cosigned = 0;
      abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error));
      for (const index of witnesses.keys()) {
        persuade(index, head, abort.signal).then(
          () => {
            cosigned++;
            if (cosigned === needed) resolve();
          },
          () => undefined,
        );
      }
    });
    return { done, abort, waiting: 0 };
  }

  /** One head at a time, always the newest: who is slow misses some. */
  async function show(witness: Witness): Promise<void> {
    if (shown.has(witness)) return;
    shown.add(witness);
    for (let head = next.get(witness); head !== undefined; head = next.get(witness)) {
      next.delete(witness);
      await ask(witness, head, closing.signal);
    }
    shown.delete(witness);
  }

  return {
    async cosigned(head, signal) {
      if (needed === 0) {
        for (const witness of witnesses) {
          next.set(witness, head);
          void show(witness);
        }
        return;
      }
      const name = `${head.sequenceNumber} ${keyOf(head.logRoot)}`;
      const vouching = open.get(name) ?? vouch(head);
      open.set(name, vouching);
      vouching.waiting++;
      try {
        await Promise.race([vouching.done, aborted(AbortSignal.any([signal, closing.signal]))]);
      } finally {
        vouching.waiting--;
        if (vouching.waiting === 0) {
          open.delete(name);
          // Witnesses beyond the needed number have been shown the head, and need not be waited for.
          vouching.done.catch(() => undefined);
          vouching.abort.abort();
        }
      }
    },
    complaints: () => witnesses.map(({ url }, i) => `${url}: ${complaints.get(i) ?? 'no answer'}`).join('; '),
    close: () => closing.abort(),
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** The whole body, or undefined if it is longer than any answer. */
async function bodyOf(response: Response): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > ANSWER_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
