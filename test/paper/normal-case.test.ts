/** PBFT §4.1–§4.3 and §4.6: what ordering relies on while views do not change. */

import { describe, expect, it } from 'vitest';
import { rejectPreparedCertificate } from '../../src/protocol/certificates.ts';
import { type Batch, batchDigest } from '../../src/protocol/messages/batch.ts';
import type { PreparedCertificate } from '../../src/protocol/messages/certificates.ts';
import type { Message } from '../../src/protocol/messages/index.ts';
import { headerStatement, prepareStatement } from '../../src/protocol/messages/ordering.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { equalBytes, keyOf } from '../../src/types/bytes.ts';
import { makeClient, makeHand, told } from './clients.ts';
import {
  contextOf,
  eventsOf,
  executedAt,
  type Group,
  isFrom,
  isTo,
  journalOf,
  makeGroup,
  replicaSigner,
  WALL_MS,
} from './group.ts';

/** PRE-PREPARE for the same requests at another time, as its primary could have signed it. */
function otherProposal(group: Group, message: Message, primary: number): Message {
  if (message.type !== 'pre-prepare' || message.batch === undefined) return message;
  const { cluster, crypto } = group.context;
  const batch: Batch = { ...message.batch, timeMs: message.batch.timeMs + 1 };
  const unsigned = { ...message.header, batchDigest: batchDigest(cluster, crypto, batch) };
  const signature = replicaSigner(primary).sign(headerStatement(cluster, unsigned));
  return { type: 'pre-prepare', header: { ...unsigned, signature }, batch };
}

function preparedOf(group: Group): readonly PreparedCertificate[] {
  return group.members.flatMap(({ records }) =>
    records.flatMap((record) => (record.type === 'prepared' ? [record.certificate] : [])),
  );
}

describe('PBFT §4.1, the client', () => {
  it('§4.1: timestamps make each request execute once; a repeat gets the stored reply again', () => {
    const group = makeGroup();
    const hand = makeHand(group, 'alice');
    const { session, seen } = hand.begin('n');
    const request = hand.request(session, 1, ['a'], seen);
    const first = hand.ask(request);
    const executed = executedAt(group, 0);
    for (let again = 0; again < 5; again++) hand.send(request);
    group.pass(500);
    expect(journalOf(group, 0)).toEqual(['a']);
    expect(executedAt(group, 0)).toBe(executed);
    const answers = hand.heard.filter(({ message }) => message.type === 'reply' && message.status === 'OK');
    // The OPEN's four, the request's four, and four for each of five repeats, byte for byte the same content.
    expect(answers).toHaveLength(4 + 4 + 20);
    for (const reply of hand.replies(request)) {
      expect({ ...reply, entry: reply.entry.logRoot }).toEqual({ ...first, entry: first.entry.logRoot });
    }
  });

  it('§4.1: a faulty primary that orders one request in two batches has it executed in the first alone', () => {
    const group = makeGroup();
    const hand = makeHand(group, 'alice');
    const { session, seen } = hand.begin('n');
    const request = hand.request(session, 1, ['a'], seen);
    const { cluster, crypto } = group.context;
    for (const sequenceNumber of [2, 3]) {
      const batch = { timeMs: WALL_MS + sequenceNumber, requests: [request] };
      const unsigned = { view: 0, sequenceNumber, batchDigest: batchDigest(cluster, crypto, batch) };
      const header = { ...unsigned, signature: replicaSigner(0).sign(headerStatement(cluster, unsigned)) };
      for (const to of [1, 2, 3]) {
        group.send({ kind: 'replica', index: 0 }, to, { type: 'pre-prepare', header, batch });
      }
    }
    group.until(() => [1, 2, 3].every((index) => executedAt(group, index) >= 3), 30_000);
    expect(journalOf(group, 1)).toEqual(['a']);
    expect(eventsOf(group, 1, 'executed').map(({ requests }) => requests)).toEqual([1, 1, 0]);
  });
});

describe('PBFT §4.2, the normal case', () => {
  it('§4.2: two certificates prepared in one view for one s have the same digest, whoever got which proposal', () => {
    for (let split = 0; split < 8; split++) {
      const group = makeGroup();
      group.filter = (packet) => {
        if (!isFrom(packet, 0) || packet.message.type !== 'pre-prepare') return true;
        for (const backup of [1, 2, 3]) {
          if (isTo(packet, backup) && (split >> (backup - 1)) & 1) {
            return otherProposal(group, packet.message, 0);
          }
        }
        return true;
      };
      makeClient(group, 'alice').submit('a');
      group.pass(4_000);
      const digests = new Map<string, Uint8Array>();
      for (const { header } of preparedOf(group)) {
        const place = `${header.view} ${header.sequenceNumber}`;
        const known = digests.get(place);
        if (known === undefined) digests.set(place, header.batchDigest);
        else expect(equalBytes(known, header.batchDigest)).toBe(true);
      }
      expect(digests.size).toBeGreaterThan(0);
    }
  });

  it('§4.2: a backup takes no second digest for one (v, s), and keeps both as evidence against the primary', () => {
    const group = makeGroup();
    group.filter = (packet) => {
      if (packet.message.type === 'pre-prepare' && isFrom(packet, 0) && isTo(packet, 1)) {
        group.send({ kind: 'replica', index: 0 }, 1, otherProposal(group, packet.message, 0));
        group.filter = undefined;
      }
      return true;
    };
    makeClient(group, 'alice').submit('a');
    group.settle();
    const accepted = group.members[1]!.records.filter(
      (record) =>
        record.type === 'accepted' && record.header.view === 0 && record.header.sequenceNumber === 1,
    );
    expect(accepted).toHaveLength(1);
    expect(eventsOf(group, 1, 'evidence')).toMatchObject([{ guilty: [0], evidence: { type: 'headers' } }]);
  });

  it('§4.2: prepared takes the primary’s header and 2f matching PREPAREs of different backups', () => {
    const context = contextOf();
    const { cluster, crypto } = context;
    const batch = { timeMs: 5, requests: [] };
    const fields = { view: 0, sequenceNumber: 1, batchDigest: batchDigest(cluster, crypto, batch) };
    const header = { ...fields, signature: replicaSigner(0).sign(headerStatement(cluster, fields)) };
    const prepare = (replica: number) => ({
      replica,
      signature: replicaSigner(replica).sign(prepareStatement(cluster, fields)),
    });
    const judge = (...prepares: ReturnType<typeof prepare>[]) =>
      rejectPreparedCertificate(context, { header, prepares });
    expect(judge(prepare(1), prepare(2))).toBeUndefined();
    expect(judge(prepare(2), prepare(3))).toBeUndefined();
    expect(judge(prepare(1))).toBe('WRONG_VOTE_COUNT');
    expect(judge(prepare(1), prepare(1))).toBe('SIGNERS_NOT_ASCENDING');
    expect(judge(prepare(0), prepare(1))).toBe('PRIMARY_AMONG_BACKUPS');
    expect(judge(prepare(1), { ...prepare(2), replica: 3 })).toBe('BAD_SIGNATURE');
  });

  it('§4.2: committed at one correct replica means prepared at f+1 correct ones; here: at a quorum', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = makeRandom(seed);
      const group = makeGroup();
      group.filter = ({ from, to }) => from.kind === 'client' || to.kind === 'client' || !random.chance(1, 4);
      const client = makeClient(group, 'alice');
      for (let i = 0; i < 5; i++) client.submit(`${i}`);
      group.pass(300);
      for (let index = 0; index < 4; index++) {
        for (const { sequenceNumber } of eventsOf(group, index, 'committed')) {
          const holders = group.members.filter(({ records }) =>
            records.some(
              (record) => record.type === 'prepared' && record.vote.sequenceNumber === sequenceNumber,
            ),
          );
          expect(holders.length).toBeGreaterThanOrEqual(3);
        }
      }
    }
  });

  it('§4.2: requests execute in the order of s at every replica, whatever the order in which they commit', () => {
    const group = makeGroup({ limits: { pipelineWindow: 4 }, local: { batchDelayMs: 0 } });
    const clients = ['a', 'b', 'c', 'd'].map((name) => makeClient(group, name));
    for (const client of clients) client.call('0');
    const held: (() => void)[] = [];
    // What replica 3 hears of one s comes after what it hears of the next.
    group.filter = (packet) => {
      const { message, from } = packet;
      if (!isTo(packet, 3) || (message.type !== 'prepare' && message.type !== 'commit')) return true;
      if (held.length > 200 || message.sequenceNumber % 2 === 0) return true;
      held.push(() => group.send(from, 3, message));
      return false;
    };
    for (const client of clients) client.submit('1');
    group.settle();
    group.filter = undefined;
    for (const release of held) release();
    group.pass(1_000);
    expect(journalOf(group, 3)).toEqual(journalOf(group, 0));
    expect(journalOf(group, 3)).toHaveLength(8);
    const order = eventsOf(group, 3, 'executed').map(({ entry }) => entry.sequenceNumber);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });
});

describe('PBFT §4.3, garbage collection', () => {
  const limits = { pipelineWindow: 2, checkpointInterval: 4, watermarkWindow: 8 };

  it('§4.3: 2f+1 equal CHECKPOINTs are stable, 2f are not; then the log below may go', () => {
    const group = makeGroup({ limits });
    // Replica 1 hears of two checkpoints, its own among them; the others of all.
    group.filter = (packet) => packet.message.type !== 'checkpoint' || !isTo(packet, 1) || isFrom(packet, 0);
    const client = makeClient(group, 'alice');
    for (let i = 0; i < 7; i++) client.call(`${i}`);
    group.settle();
    expect(executedAt(group, 1)).toBe(8);
    expect(group.members.map(({ replica }) => replica.stable)).toEqual([8, 0, 8, 8]);
    expect(Math.min(...group.members[0]!.replica.slots.keys())).toBeGreaterThan(4);
    expect(group.members[1]!.replica.slots.has(1)).toBe(true);
    group.filter = undefined;
    group.pass(2_000);
    expect(group.members[1]!.replica.stable).toBe(8);
  });

  it('§4.3: nothing is ordered above the high watermark until a checkpoint is stable', () => {
    const group = makeGroup({ limits });
    group.filter = ({ message }) => message.type !== 'checkpoint';
    const client = makeClient(group, 'alice');
    for (let i = 0; i < 7; i++) client.call(`${i}`);
    const token = client.submit('7');
    group.pass(800);
    expect(group.members.map((_, index) => executedAt(group, index))).toEqual([8, 8, 8, 8]);
    expect(told(client.outcomes.get(token))).toBe('nothing yet');
    group.filter = undefined;
    group.until(() => client.outcomes.has(token));
    expect(told(client.outcomes.get(token))).toBe('8');
  });

  it('§4.3: a proposal outside the watermarks is refused, below and above', () => {
    const group = makeGroup({ limits: { ...limits, pipelineWindow: 16 } });
    const client = makeClient(group, 'alice');
    for (let i = 0; i < 7; i++) client.call(`${i}`);
    group.settle();
    const { cluster, crypto } = group.context;
    const refusals = [8, 17, 9].map((sequenceNumber) => {
      const batch = { timeMs: WALL_MS, requests: [] };
      const unsigned = { view: 0, sequenceNumber, batchDigest: batchDigest(cluster, crypto, batch) };
      const header = { ...unsigned, signature: replicaSigner(0).sign(headerStatement(cluster, unsigned)) };
      const before = eventsOf(group, 2, 'refused').length;
      group.send({ kind: 'replica', index: 0 }, 2, { type: 'pre-prepare', header, batch });
      group.settle();
      return eventsOf(group, 2, 'refused')
        .slice(before)
        .map(({ reason }) => reason)
        .join();
    });
    expect(refusals).toEqual(['BELOW_WATERMARK', 'ABOVE_WATERMARK', '']);
  });

  it('§4.3: all correct replicas reach the same state digest at a checkpoint', () => {
    const group = makeGroup({ limits });
    const client = makeClient(group, 'alice');
    for (let i = 0; i < 12; i++) client.call(`${i}`);
    const digests = group.members.map((_, index) =>
      eventsOf(group, index, 'checkpointed').map(({ stateDigest }) => keyOf(stateDigest)),
    );
    expect(digests[0]).toHaveLength(3);
    expect(new Set(digests[0]).size).toBe(3);
    for (const other of digests) expect(other).toEqual(digests[0]);
  });
});

describe('PBFT §4.6, non-determinism', () => {
  it('§4.6: the primary chooses the time, all execute with it, and it never goes back', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      group.pass(10 * (5 - i));
      times.push(Number(told(client.call('time'))));
    }
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(WALL_MS);
    expect(new Set(group.members.map(({ replica }) => replica.ledger.timeMs)).size).toBe(1);
  });

  it('§4.6: a backup checks that choice against its own clock: too far ahead waits, far behind is not taken', () => {
    for (const [offsetMs, isTaken] of [
      [1_999, true],
      [2_500, false],
      [-59_000, true],
      [-61_000, false],
    ] as const) {
      const group = makeGroup();
      const { cluster, crypto } = group.context;
      const batch = { timeMs: WALL_MS + offsetMs, requests: [] };
      const unsigned = { view: 0, sequenceNumber: 1, batchDigest: batchDigest(cluster, crypto, batch) };
      const header = { ...unsigned, signature: replicaSigner(0).sign(headerStatement(cluster, unsigned)) };
      group.send({ kind: 'replica', index: 0 }, 1, { type: 'pre-prepare', header, batch });
      group.settle();
      expect({ offsetMs, taken: eventsOf(group, 1, 'accepted').length === 1 }).toEqual({
        offsetMs,
        taken: isTaken,
      });
      // Held, not refused: it is taken once our clock has come near enough. What is too old stays so.
      group.pass(1_500);
      expect(eventsOf(group, 1, 'accepted').length === 1).toBe(isTaken || offsetMs > 0);
    }
  });
});
