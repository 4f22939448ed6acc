/** CPU profiles: this process' own, and what several of them say together. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples?: readonly number[] | undefined;
  /** Microseconds since the sample before. */
  readonly timeDeltas?: readonly number[] | undefined;
}

/** What V8 reports of a process that waits. */
const IDLE = '(idle)';
const LINES = 45;

/** Profiles this process while `work` runs; writes the profile beside those of the replicas. */
export async function profiled<T>(directory: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(directory, { recursive: true });
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  try {
    return await work();
  } finally {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    writeFileSync(join(directory, 'client.cpuprofile'), JSON.stringify(profile));
  }
}

/** Self time of the functions and files: of the four replicas together, and of the client. */
export function profileText(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
  const read = (name: string): Profile => JSON.parse(readFileSync(join(directory, name), 'utf8')) as Profile;
  const replicas = names.filter((name) => name.startsWith('replica-')).map(read);
  const clients = names.filter((name) => name.startsWith('client')).map(read);
  return [
    `profiles in ${directory}; self time, the process' start included`,
    ...sections('replicas', replicas),
    ...sections('client', clients),
  ].join('\n');
}

function sections(title: string, profiles: readonly Profile[]): string[] {
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  for (const profile of profiles) addSelfTimes(profile, functions, files);
  return [
    `\n${title}, by file:`,
    ...shares(files, LINES / 3),
    `\n${title}, by function:`,
    ...shares(functions, LINES),
  ];
}

function addSelfTimes(profile: Profile, functions: Map<string, number>, files: Map<string, number>): void {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === IDLE) continue;
    const us = profile.timeDeltas?.[i] ?? 0;
    const file = shortUrl(frame.url);
    const name = `${frame.functionName || '(anonymous)'} ${file}:${frame.lineNumber + 1}`;
    functions.set(name, (functions.get(name) ?? 0) + us);
    const owner = file === '' ? frame.functionName : file;
    files.set(owner, (files.get(owner) ?? 0) + us);
  }
}

function shares(times: ReadonlyMap<string, number>, count: number): string[] {
  const total = [...times.values()].reduce((sum, us) => sum + us, 0);
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(
      ([name, us]) =>
        `  ${((100 * us) / total).toFixed(1).padStart(5)} %  ${(us / 1000).toFixed(0).padStart(6)} ms  ${name}`,
    );
}

function shortUrl(url: string): string {
  return url.replace(/^.*\/(?=(?:src|bench|node_modules)\/)/, '');
}
