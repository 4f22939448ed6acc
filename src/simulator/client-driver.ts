/**
 * One simulated client process with one session: carries out the client machine's contract over virtual time and network. What to submit is the
 * business of whoever holds it.
 */

import type { Signer } from '../crypto/port.ts';
import { rejectHead } from '../protocol/certificates.ts';
import {
  type ClientInput,
  type ClientLimits,
  type ClientOutput,
  type ClientSession,
  type Completion,
  clientStep,
  type DurableSession,
  rejectReceipt,
  startSession,
} from '../protocol/client/index.ts';
import type { Context } from '../protocol/context.ts';
import type { Head } from '../protocol/messages/entry.ts';
import type { Message } from '../protocol/messages/index.ts';
import type { Clock } from '../protocol/replica/io.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Kernel, Timer } from './kernel.ts';
import type { Endpoint, Observer, Outcome } from './observer.ts';
import type { Random } from './random.ts';
import { WALL_ORIGIN_MS } from './replica-driver.ts';
import type { Report } from './violation.ts';

export interface ClientDriverOptions {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly context: Context;
  /** The rules by which the client's receipts are judged; its own may be wrong. */
  readonly judge: Context;
  readonly signer: Signer;
  readonly limits: ClientLimits;
  /** Whether the session survives its process. */
  readonly durable: boolean;
  readonly observer: Required<Observer>;
  readonly report: Report;
  /** Called before each step: a bug. */
  readonly bend?: ((session: ClientSession) => void) | undefined;
  readonly send: (to: readonly ReplicaIndex[], message: Message) => void;
}

export interface ClientDriver {
  readonly name: string;
  /** Submitted and neither answered nor given up. */
  readonly outstanding: number;
  /** Submits an operation; `done` is told its outcome, once. */
  submit(operation: Uint8Array, read: boolean, done: (outcome: Outcome) => void): void;
  receive(from: ReplicaIndex, message: Message): void;
  connected(replica: ReplicaIndex): void;
  /** The process dies and another begins with what the first one stored. */
  restart(): void;
}

/** How long a durable client's write to its disk takes at most. */
const PERSIST_MAX_US = 2_000;

export function makeClientDriver(options: ClientDriverOptions): ClientDriver {
  const { kernel, random, context, observer } = options;
  const replicas = Array.from({ length: context.cluster.thresholds.replicaCount }, (_, index) => index);
  const outstanding = new Map<number, (outcome: Outcome) => void>();
  let nextToken = 0;
  let session: ClientSession | undefined;
  let stored: DurableSession | undefined;
  /** Counts processes: what an earlier one had under way is dropped. */
  let process = 0;
  let wake: Timer | undefined;
  /** Outputs leave in order: one that waits for the disk holds back those after it. */
  let persistedAtUs = 0;

  const clock = (): Clock => ({
    monotonicMs: Math.floor(kernel.nowUs / 1000),
    wallMs: WALL_ORIGIN_MS + Math.floor(kernel.nowUs / 1000),
  });

  function guarded(action: () => ClientOutput): void {
    try {
      carryOut(action());
    } catch (error) {
      session = undefined;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      options.report('crash', 'crash', `client ${options.name} stopped: ${text}`);
    }
  }

  function start(): void {
    process++;
    persistedAtUs = kernel.nowUs;
    guarded(() => {
      const started = startSession(
        {
          context,
          signer: options.signer,
          random: (length) => random.bytes(length),
          seen: stored?.accepted,
          durable: options.durable,
          restored: options.durable ? stored : undefined,
          limits: options.limits,
        },
        clock(),
      );
      session = started.session;
      return started.output;
    });
  }

  function input(what: ClientInput): void {
    const current = session;
    if (current === undefined) return;
    options.bend?.(current);
    guarded(() => clientStep(current, what, clock()));
  }

  function carryOut(output: ClientOutput): void {
    const { persist } = output;
    const wait = persist === undefined ? 0 : random.below(PERSIST_MAX_US);
    persistedAtUs = Math.max(persistedAtUs, kernel.nowUs + wait);
    const begun = process;
    const emit = () => {
      if (begun !== process) return;
      if (persist !== undefined) stored = persist;
      for (const { to, message } of output.sends) options.send(to === 'all' ? replicas : [to], message);
      for (const completion of output.completions) complete(completion);
      for (const event of output.events) observer.onClientEvent(options.endpoint, event);
    };
    if (persistedAtUs === kernel.nowUs) emit();
    else kernel.schedule(persistedAtUs - kernel.nowUs, emit);

    wake?.cancel();
    wake = undefined;
    if (output.wakeAtMs !== Number.POSITIVE_INFINITY) {
      const delayUs = Math.max(0, Math.ceil(output.wakeAtMs * 1000) - kernel.nowUs) + 1;
      wake = kernel.schedule(delayUs, () => {
        observer.onWake(options.endpoint);
        input({ type: 'tick' });
      });
    }
  }

  function complete(completion: Completion): void {
    const { token } = completion;
    // Operations of an earlier process: nobody waits for them any more.
    if (token < 0) return;
    const done = outstanding.get(token);
    if (done === undefined) {
      options.report('safety', 'one outcome', `client ${options.name} was told of operation ${token} twice`);
      return;
    }
    const { outcome } = completion;
    const { judge } = options;
    const wrong =
      outcome.type === 'accepted'
        ? rejectReceipt(judge, outcome.receipt)
        : outcome.type === 'read'
          ? rejectHead(judge, outcome.head)
          : undefined;
    if (wrong !== undefined) {
      options.report('safety', 'receipts hold', `client ${options.name} accepted a receipt that is ${wrong}`);
    }
    if (outcome.type === 'accepted') judgeVector(outcome.receipt.head);
    settle(token, outcomeOf(completion));
  }

  /** V holds of each signer of an accepted head that entry or a newer one. */
  function judgeVector(head: Head): void {
    if (session === undefined) return;
    for (const { replica } of head.votes) {
      const known = session.vector.get(replica)?.sequenceNumber ?? 0;
      if (known >= head.sequenceNumber) continue;
      options.report(
        'safety',
        'V is current',
        `client ${options.name} accepted s${head.sequenceNumber} from replica ${replica} and knows only s${known} of it`,
      );
    }
  }

  function settle(token: number, outcome: Outcome): void {
    const done = outstanding.get(token)!;
    outstanding.delete(token);
    observer.onOutcome(options.endpoint, token, outcome);
    done(outcome);
  }

  start();
  return {
    name: options.name,
    get outstanding() {
      return outstanding.size;
    },
    submit(operation, read, done) {
      const token = nextToken++;
      outstanding.set(token, done);
      observer.onSubmit(options.endpoint, token, operation, read);
      input({ type: read ? 'read' : 'submit', token, operation });
    },
    receive(from, message) {
      input({ type: 'receive', from, message });
    },
    connected(replica) {
      input({ type: 'connected', replica });
    },
    restart() {
      process++;
      session = undefined;
      wake?.cancel();
      for (const token of [...outstanding.keys()]) settle(token, { type: 'unknown', reason: 'CRASHED' });
      start();
    },
  };
}

function outcomeOf({ outcome }: Completion): Outcome {
  switch (outcome.type) {
    case 'accepted':
      return {
        type: 'accepted',
        result: outcome.result,
        sequenceNumber: outcome.receipt.head.sequenceNumber,
        receipt: outcome.receipt,
      };
    case 'read':
      return {
        type: 'read',
        result: outcome.result,
        sequenceNumber: outcome.head.sequenceNumber,
        head: outcome.head,
      };
    case 'rejected':
      return { type: 'rejected', status: outcome.status };
    case 'unknown':
      return { type: 'unknown', reason: outcome.reason };
  }
}
