/**
 * Witnesses over real HTTP, and scripted replicas on real links: each tells the history that it is given, under real keys, whatever it told before.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from '../../src/codec/index.ts';
import { memoryLeafStore } from '../../src/crypto/leaf-store.ts';
import { createLogTree } from '../../src/crypto/log-tree.ts';
import { signerFromSeed, sodiumCrypto } from '../../src/crypto/sodium-native.ts';
import { createReplicaTransport, type Remote } from '../../src/network/replica-transport.ts';
import { createGenesis } from '../../src/node/index.ts';
import {
  type Cosigner,
  formatHead,
  formatSubmission,
  parseNote,
  parseSubmission,
} from '../../src/protocol/accountability/index.ts';
import { makeCluster } from '../../src/protocol/genesis.ts';
import { extendHashChain } from '../../src/protocol/hash-chain.ts';
import type { EntryContent, Head } from '../../src/protocol/messages/entry.ts';
import type { Payload, Want } from '../../src/protocol/messages/fetch.ts';
import { type Message, messageSchema } from '../../src/protocol/messages/index.ts';
import { logLeaf } from '../../src/protocol/messages/reply.ts';
import { nodeFiles } from '../../src/storage/node-files.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { type RunningWitness, startWitness, type WitnessOptions } from '../../src/witness/start-witness.ts';
import { formatVault } from '../../src/witness/vault.ts';
import { digestOf, headOfReplicas, signEntry, type TestCluster } from '../protocol/support.ts';

export const HOST = '127.0.0.1';
const REPLICAS = 4;

const cleanups: (() => Promise<unknown>)[] = [];

/** To be called after each test. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export function onCleanUp(action: () => Promise<unknown>): void {
  cleanups.push(action);
}

const seeds = Array.from({ length: REPLICAS }, (_, i) => new Uint8Array(32).fill(1 + i));
const signers = seeds.map(signerFromSeed);
const replicaKeys = signers.map(({ publicKey }) => publicKey);
export const genesis = createGenesis({ name: 'witnessed', replicas: replicaKeys });
export const context = { cluster: makeCluster(genesis, sodiumCrypto), crypto: sodiumCrypto };
export const test: TestCluster = { context, signers };
export const seed = new Uint8Array(32).fill(0x77);
export const NAME = 'witness.example/w';
export const cosigner: Cosigner = { name: NAME, publicKey: signerFromSeed(seed).publicKey };

/** A history of 12 batches, of which the first `common` are those of every other. */
export function historyOf(name: string, common = 0) {
  const tree = createLogTree(sodiumCrypto.hash, memoryLeafStore());
  const contents: EntryContent[] = [];
  let hashChainDigest = context.cluster.id;
  for (let s = 1; s <= 12; s++) {
    const batch = digestOf(s <= common ? `batch ${s}` : `batch ${s} of ${name}`);
    hashChainDigest = extendHashChain(sodiumCrypto, hashChainDigest, batch);
    const repliesRoot = sodiumCrypto.hash();
    tree.append(logLeaf(sodiumCrypto, hashChainDigest, repliesRoot));
    contents.push({ sequenceNumber: s, hashChainDigest, repliesRoot, logRoot: tree.root() });
  }
  return { tree, at: (s: number) => contents[s - 1]! };
}
export type History = ReturnType<typeof historyOf>;

export function headAt(history: History, s: number, replicas: readonly number[] = [0, 1, 2]): Head {
  return headOfReplicas(test, history.at(s), replicas);
}

/** What one scripted replica tells. */
export interface Script {
  history: History;
  /** What it executed last. */
  executed: number;
  /** What it answers to `head`. */
  head: Head | undefined;
  silent: boolean;
}

export interface ScriptedReplicas {
  readonly scripts: readonly Script[];
  readonly ports: readonly number[];
  /** How many questions a replica was asked. */
  readonly asked: number[];
}

/** Four replicas that begin with one history, and have executed `executed` batches of it. */
export async function scriptedReplicas(history: History, executed: number): Promise<ScriptedReplicas> {
  const scripts: Script[] = signers.map(() => ({ history, executed, head: undefined, silent: false }));
  const ports: number[] = [];
  const asked = signers.map(() => 0);
  for (const [index, script] of scripts.entries()) {
    const transport = createReplicaTransport({
      seed: seeds[index]!,
      index,
      clusterId: context.cluster.id,
      epoch: 0,
      // Port 1 is nobody's: they need not know each other.
      replicas: replicaKeys.map((publicKey) => ({ publicKey, host: HOST, port: 1 })),
      host: HOST,
      port: 0,
      limits: { redialMinMs: 1_000, redialMaxMs: 10_000 },
      onFrame(from: Remote, frame) {
        const question = decode(messageSchema, frame);
        if (from.role !== 'client' || !question.ok || script.silent) return;
        asked[index]!++;
        const answer = answerOf(index, script, question.value);
        if (answer !== undefined) transport.sendToClient(from.publicKey, encode(messageSchema, answer));
      },
      onConnected: () => undefined,
      onDisconnected: () => undefined,
    });
    cleanups.push(() => transport.close());
    ports.push((await transport.listen()).port);
  }
  return { scripts, ports, asked };
}

function answerOf(index: number, script: Script, question: Message): Message | undefined {
  if (question.type === 'fetch') {
    return { type: 'fetched', number: question.number, payload: payloadOf(script, question.want) };
  }
  if (question.type !== 'read' || script.executed === 0) return undefined;
  const content = script.history.at(question.at ?? script.executed);
  const result = new Uint8Array(0);
  return {
    type: 'read-reply',
    nonce: question.nonce,
    status: 'OK',
    result,
    resultDigest: sodiumCrypto.hash(result),
    entry: signEntry(test, index, 0, content),
  };
}

function payloadOf({ history: { tree }, executed, head }: Script, want: Want): Payload {
  if (want.type === 'head' && head !== undefined) return { type: 'head', head };
  if (want.type === 'proof' && want.from <= want.to && want.to <= executed) {
    const path = [...tree.consistencyPath(want.from, want.to)];
    return { ...want, root: tree.rootAt(want.from), path };
  }
  return { type: 'not-here' };
}

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bft2f-witness-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A data directory for a witness that has seen nothing. */
export async function formatted(): Promise<string> {
  const directory = join(await temporaryDirectory(), 'data');
  await formatVault(nodeFiles, directory, context.cluster.id, cosigner.publicKey);
  return directory;
}

export interface TestWitness extends RunningWitness {
  readonly base: string;
  post(path: string, body: Uint8Array | string): Promise<Response>;
  addCheckpoint(oldSize: number, path: readonly Uint8Array[], head: Head): Promise<Response>;
  addHead(head: Head): Promise<Response>;
  metrics(): Promise<string>;
}

/** By default it never polls by itself but once at its start, and asks the replicas at `ports`. */
export async function start(
  dataDirectory: string,
  ports: readonly number[] = [1, 1, 1, 1],
  choices: Partial<WitnessOptions> = {},
): Promise<TestWitness> {
  const witness = await startWitness({
    genesis,
    seed,
    name: NAME,
    dataDirectory,
    listen: { host: HOST, port: 0 },
    replicas: ports.map((port) => ({ host: HOST, port })),
    pollMs: 3_600_000,
    networkLimits: { redialMinMs: 10, redialMaxMs: 50 },
    ...choices,
  });
  cleanups.push(() => witness.stop());
  const base = `http://${HOST}:${witness.port}`;
  const post = (path: string, body: Uint8Array | string) =>
    fetch(`${base}${path}`, { method: 'POST', body: body as NonNullable<RequestInit['body']> });
  const result: TestWitness = {
    ...witness,
    base,
    post,
    addCheckpoint: (oldSize, path, head) =>
      post('/add-checkpoint', formatSubmission({ oldSize, path, note: utf8(formatHead(context, head)) })),
    addHead: (head) => post('/add-head', formatHead(context, head)),
    metrics: async () => (await fetch(`${base}/metrics`)).text(),
  };
  return result;
}

/** Resolves once all links are up. */
export async function untilConnected(witness: TestWitness): Promise<void> {
  await until(async () => {
    const up = (await witness.metrics()).match(/^bft2f_witness_replica_connected\{[^}]*\} 1$/gm);
    return up?.length === REPLICAS;
  });
}

/** Looks again and again; the test's own time-out is the only one. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The signature lines of an answer as those of a note over the head. */
export function noteWith(head: Head, lines: string) {
  const note = parseNote(utf8(formatHead(context, head) + lines));
  if (!note.ok) throw new Error(note.error);
  return note.value;
}

/** What `add-head` answers. */
export async function submissionIn(response: Response) {
  const submission = parseSubmission(new Uint8Array(await response.arrayBuffer()));
  if (!submission.ok) throw new Error(submission.error);
  const note = parseNote(submission.value.note);
  if (!note.ok) throw new Error(note.error);
  return { ...submission.value, note: note.value };
}
