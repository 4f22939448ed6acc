import { describe, expect, it } from 'vitest';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import type { DurableRecord } from '../../src/protocol/records.ts';
import { checkAgreement } from '../../src/simulator/checkers/agreement.ts';
import { checkExecutions } from '../../src/simulator/checkers/executions.ts';
import { checkNoEquivocation } from '../../src/simulator/checkers/no-equivocation.ts';
import { checkPersistBeforeSpeak } from '../../src/simulator/checkers/persist-before-speak.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { collect, commit, digest, entry, prepare, reply, signature, testContext } from './support.ts';

const everyone = () => true;
const context = testContext(4);

describe('agreement', () => {
  it('wants one entry and one digest per s', () => {
    const { report, found } = collect();
    const checker = checkAgreement(everyone, report);
    const executed = (replica: number, s: number, content: number) =>
      checker.onEvent!(replica, {
        type: 'executed',
        view: 0,
        batchDigest: digest(content),
        entry: entry(s, content),
        requests: 1,
        operations: 1,
      });
    executed(0, 1, 1);
    executed(1, 1, 1);
    expect(found).toEqual([]);
    executed(2, 1, 2);
    expect(found).toMatchObject([
      { kind: 'safety', text: expect.stringMatching(/s1.*replica 0.*replica 2/) },
    ]);
  });

  it('ignores what faulty replicas say', () => {
    const { report, found } = collect();
    const checker = checkAgreement((replica) => replica !== 2, report);
    for (const replica of [0, 2]) {
      checker.onEvent!(replica, {
        type: 'committed',
        view: 0,
        sequenceNumber: 1,
        hashChainDigest: digest(replica),
      });
    }
    expect(found).toEqual([]);
  });
});

describe('no equivocation', () => {
  it('allows the same again and another view, but no second content', () => {
    const { report, found } = collect();
    const checker = checkNoEquivocation(4, everyone, report);
    for (const message of [
      prepare(0, 1, 1),
      prepare(0, 1, 1),
      prepare(1, 1, 2),
      commit(0, 1, 1),
      commit(0, 2, 9),
    ]) {
      checker.onSend!(0, [1], message, 0);
    }
    checker.onSend!(0, [1], reply(entry(1, 1)), 0);
    // Somebody else's vote, passed on.
    checker.onSend!(0, [1], prepare(0, 1, 5, 2), 0);
    expect(found).toEqual([]);
    checker.onSend!(0, [2], prepare(0, 1, 2), 0);
    checker.onSend!(0, [2], commit(0, 1, 2), 0);
    checker.onSend!(0, [2], reply({ ...entry(1, 2), view: 7 }), 0);
    expect(found.map(({ text }) => text)).toEqual([
      expect.stringContaining('PREPARE v0 s1'),
      expect.stringContaining('COMMIT v0 s1'),
      expect.stringContaining('entry of s1'),
    ]);
  });
});

describe('persist before speak', () => {
  const batch = { timeMs: 5, requests: [] };
  const content = batchDigest(context.cluster, context.crypto, batch);
  const header = { view: 0, sequenceNumber: 1, batchDigest: content, signature };
  const say = {
    ...(prepare(0, 1, 0) as Extract<ReturnType<typeof prepare>, { type: 'prepare' }>),
    batchDigest: content,
  };
  const judge = (records: readonly DurableRecord[], message: Parameters<typeof speak>[1] = say) => {
    const { report, found } = collect();
    const checker = checkPersistBeforeSpeak(context, everyone, report);
    for (const record of records) checker.onDurable!(0, record);
    speak(checker, message);
    return found.map(({ text }) => text);
  };
  const speak = (
    checker: ReturnType<typeof checkPersistBeforeSpeak>,
    message: Parameters<NonNullable<typeof checker.onSend>>[2],
  ) => checker.onSend!(0, [1], message, 0);

  it('wants header and body before PREPARE, and no body of the null batch', () => {
    const accepted: DurableRecord = { type: 'accepted', header };
    const body: DurableRecord = { type: 'body', sequenceNumber: 1, batch };
    expect(judge([accepted, body])).toEqual([]);
    expect(judge([accepted])).toEqual([expect.stringMatching(/prepare for s1 before the body/)]);
    expect(judge([body])).toEqual([expect.stringMatching(/before its header/)]);
    const nothing = batchDigest(context.cluster, context.crypto, NULL_BATCH);
    const nullHeader: DurableRecord = { type: 'accepted', header: { ...header, batchDigest: nothing } };
    expect(judge([nullHeader], { ...say, batchDigest: nothing })).toEqual([]);
  });

  it('wants the vote, the entry and the suspicion', () => {
    const certificate = { header, prepares: [] };
    expect(judge([{ type: 'prepared', certificate, vote: commit(0, 1, 1) }], commit(0, 1, 1))).toEqual([]);
    expect(judge([{ type: 'prepared', certificate, vote: commit(0, 1, 1) }], commit(0, 1, 2))).toHaveLength(
      1,
    );
    expect(judge([{ type: 'executed', ...entry(1, 1) }], reply(entry(1, 1)))).toEqual([]);
    expect(judge([{ type: 'executed', ...entry(1, 1) }], reply(entry(1, 2)))).toHaveLength(1);
    expect(judge([], reply(entry(1, 1)))).toHaveLength(1);
    expect(
      judge([{ type: 'suspected', view: 1 }], { type: 'suspect', view: 1, replica: 0, signature }),
    ).toEqual([]);
    expect(
      judge([{ type: 'suspected', view: 1 }], { type: 'suspect', view: 2, replica: 0, signature }),
    ).toHaveLength(1);
  });

  it('counts nothing that a lost disk held', () => {
    const { report, found } = collect();
    const checker = checkPersistBeforeSpeak(context, everyone, report);
    checker.onDurable!(0, { type: 'executed', ...entry(1, 1) });
    checker.forget(0);
    speak(checker, reply(entry(1, 1)));
    expect(found).toHaveLength(1);
  });
});

describe('executions', () => {
  const CLIENT = 4;
  const run = (
    executed: readonly (readonly [replica: number, instance: number, s: number, operation: string])[],
    submitted: readonly (readonly [
      operation: string,
      outcome: 'accepted' | 'unknown' | 'rejected' | undefined,
      s?: number,
    ])[],
  ) => {
    const { report, found } = collect();
    const checker = checkExecutions(
      everyone,
      () => digest(1),
      () => true,
      report,
    );
    submitted.forEach(([operation, outcome, sequenceNumber = 0], token) => {
      checker.onSubmit!(CLIENT, token, utf8(operation), false);
      if (outcome === 'accepted') {
        const told = { type: outcome, result: utf8(`r:${operation}`), sequenceNumber } as const;
        checker.onOutcome!(CLIENT, token, { ...told, receipt: undefined as never });
      } else if (outcome === 'unknown')
        checker.onOutcome!(CLIENT, token, { type: outcome, reason: 'CLOSED' });
      else if (outcome === 'rejected') checker.onOutcome!(CLIENT, token, { type: outcome, status: 'FULL' });
    });
    for (const [replica, instance, sequenceNumber, operation] of executed) {
      checker.onExecution!(replica, {
        instance,
        sequenceNumber,
        client: digest(1),
        operation: utf8(operation),
        result: utf8(`r:${operation}`),
      });
    }
    checker.finish();
    return found.map(({ property }) => property);
  };

  it('accepts one execution per submission, at all replicas and after restarts', () => {
    expect(
      run(
        [
          [0, 0, 1, 'a'],
          [0, 0, 2, 'b'],
          [1, 1, 1, 'a'],
          [0, 2, 1, 'a'],
        ],
        [
          ['a', 'accepted', 1],
          ['b', 'unknown'],
        ],
      ),
    ).toEqual([]);
    expect(
      run(
        [],
        [
          ['a', undefined],
          ['b', 'unknown'],
          ['c', 'rejected'],
        ],
      ),
    ).toEqual([]);
  });

  it('reports what was executed twice, never submitted, or refused', () => {
    expect(
      run(
        [
          [0, 0, 1, 'a'],
          [0, 0, 2, 'a'],
        ],
        [['a', 'accepted', 1]],
      ),
    ).toEqual(['exactly once']);
    expect(run([[0, 0, 1, 'z']], [])).toEqual(['exactly once']);
    expect(run([[0, 0, 1, 'a']], [['a', 'rejected']])).toEqual(['exactly once']);
  });

  it('reports what was acknowledged and not executed, or elsewhere', () => {
    expect(run([], [['a', 'accepted', 1]])).toEqual(['acknowledged is executed']);
    expect(run([[0, 0, 2, 'a']], [['a', 'accepted', 1]])).toEqual([
      'acknowledged is executed',
      'exactly once',
    ]);
  });

  it('reports replicas that execute differently', () => {
    const submitted = [
      ['a', 'unknown'],
      ['b', 'unknown'],
    ] as const;
    expect(
      run(
        [
          [0, 0, 1, 'a'],
          [1, 1, 1, 'b'],
        ],
        submitted,
      ),
    ).toContain('executions agree');
    expect(
      run(
        [
          [0, 0, 1, 'a'],
          [0, 0, 2, 'b'],
          [1, 1, 1, 'a'],
          [1, 1, 1, 'b'],
        ],
        submitted,
      ),
    ).toContain('executions agree');
  });
});
