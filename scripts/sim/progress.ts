/** How far a sweep is: a bar that is drawn over itself on a terminal, a line now and then elsewhere. */

export interface Progress {
  /** `done` seeds of all, `failed` of them, after so much virtual time. */
  update(done: number, failed: number, simulatedMs: number): void;
  /** Takes the bar away, so that something can be printed. */
  clear(): void;
}

const BAR_WIDTH = 30;
const REDRAW_MS = 100;

export function makeProgress(total: number, stream: NodeJS.WriteStream): Progress {
  const begun = performance.now();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let tenths = 0;

  function words(done: number, failed: number, simulatedMs: number): string {
    const seconds = Math.max(0.001, (performance.now() - begun) / 1000);
    return [
      `${done} of ${total} seeds`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      `${(done / seconds).toFixed(1)} a second`,
      `${Math.round(simulatedMs / 1000)} s simulated`,
      `${Math.round(simulatedMs / 1000 / seconds)} times real time`,
    ].join(', ');
  }

  if (!stream.isTTY) {
    return {
      update(done, failed, simulatedMs) {
        const reached = Math.floor((10 * done) / total);
        if (reached === tenths || done === total) return;
        tenths = reached;
        stream.write(`${words(done, failed, simulatedMs)}\n`);
      },
      clear() {},
    };
  }
  const erase = '\r\u001b[K';
  return {
    update(done, failed, simulatedMs) {
      if (performance.now() - drawnAt < REDRAW_MS) return;
      drawnAt = performance.now();
      const filled = Math.round((BAR_WIDTH * done) / total);
      const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
      // A line that wraps could not be drawn over.
      stream.write(`${erase}${`${bar} ${words(done, failed, simulatedMs)}`.slice(0, stream.columns - 1)}`);
    },
    clear() {
      drawnAt = Number.NEGATIVE_INFINITY;
      stream.write(erase);
    },
  };
}
