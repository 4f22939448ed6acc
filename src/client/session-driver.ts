/**
 * Carries out the contract of one session's state machine (src/protocol/client/io.ts) over the real clock, disk and network: what must be
 * stored is stored before anything is sent or told, and outputs leave in the order in which they were made.
 */

import {
  type ClientEvent,
  type ClientInput,
  type ClientOutput,
  type ClientSend,
  type ClientSession,
  clientStep,
  type DurableSession,
  type Outcome,
  type SessionOptions,
  startSession,
} from '../protocol/client/index.ts';
import type { Clock } from '../protocol/replica/io.ts';

export interface SessionDriverOptions extends SessionOptions {
  /** Undefined: this client keeps nothing on disk. */
  readonly store: ((state: DurableSession) => Promise<void>) | undefined;
  readonly send: (send: ClientSend) => void;
  /** Once for each token; negative ones are those of operations of an earlier process. */
  readonly onOutcome: (token: number, outcome: Outcome) => void;
  readonly onEvent: (event: ClientEvent) => void;
  /** Storing failed, or the machine's own state contradicts itself: nothing more comes out of this session. Called once. */
  readonly onFailure: (error: unknown) => void;
}

export interface SessionDriver {
  /** Read only. */
  readonly session: ClientSession;
  input(input: ClientInput): void;
  /** Resolves when everything that was put in has been carried out, or the session has failed. */
  settled(): Promise<void>;
  /** Ends the timer; no input may follow. */
  stop(): void;
}

/** A volatile session's head is stored no more often than this: losing the newest few costs nothing but a longer proof. */
const VOLATILE_STORE_MS = 100;
/** Node's timers cannot wait longer. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function startSessionDriver(options: SessionDriverOptions): SessionDriver {
  const { store, durable } = options;
  /** What waits behind something that is being stored. */
  let outputs: ClientOutput[] = [];
  let working: Promise<void> | undefined;
  let failed = false;
  let wakeTimer: NodeJS.Timeout | undefined;
  let volatileState: DurableSession | undefined;
  let volatileTimer: NodeJS.Timeout | undefined;
  let storing: Promise<void> = Promise.resolve();

  const { session, output } = startSession(options, now());
  take(output);

  function input(what: ClientInput): void {
    if (failed) return;
    try {
      take(clientStep(session, what, now()));
    } catch (error) {
      fail(error);
    }
  }

  function take(out: ClientOutput): void {
    setWakeTimer(out.wakeAtMs);
    if (out.persist !== undefined && !durable) storeSoon(out.persist);
    const mustWait = durable && store !== undefined && out.persist !== undefined;
    if (working === undefined && !mustWait) {
      carryOut(out);
      return;
    }
    outputs.push(out);
    working ??= work();
  }

  /** Stores the newest of what waits, which covers the older ones, then lets all of it out; until nothing waits. */
  async function work(): Promise<void> {
    while (outputs.length > 0 && !failed) {
      const group = outputs;
      outputs = [];
      const state = group.findLast(({ persist }) => persist !== undefined)?.persist;
      try {
        if (state !== undefined) await store?.(state);
      } catch (error) {
        fail(error);
        break;
      }
      for (const out of group) carryOut(out);
    }
    working = undefined;
  }

  function carryOut(out: ClientOutput): void {
    for (const send of out.sends) options.send(send);
    for (const { token, outcome } of out.completions) options.onOutcome(token, outcome);
    for (const event of out.events) options.onEvent(event);
  }

  function fail(error: unknown): void {
    if (failed) return;
    failed = true;
    stopTimers();
    options.onFailure(error);
  }

  function storeSoon(state: DurableSession): void {
    volatileState = state;
    if (store !== undefined) volatileTimer ??= setTimeout(storeNow, VOLATILE_STORE_MS);
  }

  function storeNow(): void {
    clearTimeout(volatileTimer);
    volatileTimer = undefined;
    const state = volatileState;
    volatileState = undefined;
    if (state !== undefined && store !== undefined) {
      storing = storing.then(() => store(state)).catch(fail);
    }
  }

  function setWakeTimer(atMs: number): void {
    clearTimeout(wakeTimer);
    wakeTimer = undefined;
    if (atMs === Number.POSITIVE_INFINITY || failed) return;
    const delayMs = Math.min(Math.max(1, atMs - now().monotonicMs), TIMER_MAX_MS);
    wakeTimer = setTimeout(() => input({ type: 'tick' }), delayMs);
  }

  function stopTimers(): void {
    clearTimeout(wakeTimer);
    clearTimeout(volatileTimer);
    wakeTimer = undefined;
    volatileTimer = undefined;
  }

  return {
    session,
    input,
    async settled() {
      await working;
      storeNow();
      await storing;
    },
    stop: stopTimers,
  };
}

function now(): Clock {
  return { monotonicMs: Math.floor(performance.now()), wallMs: Date.now() };
}
