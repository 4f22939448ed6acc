/** Answers that are long, and answers without ordering (docs/protocol.md §3.9, §4). */

import { describe, expect, it } from 'vitest';
import type { Message, MessageOf } from '../../src/protocol/messages/index.ts';
import { keyOf, utf8 } from '../../src/types/bytes.ts';
import { type Client, makeClient, makeHand, told } from '../paper/clients.ts';
import { eventsOf, executedAt, type Group, isFrom, isTo, journalOf, makeGroup } from '../paper/group.ts';

/** What clients are sent, from now on; the filter given decides what arrives. */
function listen(
  group: Group,
  filter?: Group['filter'],
): { readonly from: number; readonly message: Message }[] {
  const sent: { from: number; message: Message }[] = [];
  group.filter = (packet) => {
    if (packet.to.kind === 'client' && packet.from.kind === 'replica') {
      sent.push({ from: packet.from.index, message: packet.message });
    }
    return filter?.(packet) ?? true;
  };
  return sent;
}

const repliesOf = (sent: readonly { readonly from: number; readonly message: Message }[]) =>
  sent.filter((it): it is { from: number; message: MessageOf<'reply'> } => it.message.type === 'reply');

describe('results of more than 1 KiB', () => {
  it('travel in full from one replica, which changes from batch to batch; the others send the hash', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    const designated: number[] = [];
    for (let i = 0; i < 4; i++) {
      const sent = listen(group);
      expect(told(client.call('large 5000'))).toHaveLength(5_000);
      group.settle();
      const full = repliesOf(sent).filter(({ message }) => message.results !== undefined);
      expect(full).toHaveLength(1);
      designated.push(full[0]!.from);
    }
    expect(designated.sort()).toEqual([0, 1, 2, 3]);
  });

  it('of up to 1 KiB come from all', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    for (const [bytes, full] of [
      [1_024, 4],
      [1_025, 1],
    ] as const) {
      const sent = listen(group);
      client.call(`large ${bytes}`);
      group.settle();
      expect(repliesOf(sent).filter(({ message }) => message.results !== undefined)).toHaveLength(full);
    }
  });

  it('that the designated replica withholds are asked of the others, one at a time', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    const asked: number[] = [];
    for (let i = 0; i < 4; i++) {
      group.filter = ({ to, message }) => {
        if (message.type === 'get-result' && to.kind === 'replica') asked.push(to.index);
        // Whoever is designated sends the hash, as the others do; asked for more, it says nothing.
        const isAnswer = message.type === 'reply' && message.results !== undefined && asked.length === 0;
        return isAnswer ? { ...message, results: undefined } : true;
      };
      asked.length = 0;
      const startedMs = group.nowMs;
      expect(told(client.call('large 5000'))).toHaveLength(5_000);
      expect(asked).toHaveLength(1);
      expect(group.nowMs - startedMs).toBeLessThan(100);
    }
    expect(client.events.some(({ type }) => type === 'repeated')).toBe(false);
  });

  it('that are not the ones Q replicas hashed are refused, and asked of another', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    // Replica 2 answers everything with other bytes, whenever it sends bytes at all.
    group.filter = (packet) => {
      const { message } = packet;
      if (message.type !== 'reply' || message.results === undefined || !isFrom(packet, 2)) return true;
      return { ...message, results: message.results.map((result) => result.map((byte) => byte ^ 1)) };
    };
    for (let i = 2; i < 6; i++) {
      const result = told(client.call('large 5000'));
      expect(result).toBe(String.fromCharCode(i).repeat(5_000));
    }
    const refusals = client.events.flatMap((event) => (event.type === 'refused' ? [event.reason] : []));
    expect(refusals).toContain('WRONG_RESULTS');
  });

  it('are given to their own client alone', () => {
    const group = makeGroup();
    const alice = makeHand(group, 'alice');
    const { session, seen } = alice.begin('n');
    const reply = alice.ask(alice.request(session, 1, ['large 5000'], seen));
    const mallory = makeHand(group, 'mallory');
    const message = { type: 'get-result', requestDigest: reply.requestDigest } as const;
    group.send({ kind: 'client', key: mallory.signer.publicKey }, 1, message);
    group.settle();
    expect(mallory.heard).toEqual([]);
    expect(eventsOf(group, 1, 'refused').at(-1)).toMatchObject({ reason: 'NO_SUCH_RESULT' });
  });
});

describe('reads', () => {
  const readOrdered = (client: Client) => client.events.filter(({ type }) => type === 'readOrdered').length;

  function prepared(): { readonly group: Group; readonly alice: Client; readonly bob: Client } {
    const group = makeGroup();
    const [alice, bob] = ['alice', 'bob'].map((name) => makeClient(group, name));
    alice!.call('a');
    bob!.call('b');
    group.settle();
    return { group, alice: alice!, bob: bob! };
  }

  it('are answered without a batch when Q replicas agree', () => {
    const { group, alice } = prepared();
    const before = executedAt(group, 0);
    const token = alice.read('journal');
    group.settle();
    expect(told(alice.outcomes.get(token))).toBe('a\nb');
    expect(executedAt(group, 0)).toBe(before);
    expect(readOrdered(alice)).toBe(0);
  });

  it('see what was acknowledged before them, by whomever: no answer is older than a completed write', () => {
    const { group, alice, bob } = prepared();
    for (let i = 0; i < 12; i++) {
      // One replica after the other is left behind, by everything but what clients say.
      const behind = i % 4;
      group.filter = (packet) =>
        packet.from.kind === 'client' || packet.to.kind === 'client' || !isTo(packet, behind);
      bob.call(`write ${i}`);
      const token = alice.read('journal');
      group.until(() => alice.outcomes.has(token));
      expect(told(alice.outcomes.get(token)).split('\n').at(-1)).toBe(`write ${i}`);
      group.filter = undefined;
      group.until(() => [0, 1, 2, 3].every((index) => executedAt(group, index) === executedAt(group, 0)));
    }
  });

  it('that meet different states ask once more at the highest s; who is behind answers when it gets there', () => {
    const { group, alice, bob } = prepared();
    const held: (() => void)[] = [];
    // Replica 2 has not heard of the last write’s commit yet, and replica 3 is silent: Q answers differ.
    group.members[3]!.silent = true;
    group.filter = (packet) => {
      const { message, from } = packet;
      if (!isTo(packet, 2) || from.kind !== 'replica' || message.type === 'read') return true;
      held.push(() => group.send(from, 2, message));
      return false;
    };
    const write = bob.submit('late');
    group.settle();
    // It is committed at 0 and 1 only if 2 votes, which needs what it was sent: let the votes through but not the last.
    group.filter = undefined;
    for (const release of held.splice(0)) release();
    group.filter = (packet) => {
      const { message, from } = packet;
      if (!isTo(packet, 2) || message.type !== 'commit' || from.kind !== 'replica') return true;
      held.push(() => group.send(from, 2, message));
      return false;
    };
    group.settle();
    expect([0, 1, 2].map((index) => executedAt(group, index))).toEqual([5, 5, 4]);
    const asked: MessageOf<'read'>[] = [];
    const inner = group.filter;
    group.filter = (packet) => {
      if (packet.message.type === 'read' && isTo(packet, 2)) asked.push(packet.message);
      return inner(packet);
    };
    const token = alice.read('journal');
    group.settle();
    expect(asked.map(({ at }) => at)).toEqual([undefined, 5]);
    expect(group.members[2]!.replica.heldReads).toHaveLength(1);
    expect(told(alice.outcomes.get(token))).toBe('nothing yet');
    group.filter = undefined;
    for (const release of held) release();
    group.settle();
    expect(told(alice.outcomes.get(token))).toBe('a\nb\nlate');
    expect(readOrdered(alice)).toBe(0);
    expect(bob.outcomes.has(write)).toBe(true);
  });

  it('with equal results of different states are not accepted', () => {
    const { group, alice, bob } = prepared();
    // Of three that answer, replica 2 gives the entry of the state before bob's write with the result of the state after it.
    group.members[3]!.silent = true;
    const probe = makeHand(group, 'probe');
    const seen = { sequenceNumber: 0, hashChainDigest: group.context.cluster.id };
    const read: Message = {
      type: 'read',
      nonce: new Uint8Array(32),
      operation: utf8('length'),
      seen,
      at: undefined,
      designated: 0,
    };
    group.send({ kind: 'client', key: probe.signer.publicKey }, 2, read);
    group.settle();
    const earlier = probe.heard.at(-1)!.message;
    if (earlier.type !== 'read-reply') throw new Error('replica 2 has not answered the read');
    bob.call('c');
    const sent = listen(group, (packet) => {
      const { message } = packet;
      return message.type === 'read-reply' && isFrom(packet, 2) ? { ...message, entry: earlier.entry } : true;
    });
    const token = alice.read('journal');
    group.settle();
    const answers = sent.flatMap(({ message }) => (message.type === 'read-reply' ? [message] : []));
    expect(new Set(answers.map(({ resultDigest }) => keyOf(resultDigest))).size).toBe(1);
    expect(told(alice.outcomes.get(token))).toBe('nothing yet');
    group.until(() => alice.outcomes.has(token));
    expect(alice.outcomes.get(token)?.type).toBe('accepted');
  });

  it('fall back to an ordered request when Q do not agree in time', () => {
    const { group, alice } = prepared();
    group.filter = (packet) => packet.message.type !== 'read-reply' || isFrom(packet, 0) || isFrom(packet, 1);
    const startedMs = group.nowMs;
    const token = alice.read('journal');
    group.until(() => alice.outcomes.has(token));
    expect(alice.outcomes.get(token)?.type).toBe('accepted');
    expect(readOrdered(alice)).toBe(1);
    expect(group.nowMs - startedMs).toBeGreaterThanOrEqual(200);
  });

  it('with a long result that the designated replica withholds get it from another, without a batch', () => {
    for (let i = 0; i < 4; i++) {
      const { group, alice, bob } = prepared();
      bob.call('x'.repeat(2_000));
      group.settle();
      const before = executedAt(group, 0);
      const asked: number[] = [];
      group.filter = ({ from, to, message }) => {
        if (message.type === 'read' && message.at !== undefined && to.kind === 'replica')
          asked.push(to.index);
        // The one designated at first and replica i are silent whenever they should send bytes.
        if (message.type !== 'read-reply' || message.result === undefined) return true;
        return asked.length > 0 && from.kind === 'replica' && from.index !== i;
      };
      const token = alice.read('journal');
      const startedMs = group.nowMs;
      group.until(() => alice.outcomes.has(token));
      expect(alice.outcomes.get(token)?.type).toBe('read');
      expect(told(alice.outcomes.get(token))).toHaveLength(2_004);
      expect(asked.length).toBeLessThanOrEqual(2);
      expect(group.nowMs - startedMs).toBeLessThan(60);
      expect(executedAt(group, 0)).toBe(before);
      expect(readOrdered(alice)).toBe(0);
    }
  });

  it('with f replicas lying about the result are right, and quick', () => {
    const { group, alice } = prepared();
    group.filter = (packet) => {
      const { message } = packet;
      if (message.type !== 'read-reply' || !isFrom(packet, 1)) return true;
      const result = utf8('lie');
      return { ...message, result, resultDigest: group.context.crypto.hash(result) };
    };
    const token = alice.read('journal');
    group.settle();
    expect(told(alice.outcomes.get(token))).toBe('a\nb');
  });

  it('at an s that is gone or absurd cost no memory and get no answer', () => {
    const { group, bob } = prepared();
    for (let i = 0; i < 40; i++) bob.call(`${i}`);
    const hand = makeHand(group, 'mallory');
    const nonce = new Uint8Array(32);
    const seen = { sequenceNumber: 0, hashChainDigest: group.context.cluster.id };
    const read = (at: number): Message => ({
      type: 'read',
      nonce,
      operation: nonce,
      seen,
      at,
      designated: 0,
    });
    for (const at of [1, 0]) group.send({ kind: 'client', key: hand.signer.publicKey }, 0, read(at));
    group.settle();
    expect(hand.heard).toEqual([]);
    expect(group.members[0]!.replica.heldReads).toEqual([]);
  });

  it('by a client whose `seen` is beyond the window are refused as STALE by a quorum, then healed by ordering', () => {
    const group = makeGroup({ limits: { chainWindow: 8 } });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    const reader = makeClient(group, 'alice', { seen: alice.session.accepted! });
    const bob = makeClient(group, 'bob');
    for (let i = 0; i < 20; i++) bob.call('b');
    const token = reader.read('journal');
    group.until(() => reader.outcomes.has(token));
    expect(reader.outcomes.get(token)?.type).toBe('accepted');
    expect(readOrdered(reader)).toBe(1);
    expect(journalOf(group, 0)).toHaveLength(22);
  });

  it('before anything was executed are ordered', () => {
    const group = makeGroup();
    const alice = makeClient(group, 'alice');
    const token = alice.read('journal');
    group.until(() => alice.outcomes.has(token));
    expect(alice.outcomes.get(token)?.type).toBe('accepted');
  });
});
