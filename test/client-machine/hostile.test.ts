/** What faulty replicas can do to a client: nothing may throw, grow without bound, or be accepted that no quorum has signed. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/codec/index.ts';
import { rejectHead } from '../../src/protocol/certificates.ts';
import { rejectReceipt } from '../../src/protocol/client/index.ts';
import { sameEntry } from '../../src/protocol/messages/entry.ts';
import { type Message, messageSchema } from '../../src/protocol/messages/index.ts';
import { type Reply, STATUSES } from '../../src/protocol/messages/reply.ts';
import { equalBytes, utf8 } from '../../src/types/bytes.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';
import {
  answer,
  type Driver,
  drive,
  lastRequest,
  lastSent,
  opened,
  read,
  receive,
  step,
  submit,
  wake,
} from './support.ts';

function mutated(message: Message, edits: readonly (readonly [number, number])[]): Message | undefined {
  const bytes = encode(messageSchema, message);
  for (const [at, value] of edits) bytes[at % bytes.length] = value;
  const decoded = decode(messageSchema, bytes);
  return decoded.ok ? decoded.value : undefined;
}

const edits = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 });

/** Every acceptance must prove itself, whatever was sent. */
function checkOutcomes(driver: Driver): void {
  for (const outcome of driver.outcomes.values()) {
    if (outcome.type === 'accepted') {
      expect(rejectReceipt(driver.cluster.context, outcome.receipt)).toBeUndefined();
    }
    if (outcome.type === 'read') expect(rejectHead(driver.cluster.context, outcome.head)).toBeUndefined();
  }
}

describe('mutated messages', () => {
  it('replies: never a throw, never an acceptance without the Q good ones', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), edits), { maxLength: 12 }), (attacks) => {
        const driver = opened();
        submit(driver, 1, 'op');
        const executed = driver.cluster.execute(lastRequest(driver));
        // Two good replies are Q−1; the others are broken in transit or by their senders.
        for (const r of [0, 1]) receive(driver, r, driver.cluster.reply(r, executed));
        for (const [from, list] of attacks) {
          const good = driver.cluster.reply(from, executed);
          const bad = mutated(good, list);
          if (bad === undefined) continue;
          // An edit that changes nothing that counts makes a good reply of it: not an attack.
          if (bad.type === 'reply' && from > 1 && isSound(bad, good)) continue;
          receive(driver, from, bad);
          expect(driver.outcomes.has(1)).toBe(false);
        }
        receive(driver, 2, driver.cluster.reply(2, executed));
        expect(driver.outcomes.get(1)).toMatchObject({ type: 'accepted', result: utf8('op!') });
        checkOutcomes(driver);
      }),
      { numRuns: 300 },
    );
  });

  it('anything at all, in any state: never a throw, and what is accepted proves itself', () => {
    let state = 7;
    const draw = (bound: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
    for (let run = 0; run < 100; run++) {
      const driver = drive();
      const fork = makeFakeCluster(4, { history: 'fork' });
      let token = 0;
      for (let i = 0; i < 60; i++) {
        const flight = driver.session.flight;
        switch (draw(9)) {
          case 0:
            submit(driver, token++, `op${i}`);
            break;
          case 1:
            read(driver, token++, `read${i}`);
            break;
          case 2:
            wake(driver);
            break;
          case 3:
            receive(driver, draw(40), messageSchema.generate(draw));
            break;
          case 4:
            if (flight?.type === 'request') {
              answer(driver, {
                status: STATUSES[draw(3) === 0 ? draw(7) : 0]!,
                replicas: [draw(4), draw(4), draw(4)],
              });
            }
            break;
          case 5: {
            // Now and then the head of another history, or one that nobody has signed.
            const from = draw(8) === 0 ? fork : driver.cluster;
            const content = from.idle(1);
            const votes = [0, 1, 2].map((r) => from.entry(draw(30) === 0 ? draw(4) : r, content));
            step(driver, { type: 'observe', token: token++, head: { ...content, votes } });
            break;
          }
          case 6:
            if (flight?.type === 'proof' && draw(2) === 0) {
              const { from, to } = { from: flight.own.sequenceNumber, to: flight.theirs.sequenceNumber };
              const size = driver.cluster.newest().sequenceNumber;
              if (from > to || to > size) break;
              const path = [...driver.cluster.proof(from, to)];
              const root = driver.cluster.rootAt(from);
              const good: Message = {
                type: 'fetched',
                number: flight.number,
                payload: { type: 'proof', from, to, root, path },
              };
              const bad = mutated(good, draw(2) === 0 ? [] : [[draw(200), draw(256)]]);
              if (bad !== undefined) receive(driver, draw(4), bad);
            } else {
              const what = [
                { type: 'head', token: token++ },
                { type: 'reach', quorum: draw(2) === 0 },
                { type: 'withdraw', token: draw(token) },
              ] as const;
              step(driver, what[draw(3)]!);
            }
            break;
          case 7:
            if (flight?.type === 'request') {
              const executed = driver.cluster.execute(flight.message.request);
              const bad = mutated(driver.cluster.reply(draw(4), executed), [[draw(500), draw(256)]]);
              if (bad !== undefined) receive(driver, draw(4), bad);
            }
            break;
          default:
            if (flight?.type === 'read') {
              const content = driver.cluster.idle(1);
              const good = driver.cluster.readReply(draw(4), lastSent(driver, 'read'), content, utf8('v'));
              const bad = mutated(good, draw(2) === 0 ? [] : [[draw(300), draw(256)]]);
              if (bad !== undefined) receive(driver, good.entry.replica, bad);
            }
        }
        checkOutcomes(driver);
      }
    }
  });
});

function isSound(a: Reply, b: Reply): boolean {
  return (
    equalBytes(a.requestDigest, b.requestDigest) &&
    a.status === b.status &&
    equalBytes(a.resultsRoot, b.resultsRoot) &&
    a.results?.length === b.results?.length &&
    (a.results === undefined || equalBytes(a.results[0]!, b.results![0]!)) &&
    a.index === b.index &&
    a.size === b.size &&
    sameEntry(a.entry, b.entry) &&
    a.entry.view === b.entry.view &&
    equalBytes(a.entry.signature, b.entry.signature)
  );
}

describe('memory', () => {
  it('a replica that never says the same twice fills only its own few places', () => {
    const driver = opened();
    submit(driver, 1, 'op');
    const request = lastRequest(driver);
    for (let i = 0; i < 200; i++) {
      const executed = driver.cluster.execute(request, { results: [utf8(`result ${i}`)] });
      receive(driver, 3, driver.cluster.reply(3, executed));
    }
    const { flight, entries } = driver.session;
    if (flight?.type !== 'request') throw new Error('nothing in flight');
    expect(flight.answers.byReplica.get(3)).toHaveLength(4);
    expect(entries.verified.get(3)!.length).toBeLessThanOrEqual(8);
  });

  it('senders that are no replicas fill nothing', () => {
    const driver = opened();
    submit(driver, 1, 'op');
    const executed = driver.cluster.execute(lastRequest(driver));
    for (let from = 4; from < 200; from++) {
      const reply = driver.cluster.reply(0, executed);
      receive(driver, from, { ...reply, entry: { ...reply.entry, replica: from } });
    }
    const { flight, entries } = driver.session;
    if (flight?.type !== 'request') throw new Error('nothing in flight');
    expect(flight.answers.byReplica.size).toBe(0);
    expect(Math.max(...entries.verified.keys())).toBeLessThan(4);
  });

  it('one entry is verified once for all sessions that share a cache', () => {
    const cluster = makeFakeCluster();
    let verified = 0;
    const counting = {
      ...cluster.context,
      crypto: {
        hash: cluster.context.crypto.hash,
        verify: (...args: Parameters<typeof cluster.context.crypto.verify>) => {
          verified++;
          return cluster.context.crypto.verify(...args);
        },
      },
    };
    const first = drive(cluster, { context: counting });
    submit(first, 1, 'a');
    const second = drive(cluster, { context: counting, entries: first.session.entries });
    submit(second, 1, 'a');
    expect(lastRequest(second)).toEqual(lastRequest(first)); // Both draw the same nonce here.
    const executed = cluster.execute(lastRequest(first));
    for (const driver of [first, second]) {
      for (const r of [0, 1, 2, 3]) receive(driver, r, cluster.reply(r, executed));
    }
    expect(verified).toBe(3);
  });
});
