/**
 * Between f+1 and 2f faulty replicas, each of which runs twice under one key, and a divided network: two clients are led onto two histories. Each
 * is correct in itself; whoever crosses over is refused; two heads prove the fork and name the guilty.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClientError, kv as kvCalls } from '../../src/client/index.ts';
import {
  explainEvidence,
  type ProvedEvidence,
  verifyEvidence,
} from '../../src/protocol/accountability/index.ts';
import { type KvResult, kv } from '../../src/services/kv/index.ts';
import { recordHistory } from '../../src/simulator/history.ts';
import { checkLinearizable } from '../../src/simulator/linearizability.ts';
import { type KvInput, kvModel } from '../../src/simulator/workload.ts';
import { batchesOf, drawText, type ForkTree } from '../fork-tree.ts';
import { drawSvg } from '../fork-tree-svg.ts';
import { type Done, type History, type Participant, textOf } from '../participant.ts';
import type { Report } from '../report.ts';
import { openStage, type Stage } from '../stage.ts';
import { drawFaulty, indicesOf, list, type Scenario, type Setting } from './scenario.ts';

interface Side {
  readonly name: 'A' | 'B';
  /** Its correct replicas, and the copies of the faulty ones. */
  readonly processes: readonly string[];
  /** What its client saw, the common beginning included. */
  readonly history: History;
  readonly done: Done[];
}

export const beyondF: Scenario = {
  description:
    'f+1…2f colluding replicas fork the history; the fork is found, proved, and the guilty are named',
  faultyCount: (maxFaulty) => ({ least: maxFaulty + 1, most: 2 * maxFaulty }),
  async run(setting) {
    const stage = await openStage(setting.directory, setting.replicas, setting.signal);
    try {
      return await play(setting, stage);
    } finally {
      await stage.close();
    }
  },
};

async function play(setting: Setting, stage: Stage): Promise<string> {
  const { replicas, maxFaulty, report } = setting;
  const faulty = setting.faulty ?? drawFaulty(setting, maxFaulty + 1);
  const honest = indicesOf(replicas).filter((index) => !faulty.includes(index));
  const sides = makeSides(setting, faulty, honest);
  const [sideA, sideB] = sides;
  const together: History = recordHistory();

  report.step('One cluster, one history');
  for (const index of indicesOf(replicas)) stage.start(String(index));
  await stage.ready(indicesOf(replicas).map(String));
  const alice = await stage.client('alice');
  const bob = await stage.client('bob');
  const all = [sideA.history, sideB.history, together];
  const trunk: Done[] = [];
  for (const [who, input] of [
    [alice, kv.put('balance', '100')],
    [bob, kv.get('balance')],
    [alice, kv.put('owner', 'alice')],
  ] as const) {
    trunk.push(await tell(report, who.perform(input, ...all)));
  }

  report.step(`Replicas ${list(faulty)} betray: each runs twice under one key, and the network is divided`);
  await makeTwins(stage, faulty, sides);
  const place = (who: string): Side =>
    [sideA, sideB].find(({ processes }) => processes.includes(who)) ?? (who === 'alice' ? sideA : sideB);
  let sideOf = place;
  const lead = (): void => stage.route((who, replica) => processOn(sideOf(who), replica));
  lead();
  for (const { name, processes } of sides) report.say(`side ${name}: replicas ${list(processes)}`);

  report.step('Two clients see two histories');
  const perform = async (who: Participant, side: Side, input: KvInput): Promise<void> => {
    side.done.push(await tell(report, who.perform(input, side.history, together), ` on side ${side.name}`));
  };
  await perform(alice, sideA, kv.put('balance', '0, to carol'));
  await perform(alice, sideA, kv.get('balance'));
  await perform(bob, sideB, kv.get('balance'));
  await perform(bob, sideB, kv.put('balance', '0, to dave'));
  await perform(bob, sideB, kv.get('balance'));
  await perform(alice, sideA, kv.get('balance'));
  await perform(bob, sideB, kv.put('owner', 'bob'));
  for (const { name, history } of sides) {
    report.claim(`the history of side ${name} is correct in itself`, isLinearizable(history));
  }
  report.claim('together they are not: this is a fork', !isLinearizable(together));
  await nothingInvented(report, alice, sideA);
  await nothingInvented(report, bob, sideB);

  report.step('Alice is led across, to the side of Bob');
  sideOf = (who) => (who === 'alice' ? sideB : place(who));
  lead();
  const refusal = await alice.perform(kv.put('balance', '50')).catch((error: unknown) => error);
  if (refusal instanceof ClientError) report.say(`alice: ${refusal.message}`);
  report.claim(
    'a quorum refuses her: her request names a history that is not theirs',
    refusal instanceof ClientError && refusal.code === 'FORKED',
    refusal instanceof ClientError ? refusal.code : 'not refused',
  );

  report.step('Alice and Bob exchange their heads');
  const proved = await exchangeHeads(setting, stage, alice, bob);
  const guilty = proved?.verdict.guilty ?? [];
  report.claim(
    `the two heads prove the fork, and name at least ${maxFaulty + 1} guilty replicas`,
    proved?.verdict.forked === true && guilty.length > maxFaulty,
    `guilty: ${list(guilty)}`,
  );
  report.claim(
    'only faulty replicas are named',
    guilty.every((index) => faulty.includes(index)),
  );

  report.step('The division ends: correct replicas of both sides meet');
  sideOf = (who) => place(who);
  stage.route((who, replica) =>
    honest.includes(replica) ? String(replica) : processOn(sideOf(who), replica),
  );
  const found = await stage.until(async () => {
    const statuses = await Promise.all(honest.map((index) => stage.status(String(index))));
    return statuses.every((it) => it.guilty.length > maxFaulty && it.silence === 'ordering');
  });
  report.claim('each of them finds the proof by itself and orders nothing more', found);
  const statuses = await Promise.all(honest.map((index) => stage.status(String(index))));
  for (const { index, guilty: named } of statuses)
    report.say(`replica ${index} has proof against ${list(named)}`);

  const tree: ForkTree = {
    trunk: batchesOf(trunk),
    branches: sides.map(({ name, processes, done }) => ({
      name,
      replicas: processes,
      batches: batchesOf(done),
    })),
    refused: [{ client: 'alice', from: 'A', to: 'B' }],
    guilty,
  };
  report.step('The fork');
  report.say(drawText(tree));
  const svg = drawSvg(tree);
  report.attach('forkTree', tree);
  report.attach('svg', svg);
  if (setting.svg !== undefined) {
    await writeFile(setting.svg, svg);
    report.say(`the picture is in ${setting.svg}`);
  }
  return `With ${faulty.length} of ${replicas} replicas faulty the history can fork, but the fork cannot be hidden from whoever compares two heads, and it convicts its makers.`;
}

/** As many correct replicas on each side as make a quorum with the copies. */
function makeSides(
  { quorumSize }: Setting,
  faulty: readonly number[],
  honest: readonly number[],
): [Side, Side] {
  const needed = quorumSize - faulty.length;
  const make = (name: Side['name'], members: readonly number[]): Side => ({
    name,
    processes: [...faulty.map((index) => `${index}${name.toLowerCase()}`), ...members.map(String)],
    history: recordHistory<KvInput, KvResult>(),
    done: [],
  });
  return [make('A', honest.slice(0, needed)), make('B', honest.slice(needed))];
}

/** The process that stands for a replica on one side. */
function processOn({ name, processes }: Side, replica: number): string | undefined {
  return [String(replica), `${replica}${name.toLowerCase()}`].find((process) => processes.includes(process));
}

/** Two copies of each traitor, which share its key and its past and know nothing of each other. */
async function makeTwins(stage: Stage, faulty: readonly number[], sides: readonly Side[]): Promise<void> {
  await Promise.all(faulty.map((index) => stage.stop(String(index))));
  const copies = sides.flatMap(({ name }) =>
    faulty.map((index) => ({ index, copy: `${index}${name.toLowerCase()}` })),
  );
  for (const { index, copy } of copies) await stage.prepare(copy, index, String(index));
  for (const { copy } of copies) stage.start(copy);
}

async function tell({ say }: Report, operation: Promise<Done>, where = ''): Promise<Done> {
  const done = await operation;
  const { sequenceNumber, votes } = done.answer.head;
  say(
    `${done.who}: ${done.text}, in batch ${sequenceNumber}${where}, signed by ${list(votes.map((it) => it.replica))}`,
  );
  return done;
}

function isLinearizable(history: History): boolean {
  return checkLinearizable(kvModel, history.operations()).type === 'linearizable';
}

/** Everything in the store was put there by an operation that somebody issued. */
async function nothingInvented(report: Report, { name, client }: Participant, side: Side): Promise<void> {
  const issued = new Set(
    side.history
      .everything()
      .flatMap(({ input }) => (input.type === 'put' ? [`${textOf(input.key)}=${textOf(input.value)}`] : [])),
  );
  const strange: string[] = [];
  for await (const { key, value } of kvCalls(client).scan()) {
    const entry = `${textOf(key)}=${textOf(value)}`;
    if (!issued.has(entry)) strange.push(entry);
  }
  report.claim(
    `${name} finds nothing on side ${side.name} that no client has put there`,
    strange.length === 0,
    strange.join(', ') || undefined,
  );
}

/** The one whose history is longer asks its replicas for the proof; what comes out is a file that anyone can verify. */
async function exchangeHeads(
  { report, isKept }: Setting,
  stage: Stage,
  alice: Participant,
  bob: Participant,
): Promise<ProvedEvidence | undefined> {
  const { say } = report;
  const head = alice.client.accepted!;
  // The proof must come from a replica on the longer history, and Bob's are those that answer: places without a batch may have made hers longer.
  while (bob.client.accepted!.sequenceNumber < head.sequenceNumber) await bob.perform(kv.get('owner'));
  const own = bob.client.accepted!;
  say(`alice holds a head of ${head.sequenceNumber} batches, bob one of ${own.sequenceNumber}`);
  await bob.client.observe(head).catch((error: unknown) => {
    if (!(error instanceof ClientError) || error.code !== 'FORKED') throw error;
    say(`bob, on seeing hers: ${error.message}`);
  });
  await bob.client.close();
  const folder = join(stage.paths.directory, 'client-bob', 'evidence');
  const [file] = await readdir(folder).catch(() => []);
  if (file === undefined) return undefined;
  const verified = verifyEvidence(stage.context, await readFile(join(folder, file)));
  if (!verified.ok) return undefined;
  for (const sentence of explainEvidence(stage.context.cluster, verified.value)) say(sentence);
  if (isKept) say(`bft2f evidence verify ${join(folder, file)} --genesis ${stage.paths.genesis}`);
  return verified.value;
}
