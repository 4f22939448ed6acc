/** A progress bar that is drawn anew on a terminal; elsewhere nothing is shown until the work is done. */

import type { Terminal } from './terminal.ts';

export interface Progress {
  advance(by: number): void;
  /** Clears the bar, so that other lines can follow. */
  end(): void;
}

const WIDTH = 30;
const REDRAW_MS = 80;

export function startProgress(terminal: Terminal, what: string, total: number): Progress {
  const startMs = performance.now();
  let done = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    advance(by) {
      done += by;
      const nowMs = performance.now();
      if (!terminal.isLive || (nowMs - drawnMs < REDRAW_MS && done < total)) return;
      drawnMs = nowMs;
      const filled = total === 0 ? WIDTH : Math.floor((WIDTH * done) / total);
      const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
      const perSecond = Math.round((done * 1000) / Math.max(1, nowMs - startMs));
      terminal.err(`\r${what} ${bar} ${done}/${total}  ${perSecond}/s `);
    },
    end() {
      if (terminal.isLive) terminal.err('\r\x1b[K');
    },
  };
}

/** Runs `work` on each item, at most `width` at a time; stops at the first failure, which it throws. */
export async function forEachLimited<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}
