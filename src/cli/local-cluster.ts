/** The replica processes of a local cluster: started here, each with its process number on disk, so that another command can stop them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Durability, LogLevel } from '../node/index.ts';
import {
  type ClientConfig,
  type ClusterPaths,
  directoryOption,
  type ReplicaPaths,
  readPid,
} from './cluster-directory.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { isReplicaProcess, waitUntil } from './processes.ts';
import { fetchReady } from './replica-status.ts';

export interface LocalClusterOptions {
  readonly paths: ClusterPaths;
  readonly config: ClientConfig;
  readonly durability?: Durability | undefined;
  readonly logLevel?: LogLevel | undefined;
  /** How a replica's process ended; `code` is undefined if a signal ended it. */
  readonly onExit: (index: number, code: number | undefined, signal: string | undefined) => void;
}

export interface LocalCluster {
  start(index: number): void;
  /** Kills at once, without any farewell; resolves when the process is gone. */
  kill(index: number): Promise<void>;
  /** Resolves to whether the replica says that it is ready, within the time and while its process lives. */
  ready(index: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** The last lines that a replica wrote since it was started here, to tell why it ended. */
  lastWords(index: number): Promise<string>;
  /** SIGTERM to all, SIGKILL to those that do not end in time; resolves when all are gone. */
  stop(): Promise<void>;
  /** Resolves when no process is left. */
  readonly ended: Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('./main.js', import.meta.url));
const GRACE_MS = 10_000;

/** Starts nothing yet. @throws CommandError if some of the replicas run already */
export async function openLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { paths, config, onExit } = options;
  await refuseRunning(paths, config.replicas.length);
  const children = new Map<number, { readonly process: ChildProcess; readonly gone: Promise<void> }>();
  /** The log is appended to: before this byte it tells of earlier runs. */
  const logStarts = new Map<number, number>();
  let onEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    onEnded = resolve;
  });

  function start(index: number): void {
    const own = paths.replica(index);
    const log = openSync(own.log, 'a', 0o600);
    logStarts.set(index, fstatSync(log).size);
    const child = spawn(
      process.execPath,
      [PROGRAM, 'replica', '--config', own.config, ...overrides(options)],
      // A group of its own: Ctrl-C reaches this process only, which then stops the replicas in good order.
      { stdio: ['ignore', log, log], detached: true },
    );
    closeSync(log);
    const gone = new Promise<void>((resolve) => {
      const end = (code: number | undefined, signal: string | undefined): void => {
        children.delete(index);
        rmSync(own.pid, { force: true });
        onExit(index, code, signal);
        resolve();
        if (children.size === 0) onEnded();
      };
      child.once('exit', (code, signal) => end(code ?? undefined, signal ?? undefined));
      child.once('error', () => end(EXIT.unexpected, undefined));
    });
    if (child.pid !== undefined) writeFileSync(own.pid, `${child.pid}\n`);
    children.set(index, { process: child, gone });
  }

  async function stop(): Promise<void> {
    const living = [...children.values()];
    for (const child of living) child.process.kill('SIGTERM');
    const killer = setTimeout(() => {
      for (const child of living) child.process.kill('SIGKILL');
    }, GRACE_MS);
    await Promise.all(living.map(({ gone }) => gone));
    clearTimeout(killer);
  }

  return {
    start,
    async kill(index) {
      const child = children.get(index);
      child?.process.kill('SIGKILL');
      await child?.gone;
    },
    async ready(index, timeoutMs, signal) {
      const { status } = config.replicas[index]!;
      if (status === undefined) return true;
      const look = async () => !children.has(index) || (await fetchReady(status));
      return (await waitUntil(look, timeoutMs, signal)) && children.has(index);
    },
    lastWords: (index) => lastLines(paths.replica(index).log, logStarts.get(index) ?? 0),
    stop,
    ended,
  };
}

function overrides({ durability, logLevel }: LocalClusterOptions): readonly string[] {
  return [
    ...(durability === undefined ? [] : ['--durability', durability]),
    ...(logLevel === undefined ? [] : ['--log-level', logLevel]),
  ];
}

export interface RunningReplica {
  readonly index: number;
  readonly pid: number;
  readonly own: ReplicaPaths;
}

/** Those whose process number on disk is really theirs. */
export async function runningReplicas(
  paths: ClusterPaths,
  count: number,
): Promise<readonly RunningReplica[]> {
  const running: RunningReplica[] = [];
  for (let index = 0; index < count; index++) {
    const own = paths.replica(index);
    const pid = await readPid(own.pid);
    if (pid !== undefined && (await isReplicaProcess(pid, own.config))) running.push({ index, pid, own });
  }
  return running;
}

async function refuseRunning(paths: ClusterPaths, count: number): Promise<void> {
  const [first] = await runningReplicas(paths, count);
  if (first === undefined) return;
  throw new CommandError(
    EXIT.usage,
    `replica ${first.index} of ${paths.directory} is running already (process ${first.pid}): stop the cluster with "bft2f stop${directoryOption(paths.given)}"`,
  );
}

const LINES_MAX = 3;

async function lastLines(path: string, from: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size - from, 16 * 1024);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-LINES_MAX).join('\n');
  } finally {
    await file.close();
  }
}
