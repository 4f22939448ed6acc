/** What commands know of the world outside, handed in so that tests can stand in for it. */

import { addAbortSignal } from 'node:stream';
import picocolors from 'picocolors';
import { CommandError, EXIT } from './exit-codes.ts';

export interface Terminal {
  /** Results: what a script reads. */
  out(text: string | Uint8Array): void;
  /** Progress and complaints: what a person reads. */
  err(text: string): void;
  /** Whether a person watches `err`, so that a line may be drawn anew. */
  readonly isLive: boolean;
  /** For `err`, and for `out` if that is a terminal. */
  readonly colors: Colors;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /** The standard input, whole. */
  readInput(): Promise<Uint8Array>;
}

export type Colors = ReturnType<typeof picocolors.createColors>;

/** https://no-color.org: a NO_COLOR that is not empty forbids colours. */
export function makeColors(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): Colors {
  return picocolors.createColors(isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb');
}

export function processTerminal(signal: AbortSignal): Terminal {
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isLive: process.stderr.isTTY === true,
    colors: makeColors(process.stdout.isTTY === true && process.stderr.isTTY === true, process.env),
    signal,
    async readInput() {
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of addAbortSignal(signal, process.stdin)) chunks.push(chunk as Uint8Array);
      } catch (error) {
        if (signal.aborted) throw new CommandError(EXIT.interrupted, 'interrupted; nothing was applied');
        throw error;
      }
      return Buffer.concat(chunks);
    },
  };
}
