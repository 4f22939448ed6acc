/** The processes of a demonstration. None outlives it: malicious ones end with their standard input, and all are killed when this process exits. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Command, Nature } from './malicious-replica.ts';

/** The ordinary program, compiled beside this file. */
const PROGRAM = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const MALICIOUS = fileURLToPath(new URL('./malicious-replica.js', import.meta.url));

export interface ReplicaProcess {
  readonly gone: Promise<void>;
  readonly isAlive: boolean;
  signal(signal: NodeJS.Signals): void;
  lastWords(): Promise<string>;
}

export interface MaliciousProcess extends ReplicaProcess {
  order(command: Command): void;
  /** What it did so far that no correct replica does. @throws Error if it has ended */
  acts(): Promise<number>;
}

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** `bft2f replica`, as anyone runs it. */
export function startReplica(config: string, log: string): ReplicaProcess {
  const output = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, [PROGRAM, 'replica', '--config', config], {
    stdio: ['ignore', output, output],
    // A group of its own: Ctrl-C reaches the demonstration only, which then ends the replicas.
    detached: true,
  });
  closeSync(output);
  return watched(child, log);
}

export function startMalicious(config: string, log: string, nature: Nature): MaliciousProcess {
  const errors = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, [MALICIOUS, config, JSON.stringify(nature)], {
    stdio: ['pipe', 'pipe', errors],
    detached: true,
  });
  closeSync(errors);
  const { stdin, stdout } = child;
  stdin!.on('error', () => undefined);
  const waiting: { resolve(acts: number): void; reject(error: Error): void }[] = [];
  createInterface({ input: stdout! }).on('line', (line) => {
    waiting.shift()?.resolve((JSON.parse(line) as { acts: number }).acts);
  });
  const replica = watched(child, log);
  void replica.gone.then(() => {
    for (const { reject } of waiting.splice(0)) reject(new Error('a malicious replica has ended'));
  });
  const order = (command: Command): void => void stdin!.write(`${JSON.stringify(command)}\n`);
  return Object.assign(replica, {
    order,
    acts: () =>
      new Promise<number>((resolve, reject) => {
        waiting.push({ resolve, reject });
        order({ tell: true });
      }),
  });
}

function watched(child: ChildProcess, log: string): ReplicaProcess {
  living.add(child);
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      living.delete(child);
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });
  return {
    gone,
    get isAlive() {
      return living.has(child);
    },
    signal: (signal) => void child.kill(signal),
    async lastWords() {
      const text = await readFile(log, 'utf8').catch(() => '');
      return text.trimEnd().split('\n').slice(-3).join('\n');
    },
  };
}
