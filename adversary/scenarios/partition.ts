/** A divided network without any faulty replica: a majority goes on, a minority refuses clearly and in time, and all go on by themselves once it heals. */

import { ClientError } from '../../src/client/index.ts';
import { kv } from '../../src/services/kv/index.ts';
import type { Done, Participant } from '../participant.ts';
import { openStage, type Stage } from '../stage.ts';
import { indicesOf, list, type Scenario } from './scenario.ts';

/** How long Alice and Bob wait while they reach no quorum. */
const NO_QUORUM_MS = 2_000;

export const partition: Scenario = {
  description:
    'a divided network: the majority goes on, without one the service pauses, and it resumes by itself',
  faultyCount: () => ({ least: 0, most: 0 }),
  async run({ replicas, quorumSize, report, directory, signal }) {
    const all = indicesOf(replicas);
    const stage = await openStage(directory, replicas, signal);
    try {
      report.step('One network');
      for (const index of all) stage.start(String(index));
      await stage.ready(all.map(String));
      const alice = await stage.client('alice', NO_QUORUM_MS);
      const bob = await stage.client('bob', NO_QUORUM_MS);
      const carol = await stage.client('carol');
      const show = ({ who, text, answer }: Done) =>
        report.say(`${who}: ${text}, in batch ${answer.head.sequenceNumber}`);
      show(await alice.perform(kv.put('a', '1')));
      show(await bob.perform(kv.get('a')));

      const majority = all.slice(0, quorumSize);
      const minority = all.slice(quorumSize);
      report.step(`Alice is with replicas ${list(majority)}, Bob with ${list(minority)}`);
      await divide(
        stage,
        [alice, bob],
        [
          [...majority.map(String), 'alice'],
          [...minority.map(String), 'bob'],
        ],
      );
      const going = await alice.perform(kv.put('a', '2'));
      show(going);
      report.claim('the majority goes on', true);
      await refused(bob, kv.put('b', 'from the minority'), report);

      const half = Math.floor(replicas / 2);
      report.step(`No majority: ${list(all.slice(0, half))} and Alice | ${list(all.slice(half))} and Bob`);
      await divide(
        stage,
        [alice, bob],
        [
          [...all.slice(0, half).map(String), 'alice'],
          [...all.slice(half).map(String), 'bob'],
        ],
      );
      await Promise.all([alice, bob].map((it) => refused(it, kv.put('c', `from ${it.name}`), report)));

      report.step('The network heals while Carol, who is patient, waits');
      const waiting = carol.perform(kv.put('d', 'waited for the healing'));
      // Whether it fails is asked for below.
      waiting.catch(() => undefined);
      const isWaiting = await Promise.race([waiting.then(() => false), shown(stage)]);
      stage.route((_, replica) => String(replica));
      show(await waiting);
      report.claim('an operation that was waiting is done, and nobody had to do anything for it', isWaiting);
      await stage.until(async () =>
        [alice, bob].every(
          ({ client }) => client.links().filter(({ reachable }) => reachable).length >= quorumSize,
        ),
      );
      const read = await bob.perform(kv.get('a'));
      show(read);
      report.claim('what the majority did is there', read.text === 'get a → 2');
      const nothing = await Promise.all(['b', 'c'].map((key) => alice.perform(kv.get(key))));
      report.claim(
        'what was refused was not applied',
        nothing.every(({ result }) => result.type === 'absent'),
      );
      report.claim(
        'all replicas come to the same history and state',
        await stage.until(() => equal(stage, all)),
      );
      return `Of ${replicas} replicas ${quorumSize} make a quorum. Without one nothing is ordered, so nothing can be lost or contradicted.`;
    } finally {
      await stage.close();
    }
  },
};

/** Whoever is not in the same part is out of reach. Returns once the clients know. */
async function divide(
  stage: Stage,
  clients: readonly Participant[],
  parts: readonly (readonly string[])[],
): Promise<void> {
  const leads = (place: string, replica: number): boolean =>
    parts.some((part) => part.includes(place) && part.includes(String(replica)));
  stage.route((place, replica) => (leads(place, replica) ? String(replica) : undefined));
  await stage.until(async () =>
    clients.every(({ name, client }) =>
      client.links().every(({ reachable }, replica) => reachable === leads(name, replica)),
    ),
  );
}

/** Long enough to see that nothing happens. */
async function shown(stage: Stage): Promise<boolean> {
  return !(await stage.until(async () => false, 500));
}

async function refused(
  participant: Participant,
  input: Parameters<Participant['perform']>[0],
  { say, claim }: Parameters<Scenario['run']>[0]['report'],
): Promise<void> {
  const startMs = performance.now();
  const error = await participant.perform(input).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const seconds = (performance.now() - startMs) / 1000;
  if (error !== undefined && !(error instanceof ClientError)) throw error;
  if (error !== undefined) say(`${participant.name}: ${error.message.replace(/ \(replica .*\)(?=;)/, '')}`);
  claim(
    `${participant.name} is refused in time, and told that nothing was applied`,
    error?.code === 'NO_QUORUM' && error.outcome === 'not-applied' && seconds < (2 * NO_QUORUM_MS) / 1000,
    `${error?.code ?? 'accepted'} after ${seconds.toFixed(1)} s`,
  );
}

async function equal(stage: Stage, all: readonly number[]): Promise<boolean> {
  const statuses = await Promise.all(all.map((index) => stage.status(String(index))));
  return new Set(statuses.map((it) => `${it.executed} ${it.hashChainDigest} ${it.stateDigest}`)).size === 1;
}
