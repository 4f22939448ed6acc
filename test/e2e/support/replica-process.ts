/** One replica's real process: started, signalled and waited for. What it wrote is in files, so that no full pipe can hold it up. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { noteLeftover } from './leftovers.ts';
import { PROGRAM } from './program.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it wrote to the standard error. */
  readonly words: string;
}

export interface ReplicaProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Undefined while it lives. */
  readonly exit: Exit | undefined;
  /** From now on its end is no surprise. */
  expectExit(): void;
  readonly isExitExpected: boolean;
  signal(signal: NodeJS.Signals): void;
}

export interface ReplicaCommand {
  readonly config: string;
  readonly log: string;
  readonly errors: string;
  /** What the program is run by, such as `ip netns exec …`; it must become the program, not its parent. */
  readonly prefix?: readonly string[];
}

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export function startReplicaProcess({ config, log, errors, prefix = [] }: ReplicaCommand): ReplicaProcess {
  const out = openSync(log, 'a');
  const err = openSync(errors, 'w');
  const [command, ...args] = [...prefix, process.execPath, PROGRAM, 'replica', '--config', config];
  const child = spawn(command!, args, { stdio: ['ignore', out, err] });
  closeSync(out);
  closeSync(err);
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${command}`);
  living.add(child);
  const forget = noteLeftover({ kind: 'process', pid, config });
  let exit: Exit | undefined;
  let isExitExpected = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      living.delete(child);
      forget();
      exit = { code, signal, words: readFileSync(errors, 'utf8') };
      resolve(exit);
    });
  });
  return {
    pid,
    exited,
    get exit() {
      return exit;
    },
    expectExit() {
      isExitExpected = true;
    },
    get isExitExpected() {
      return isExitExpected;
    },
    signal(signal) {
      if (exit === undefined) process.kill(pid, signal);
    },
  };
}
