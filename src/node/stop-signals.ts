/** The signals that end a daemon in good order. */

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
export type StopSignal = (typeof SIGNALS)[number];

/** The first of them, once it has come. To be called before anything else: one that comes while a daemon starts must not be lost. */
export function stopSignals(): { readonly signal: Promise<StopSignal>; forget(): void } {
  let onSignal: (name: StopSignal) => void = () => undefined;
  const signal = new Promise<StopSignal>((resolve) => {
    onSignal = resolve;
  });
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal,
    forget() {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
