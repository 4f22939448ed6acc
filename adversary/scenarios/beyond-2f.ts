/**
 * 2f+1 faulty replicas are a quorum by themselves: they make a client accept an operation that nobody issued. The protocol promises nothing here; what
 * is left is what somebody outside can check.
 */

import { join } from 'node:path';
import { ClientError } from '../../src/client/index.ts';
import { encodeKvOperation, kv } from '../../src/services/kv/index.ts';
import { equalBytes, toHex } from '../../src/types/bytes.ts';
import { audit } from '../audit.ts';
import type { Done } from '../participant.ts';
import { openStage, type Stage } from '../stage.ts';
import { drawFaulty, indicesOf, list, type Scenario, type Setting } from './scenario.ts';

/** Far longer than any answer takes. */
const ALICE_DEADLINE_MS = 3_000;

export const beyond2F: Scenario = {
  description:
    '2f+1 colluding replicas make a client accept an operation that nobody issued: this is the limit',
  faultyCount: (maxFaulty) => ({ least: 2 * maxFaulty + 1, most: 3 * maxFaulty }),
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
  const { replicas, quorumSize, report, seed } = setting;
  const faulty = setting.faulty ?? drawFaulty(setting, quorumSize);
  const honest = indicesOf(replicas).filter((index) => !faulty.includes(index));
  const show = (done: Done): Done => {
    report.say(`${done.who}: ${done.text}, in batch ${done.answer.head.sequenceNumber}`);
    return done;
  };

  report.step(`${faulty.length} of ${replicas} replicas wait for their hour: ${list(faulty)}`);
  const traitors = faulty.map((index) =>
    stage.startMalicious(String(index), { members: faulty, seed, behaviour: undefined }),
  );
  for (const index of honest) stage.start(String(index));
  await stage.ready(indicesOf(replicas).map(String));
  const alice = await stage.client('alice');
  const bob = await stage.client('bob');
  show(await alice.perform(kv.put('house', 'belongs to alice')));
  const before = show(await bob.perform(kv.get('house')));
  report.say('so far nothing can be noticed: they do all that a correct replica does');

  report.step('They act in the name of Alice, without her key');
  const forged = encodeKvOperation(kv.put('house', 'belongs to mallory'));
  const client = toHex(alice.client.publicKey);
  for (const traitor of traitors) traitor.order({ forge: { client, operation: toHex(forged) } });
  let after: Done | undefined;
  const isAccepted = await stage.until(async () => {
    after = await bob.perform(kv.get('house'));
    return after.text.endsWith('mallory');
  });
  show(after!);
  const { sequenceNumber, votes } = after!.answer.head;
  report.claim(
    'Bob accepts it: a quorum has signed it',
    isAccepted,
    `batch ${sequenceNumber}, signed by ${list(votes.map(({ replica }) => replica))}`,
  );
  const unanswered = await alice.client
    .submit(encodeKvOperation(kv.get('house')), { deadlineMs: ALICE_DEADLINE_MS, signal: setting.signal })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  report.claim(
    'Alice sees no more than that her next operation gets no answer: its timestamp was used in her name',
    unanswered instanceof ClientError && unanswered.code === 'OUTCOME_UNKNOWN',
    unanswered instanceof ClientError ? unanswered.code : 'she is answered',
  );
  const statuses = await Promise.all(honest.map((index) => stage.status(String(index))));
  report.claim(
    'no evidence exists: nobody has contradicted himself',
    statuses.every(({ evidence }) => evidence === 0),
  );

  report.step('What somebody outside still catches');
  const auditor = String(honest[0] ?? faulty[0]);
  await stage.until(async () => (await stage.status(auditor)).executed >= sequenceNumber);
  await stage.stop(auditor);
  const result = await audit(stage.context, join(stage.directory(auditor), 'data'), after!.answer.head);
  report.say(
    `an auditor takes the bodies that replica ${auditor} keeps: ${result.requests} requests, ${result.isHistoryOfHead ? 'whose hash chain ends in the head that Bob accepted' : 'of another history'}`,
  );
  report.claim(
    'checking every client’s signature finds the request that Alice never signed',
    result.isHistoryOfHead &&
      result.unsigned.length === 1 &&
      equalBytes(result.unsigned[0]!.request.client, alice.client.publicKey),
    result.unsigned.map((it) => `batch ${it.sequenceNumber}`).join(', '),
  );
  report.say(
    `a witness that keeps the head of batch ${before.answer.head.sequenceNumber} would also see every attempt to rewrite what came before it,`,
  );
  report.say('and a fork, if they tell different histories; but not a lie that all are told alike.');

  report.step('What the operator must do');
  report.say('Nothing in the cluster can be believed from the lie on, and no quorum can repair it:');
  report.say('1. stop all replicas, and keep their data directories as they are: they are the proof;');
  report.say(
    `2. find the last batch before the lie: here ${(result.unsigned[0]?.sequenceNumber ?? 1) - 1}; whoever can must vouch for it (archive, witnesses, receipts of clients);`,
  );
  report.say('3. restore the state of that batch from an archive, on machines with new keys;');
  report.say('4. begin a new epoch with a new genesis configuration, and have every client start with it.');
  return `More than ${quorumSize - 1} of ${replicas} faulty replicas are beyond what BFT2F promises: nothing. Trust them for no more than you would a single server.`;
}
