/**
 * Holds promises back until the disk has what they stand on. While one sync is under way the next ones gather behind it: the busier the
 * replica, the more promises share a sync.
 */

import type { Send } from '../protocol/replica/io.ts';

export interface GateOptions {
  /** Makes everything appended before the call durable. */
  readonly sync: () => Promise<void>;
  /** Called with held promises, in their order, once they may leave. */
  readonly release: (promises: readonly Send[]) => void;
  /** The sync failed: nothing is released any more, and nothing is tried again. */
  readonly onFailure: (error: unknown) => void;
  readonly onSynced?: ((durationMs: number) => void) | undefined;
  readonly nowMs: () => number;
}

export interface PromiseGate {
  /** To be called after the step's records were appended. */
  hold(promises: readonly Send[]): void;
  /** Records were appended that nothing waits for: they are synced with the next that do, or after a while. */
  noteAppended(): void;
  /** Begins a sync if promises wait for one. To be called at the end of a turn, so that a whole turn shares it. */
  flush(): void;
  /** Releases nothing any more. */
  close(): void;
  /** Resolves when nothing is held and no sync is under way; also after a failure. */
  idle(): Promise<void>;
}

/** How long records may wait for others before they are synced for their own sake. */
const LAZY_SYNC_MS = 20;

export function createPromiseGate(options: GateOptions): PromiseGate {
  let held: Send[] = [];
  let running: Promise<void> | undefined;
  let lazy: NodeJS.Timeout | undefined;
  let closed = false;

  async function run(): Promise<void> {
    let isLazy = true;
    while (!closed && (isLazy || held.length > 0)) {
      isLazy = false;
      const group = held;
      held = [];
      const startMs = options.nowMs();
      try {
        await options.sync();
      } catch (error) {
        closed = true;
        options.onFailure(error);
        return;
      }
      options.onSynced?.(options.nowMs() - startMs);
      if (!closed && group.length > 0) options.release(group);
    }
  }

  function start(): void {
    clearTimeout(lazy);
    lazy = undefined;
    if (closed || running !== undefined) return;
    running = run().finally(() => {
      running = undefined;
      // What was released may have been answered by new promises already.
      if (held.length > 0) start();
    });
  }

  return {
    hold(promises) {
      held.push(...promises);
    },
    noteAppended() {
      if (!closed && running === undefined) lazy ??= setTimeout(start, LAZY_SYNC_MS);
    },
    flush() {
      if (held.length > 0) start();
    },
    close() {
      closed = true;
      clearTimeout(lazy);
      held = [];
    },
    async idle() {
      while (running !== undefined) await running;
    },
  };
}
