/**
 * Who waits for which operation. A call ends once: by its outcome, its deadline, its signal or the client's end; the operation itself goes
 * its own way (docs/protocol.md §8: a deadline detaches the caller, never the request).
 */

import type { Answer } from './outcome.ts';

export interface Call {
  readonly token: number;
  readonly kind: 'submit' | 'read';
  resolve(answer: Answer): void;
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
  let nextToken = 0;
  return {
    begin: (kind, ends, begin) =>
      new Promise<Answer>((resolve, reject) => {
        const token = nextToken++;
        const { signal } = ends;
        const end = (): void => {
          open.delete(token);
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
        };
        const call: Call = {
          token,
          kind,
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
        signal?.addEventListener('abort', onAbort, { once: true });
        open.set(token, call);
        begin(call);
      }),
    find: (token) => open.get(token),
    all: () => [...open.values()],
  };
}
