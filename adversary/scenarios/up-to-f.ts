/** Up to f faulty replicas: whoever they are and whatever they do, requests go on and the history stays linearizable. */

import { join } from 'node:path';
import { ClientError } from '../../src/client/index.ts';
import { sha256 } from '../../src/crypto/sha256.ts';
import type { KvResult } from '../../src/services/kv/index.ts';
import { recordHistory } from '../../src/simulator/history.ts';
import { checkLinearizable } from '../../src/simulator/linearizability.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { type KvInput, kvModel, kvWorkload } from '../../src/simulator/workload.ts';
import { BEHAVIOURS, type BehaviourName } from '../behaviours.ts';
import type { History, Participant } from '../participant.ts';
import type { MaliciousProcess } from '../processes.ts';
import { openStage, type Stage } from '../stage.ts';
import { indicesOf, list, type Scenario, type Setting } from './scenario.ts';

const CLIENTS = ['alice', 'bob', 'carol'];
const OPERATIONS_EACH = 10;
/** Few, so that clients get into each other's way. */
const KEYS = 2;
const workload = kvWorkload(sha256, KEYS);

export const upToF: Scenario = {
  description: 'up to f faulty replicas change nothing: requests go on, and the history is linearizable',
  faultyCount: (maxFaulty) => ({ least: 1, most: maxFaulty }),
  async run(setting) {
    const { replicas, maxFaulty, report } = setting;
    const choices = setting.faulty === undefined ? subsets(replicas, maxFaulty) : [setting.faulty];
    const behaviours = setting.random.shuffle(setting.behaviours);
    const each = Math.min(setting.perChoice, behaviours.length);
    report.step('What faulty replicas do');
    for (const name of setting.behaviours) report.say(`${name.padEnd(14)} ${BEHAVIOURS[name].description}`);
    for (const [i, faulty] of choices.entries()) {
      report.step(`Faulty: ${list(faulty)}`);
      for (let k = 0; k < each; k++) {
        // Where not all are played, the next choice goes on with others.
        await playRound(setting, faulty, behaviours[(i * each + k) % behaviours.length]!);
      }
    }
    return `With at most ${maxFaulty} faulty of ${replicas} replicas the cluster behaves as one correct server.`;
  },
};

/** On a cluster of its own: who was proved guilty in one round must not be punished in the next. */
async function playRound(
  setting: Setting,
  faulty: readonly number[],
  behaviour: BehaviourName,
): Promise<void> {
  const { replicas, directory, signal } = setting;
  const stage = await openStage(join(directory, `${faulty.join('-')}-${behaviour}`), replicas, signal);
  try {
    await runOne(setting, stage, faulty, behaviour);
  } finally {
    await stage.close();
  }
}

async function runOne(
  { replicas, seed, report }: Setting,
  stage: Stage,
  faulty: readonly number[],
  behaviour: BehaviourName,
): Promise<void> {
  const malicious: MaliciousProcess[] = [];
  for (const index of indicesOf(replicas)) {
    const name = String(index);
    if (faulty.includes(index))
      malicious.push(stage.startMalicious(name, { members: faulty, seed, behaviour }));
    else stage.start(name);
  }
  const honest = indicesOf(replicas).filter((index) => !faulty.includes(index));
  await stage.ready(honest.map(String));
  const clients = await Promise.all(CLIENTS.map((name) => stage.client(name)));
  const history = recordHistory<KvInput, KvResult>();
  const startMs = performance.now();
  const failures = await perform(clients, history, seed, 0, OPERATIONS_EACH / 2);
  const rest = perform(clients, history, seed, OPERATIONS_EACH / 2, OPERATIONS_EACH);
  if (behaviour === 'crashing') for (const index of faulty) await stage.stop(String(index), 'SIGKILL');
  failures.push(...(await rest));
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const acts = behaviour === 'crashing' ? faulty.length : await actsOf(malicious);
  const linearizable = checkLinearizable(kvModel, history.operations());
  const agree = await stage.until(() => sameState(stage, honest));
  const accused = await accusedBy(stage, honest);
  const objections = [
    ...failures,
    ...(acts > 0 ? [] : ['the faulty did nothing wrong']),
    ...(linearizable.type === 'linearizable' ? [] : [`${linearizable.type}: key ${linearizable.part}`]),
    ...(agree ? [] : ['correct replicas differ']),
    ...accused.flatMap((index) => (faulty.includes(index) ? [] : [`correct replica ${index} is accused`])),
  ];
  const proved = accused.length > 0 ? [`replica ${list(accused)} proved guilty`] : [];
  report.claim(
    `${behaviour}: ${CLIENTS.length * OPERATIONS_EACH} operations answered, linearizable, correct replicas agree`,
    objections.length === 0,
    [`${acts} ${acts === 1 ? 'misdeed' : 'misdeeds'} in ${seconds} s`, ...proved, ...objections].join('; '),
  );
}

async function actsOf(malicious: readonly MaliciousProcess[]): Promise<number> {
  const acts = await Promise.all(malicious.map((it) => it.acts()));
  return acts.reduce((sum, it) => sum + it, 0);
}

/** Each client does its operations one after the other, all clients at once. Answers why operations failed; a client stops at its first. */
async function perform(
  clients: readonly Participant[],
  history: History,
  seed: number,
  from: number,
  to: number,
): Promise<string[]> {
  const failures: string[] = [];
  await Promise.all(
    clients.map(async (client) => {
      const random = makeRandom(seed).fork(`${client.name} ${from}`);
      try {
        for (let i = from; i < to; i++) {
          await client.perform(workload.next(random, `${client.name}.${i}`).input, history);
        }
      } catch (error) {
        if (!(error instanceof ClientError) || error.code === 'ABORTED') throw error;
        failures.push(`${client.name}: ${error.code}`);
      }
    }),
  );
  return failures;
}

async function sameState(stage: Stage, honest: readonly number[]): Promise<boolean> {
  const statuses = await Promise.all(honest.map((index) => stage.status(String(index))));
  return new Set(statuses.map((it) => `${it.executed} ${it.hashChainDigest} ${it.stateDigest}`)).size === 1;
}

async function accusedBy(stage: Stage, honest: readonly number[]): Promise<readonly number[]> {
  const statuses = await Promise.all(honest.map((index) => stage.status(String(index))));
  return [...new Set(statuses.flatMap(({ guilty }) => guilty))].sort((a, b) => a - b);
}

/** All ways to choose `size` of 0…count−1. */
function subsets(count: number, size: number, from = 0): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  const found: (readonly number[])[] = [];
  for (let first = from; first <= count - size; first++) {
    for (const rest of subsets(count, size - 1, first + 1)) found.push([first, ...rest]);
  }
  return found;
}
