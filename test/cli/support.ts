/** A terminal that remembers what was written to it. */

import { runProgram } from '../../src/cli/program.ts';
import { makeColors, type Terminal } from '../../src/cli/terminal.ts';

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly isLive?: boolean;
  readonly signal?: AbortSignal;
}

/** Runs one command line in this process. */
export async function bft2f(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const written = { out: [] as Uint8Array[], err: '' };
  const terminal: Terminal = {
    out: (text) => written.out.push(Buffer.from(text as string)),
    err(text) {
      written.err += text;
    },
    isLive: options.isLive ?? false,
    colors: makeColors(options.isLive ?? false, {}),
    signal: options.signal ?? new AbortController().signal,
    readInput: async () => Buffer.from((options.input ?? '') as string),
  };
  const code = await runProgram(args, terminal);
  return { code, out: Buffer.concat(written.out).toString(), err: written.err };
}
