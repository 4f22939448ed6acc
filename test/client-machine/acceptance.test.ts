import { describe, expect, it } from 'vitest';
import { rejectReceipt } from '../../src/protocol/client/index.ts';
import { resultsRootOf } from '../../src/protocol/messages/reply.ts';
import { utf8 } from '../../src/types/bytes.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import { drive, eventsOf, lastRequest, opened, receive, refusals, submit } from './support.ts';

/** A session with operation 1 in flight, executed by the cluster, no reply delivered. */
function inFlight(replicaCount = 4, quorumSize?: number) {
  const cluster = makeFakeCluster(replicaCount, quorumSize === undefined ? {} : { quorumSize });
  const driver = drive(cluster);
  submit(driver, 1, 'op');
  const q = cluster.context.cluster.thresholds.quorumSize;
  const open = cluster.execute(lastRequest(driver));
  for (let r = 0; r < q; r++) receive(driver, r, cluster.reply(r, open));
  const executed = cluster.execute(lastRequest(driver));
  return { cluster, driver, executed, q };
}

describe('the acceptance rule (docs/protocol.md §3.10)', () => {
  it.each([
    [1, undefined],
    [4, undefined],
    [4, 4],
    [7, undefined],
    [7, 6],
  ])('accepts at exactly Q replies, not at Q−1, of n = %i, q = %s', (n, quorum) => {
    const { cluster, driver, executed, q } = inFlight(n, quorum);
    for (let r = 0; r < q - 1; r++) {
      receive(driver, n - 1 - r, cluster.reply(n - 1 - r, executed));
      expect(driver.outcomes.size).toBe(0);
    }
    receive(driver, 0, cluster.reply(0, executed));
    const outcome = driver.outcomes.get(1);
    expect(outcome).toMatchObject({ type: 'accepted', result: utf8('op!'), receipt: { operation: 0 } });
    if (outcome?.type !== 'accepted') return;
    expect(outcome.receipt.head.votes).toHaveLength(q);
    expect(rejectReceipt(cluster.context, outcome.receipt)).toBeUndefined();
    expect(driver.session.accepted).toMatchObject(executed.content);
  });

  it('f+1 replies are not enough', () => {
    const { cluster, driver, executed } = inFlight();
    receive(driver, 0, cluster.reply(0, executed));
    receive(driver, 3, cluster.reply(3, executed));
    expect(driver.outcomes.size).toBe(0);
  });

  it('counts a replica once, however often it answers and in however many views', () => {
    const { cluster, driver, executed } = inFlight();
    for (let view = 0; view < 5; view++) receive(driver, 0, cluster.reply(0, executed, { view }));
    receive(driver, 1, cluster.reply(1, executed));
    expect(driver.outcomes.size).toBe(0);
    receive(driver, 2, cluster.reply(2, executed));
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
  });

  it('views may differ', () => {
    const { cluster, driver, executed } = inFlight();
    for (const r of [0, 1, 2]) receive(driver, r, cluster.reply(r, executed, { view: 7 * r }));
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
  });

  it.each(['hashChainDigest', 'logRoot'] as const)(
    'entries that differ in %s do not count together',
    (field) => {
      const { cluster, driver, executed } = inFlight();
      const other = { ...executed, content: { ...executed.content, [field]: new Uint8Array(32) } };
      for (const r of [0, 1]) receive(driver, r, cluster.reply(r, executed));
      receive(driver, 2, cluster.reply(2, other));
      expect(refusals(driver)).toEqual([]);
      expect(driver.outcomes.size).toBe(0);
      receive(driver, 3, cluster.reply(3, executed));
      expect(driver.outcomes.get(1)?.type).toBe('accepted');
    },
  );

  it('entries that differ in R or in s do not count together', () => {
    const { cluster, driver, executed } = inFlight();
    const again = cluster.execute(executed.request, { others: 1 });
    for (const r of [0, 1]) receive(driver, r, cluster.reply(r, executed));
    receive(driver, 2, cluster.reply(2, again));
    const sameS = { ...again, content: { ...executed.content, repliesRoot: again.content.repliesRoot } };
    receive(driver, 3, cluster.reply(3, sameS));
    expect(refusals(driver)).toEqual([]);
    expect(driver.outcomes.size).toBe(0);
  });

  it('status and results must agree too', () => {
    const { cluster, driver, executed } = inFlight();
    const gap = cluster.execute(executed.request, { status: 'GAP' });
    const other = cluster.execute(executed.request, { results: [utf8('other')] });
    receive(driver, 0, cluster.reply(0, executed));
    receive(driver, 1, cluster.reply(1, gap));
    receive(driver, 2, cluster.reply(2, other));
    expect(refusals(driver)).toEqual([]);
    expect(driver.outcomes.size).toBe(0);
  });

  it('a hash counts as much as the results', () => {
    const { cluster, driver, executed } = inFlight();
    for (const r of [0, 1]) receive(driver, r, cluster.reply(r, executed, { hashOnly: true }));
    receive(driver, 2, cluster.reply(2, executed));
    expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted', result: utf8('op!') });
  });

  it('full results are not forgotten when their replica then sends the hash', () => {
    const { cluster, driver, executed } = inFlight();
    receive(driver, 0, cluster.reply(0, executed));
    for (const r of [0, 1, 2]) receive(driver, r, cluster.reply(r, executed, { hashOnly: true }));
    expect(driver.outcomes.get(1)?.type).toBe('accepted');
  });
});

describe('a reply is refused', () => {
  const cases = {
    NOT_AWAITED: (it: ReturnType<typeof inFlight>) => ({
      ...it.cluster.reply(0, it.executed),
      requestDigest: new Uint8Array(32),
    }),
    WRONG_SIGNER: (it: ReturnType<typeof inFlight>) => it.cluster.reply(1, it.executed),
    NOT_IN_REPLIES_ROOT: (it: ReturnType<typeof inFlight>) => ({
      ...it.cluster.reply(0, it.executed),
      status: 'GAP' as const,
    }),
    WRONG_RESULTS: (it: ReturnType<typeof inFlight>) => ({
      ...it.cluster.reply(0, it.executed),
      results: [utf8('forged')],
    }),
    BAD_SIGNATURE: (it: ReturnType<typeof inFlight>) => {
      const reply = it.cluster.reply(0, it.executed);
      return { ...reply, entry: { ...reply.entry, view: 9 } };
    },
  };
  it.each(Object.entries(cases))('%s', (reason, forge) => {
    const it = inFlight();
    receive(it.driver, 0, forge(it));
    expect(refusals(it.driver)).toEqual([reason]);
    // It must not have been counted: two good ones more are Q−1.
    for (const r of [1, 2]) receive(it.driver, r, it.cluster.reply(r, it.executed));
    expect(it.driver.outcomes.size).toBe(0);
  });

  it('if its signature is bad, though the same content was verified before', () => {
    const { cluster, driver, executed } = inFlight();
    const good = cluster.reply(0, executed);
    receive(driver, 0, good);
    receive(driver, 0, { ...good, entry: { ...good.entry, view: 9 } });
    receive(driver, 0, { ...good, entry: { ...good.entry, signature: new Uint8Array(64) } });
    expect(refusals(driver)).toEqual(['BAD_SIGNATURE', 'BAD_SIGNATURE']);
  });

  it('if its path, index or size is wrong', () => {
    const { cluster, driver, executed } = inFlight();
    const good = cluster.reply(0, executed);
    receive(driver, 0, { ...good, path: good.path.slice(1) });
    receive(driver, 0, { ...good, path: good.path.map(() => new Uint8Array(32)) });
    receive(driver, 0, { ...good, index: 0 });
    receive(driver, 0, { ...good, size: 1 });
    expect(refusals(driver)).toEqual(new Array(4).fill('NOT_IN_REPLIES_ROOT'));
  });

  it('if its s is not above the `seen` of the request', () => {
    const driver = opened();
    const { cluster } = driver;
    const before = driver.session.accepted!;
    submit(driver, 1, 'op');
    const executed = cluster.execute(lastRequest(driver));
    // All replicas lie alike: they sign the true reply as of the s that we have already accepted.
    const old = { ...executed, content: { ...executed.content, sequenceNumber: before.sequenceNumber } };
    for (const r of [0, 1, 2, 3]) receive(driver, r, cluster.reply(r, old));
    expect(refusals(driver)).toEqual(new Array(4).fill('NOT_AFTER_SEEN'));
    expect(driver.outcomes.has(1)).toBe(false);
  });

  it('if its results are larger than the cluster allows, or not as many as the operations', () => {
    const cluster = makeFakeCluster(4, { limits: { resultBytesMax: 100 } });
    const driver = opened(cluster);
    submit(driver, 1, 'op');
    const large = cluster.execute(lastRequest(driver), { results: [new Uint8Array(101)] });
    receive(driver, 0, cluster.reply(0, large));
    const two = cluster.execute(lastRequest(driver), { results: [utf8('a'), utf8('b')] });
    receive(driver, 0, cluster.reply(0, two));
    expect(refusals(driver)).toEqual(['RESULTS_TOO_LARGE', 'WRONG_RESULTS']);
  });

  it('if it is no message for clients, or nothing is awaited', () => {
    const driver = drive();
    receive(driver, 0, { type: 'fetch', number: 1, want: { type: 'head' } });
    receive(driver, 0, { type: 'busy', reference: new Uint8Array(32), retryAfterMs: 1 });
    receive(driver, 0, { type: 'fetched', number: 1, payload: { type: 'not-here' } });
    expect(refusals(driver)).toEqual(['NOT_FOR_CLIENTS', 'NOT_AWAITED', 'NOT_AWAITED']);
  });
});

describe('evidence', () => {
  it('two entries of one signer at one s are reported once, with both', () => {
    const { cluster, driver, executed } = inFlight();
    const other = { ...executed, content: { ...executed.content, logRoot: new Uint8Array(32) } };
    const third = { ...executed, content: { ...executed.content, logRoot: new Uint8Array(32).fill(1) } };
    receive(driver, 2, cluster.reply(2, executed));
    receive(driver, 2, cluster.reply(2, other));
    receive(driver, 2, cluster.reply(2, third));
    const evidence = eventsOf(driver, 'evidence');
    expect(evidence).toHaveLength(1);
    expect(evidence[0]).toMatchObject({ guilty: [2], forked: false });
    expect(
      driver.sends.filter(({ to, message }) => to === 'all' && message.type === 'evidence'),
    ).toHaveLength(1);
    expect(evidence[0]!.evidence).toEqual({
      type: 'entries',
      first: cluster.entry(2, executed.content),
      second: cluster.entry(2, other.content),
    });
  });

  it('an entry signed again in another view is none', () => {
    const { cluster, driver, executed } = inFlight();
    receive(driver, 2, cluster.reply(2, executed));
    receive(driver, 2, cluster.reply(2, executed, { view: 4 }));
    expect(eventsOf(driver, 'evidence')).toEqual([]);
  });
});

describe('receipts', () => {
  it('do not hold when anything in them is altered', () => {
    const driver = opened();
    const outcome = driver.outcomes.get(0);
    if (outcome?.type !== 'accepted') throw new Error('not accepted');
    const { context } = driver.cluster;
    const { receipt } = outcome;
    expect(rejectReceipt(context, receipt)).toBeUndefined();
    expect(rejectReceipt(context, { ...receipt, results: [utf8('x')] })).toBe('NOT_IN_REPLIES_ROOT');
    expect(rejectReceipt(context, { ...receipt, results: [] })).toBe('WRONG_RESULTS');
    expect(rejectReceipt(context, { ...receipt, index: 0 })).toBe('NOT_IN_REPLIES_ROOT');
    const votes = receipt.head.votes.slice(1);
    expect(rejectReceipt(context, { ...receipt, head: { ...receipt.head, votes } })).toBe('WRONG_VOTE_COUNT');
    expect(
      rejectReceipt(context, { ...receipt, head: { ...receipt.head, logRoot: new Uint8Array(32) } }),
    ).toBe('BAD_SIGNATURE');
    expect(resultsRootOf(context.crypto, receipt.results)).toHaveLength(32);
  });
});
