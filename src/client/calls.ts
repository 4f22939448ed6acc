/**
 * Who waits for which operation. A call ends once: by its outcome, its deadline, its signal or the client's end; the operation itself goes
 * its own way (docs/protocol.md §8: a deadline detaches the caller, never the request).
 */

import type { Answer } from './outcome.ts';

export interface Call {
  readonly token: number;
  readonly kind: 'submit' | 'read' | 'head' | 'observe';
  /** When it began, by the monotonic clock. */
  readonly sinceMs: number;
  /** It has ended; an answer that is promised may still be an error. */
  resolve(answer: Answer | Promise<Answer>): void;
  reject(error: Error): void;
}

export interface CallEnds {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  onDeadline(call: Call): void;
  onAbort(call: Call, reason: unknown): void;
}

export interface Calls {
  /** Makes a call and gives it to `begin`; the promise is the caller's. */
  begin(kind: Call['kind'], ends: CallEnds, begin: (call: Call) => void): Promise<Answer>;
  /** Undefined once the call has ended. */
  find(token: number): Call | undefined;
  all(): readonly Call[];
}

export function makeCalls(): Calls {
  const open = new Map<number, Call>();
  const signals = makeSignals();
  let nextToken = 0;
  return {
    begin: (kind, ends, begin) =>
      new Promise<Answer>((resolve, reject) => {
        const token = nextToken++;
        const { signal } = ends;
        const end = (): void => {
          open.delete(token);
          clearTimeout(timer);
          if (signal !== undefined) signals.remove(signal, onAbort);
        };
        const call: Call = {
          token,
          kind,
          sinceMs: performance.now(),
          resolve(answer) {
            end();
            resolve(answer);
          },
          reject(error) {
            end();
            reject(error);
          },
        };
        const timer = setTimeout(() => ends.onDeadline(call), ends.deadlineMs);
        const onAbort = (): void => ends.onAbort(call, signal?.reason);
        if (signal !== undefined) signals.add(signal, onAbort);
        open.set(token, call);
        begin(call);
      }),
    find: (token) => open.get(token),
    all: () => [...open.values()],
  };
}

/** One listener for each signal, however many calls share it: Node warns of a leak from the eleventh on. */
function makeSignals() {
  const watched = new Map<
    AbortSignal,
    { readonly actions: Set<() => void>; readonly listener: () => void }
  >();
  return {
    add(signal: AbortSignal, action: () => void): void {
      let watch = watched.get(signal);
      if (watch === undefined) {
        const actions = new Set<() => void>();
        const listener = (): void => {
          for (const it of [...actions]) it();
        };
        watch = { actions, listener };
        watched.set(signal, watch);
        signal.addEventListener('abort', watch.listener, { once: true });
      }
      watch.actions.add(action);
    },
    remove(signal: AbortSignal, action: () => void): void {
      const watch = watched.get(signal);
      if (watch === undefined || !watch.actions.delete(action) || watch.actions.size > 0) return;
      watched.delete(signal);
      signal.removeEventListener('abort', watch.listener);
    },
  };
}
