/** PBFT §4.4 and §4.5.2: what survives the change from one view to the next, and what can bring one about. */

import { describe, expect, it } from 'vitest';
import { batchDigest, NULL_BATCH } from '../../src/protocol/messages/batch.ts';
import type { Message, MessageOf } from '../../src/protocol/messages/index.ts';
import { headerStatement } from '../../src/protocol/messages/ordering.ts';
import {
  type NewView,
  newViewStatement,
  suspectStatement,
  viewChangeStatement,
} from '../../src/protocol/messages/view-change.ts';
import { rejectNewView } from '../../src/protocol/view-change-rules.ts';
import { equalBytes } from '../../src/types/bytes.ts';
import { makeClient, told } from './clients.ts';
import { eventsOf, executedAt, type Group, journalOf, makeGroup, replicaSigner } from './group.ts';

/** The NEW-VIEW that a member has entered last. */
function newViewOf(group: Group, index: number): NewView {
  const { newView } = group.members[index]!.replica;
  if (newView === undefined) throw new Error(`replica ${index} has entered no view yet`);
  return newView;
}

/** Signs a NEW-VIEW again after it was changed. */
function signed(group: Group, newView: NewView): NewView {
  const { cluster, crypto } = group.context;
  const signature = replicaSigner(newView.view % group.members.length).sign(
    newViewStatement(cluster, crypto, newView),
  );
  return { ...newView, signature };
}

/** A group that has entered view 1 with one batch that was prepared, but not committed, in view 0. */
function carriedOver(): { readonly group: Group; readonly token: number; readonly prepared: Uint8Array } {
  const group = makeGroup();
  const client = makeClient(group, 'alice');
  client.call('a');
  const last = executedAt(group, 0);
  group.filter = ({ message }) => message.type !== 'commit';
  const token = client.submit('b');
  group.settle();
  const prepared = group.members[1]!.replica.slots.get(last + 1)!.prepared!.header.batchDigest;
  expect(executedAt(group, 1)).toBe(last);
  group.members[0]!.silent = true;
  group.filter = ({ message }) => message.type !== 'commit' || message.view > 0;
  group.until(() => client.outcomes.has(token));
  return { group, token, prepared };
}

describe('PBFT §4.4, view changes', () => {
  it('§4.4: what was prepared at a quorum is proposed again in the new view, with the same digest', () => {
    const { group, prepared } = carriedOver();
    const newView = newViewOf(group, 2);
    expect(newView.headers.map(({ batchDigest: digest }) => digest)).toEqual([prepared]);
    expect(newView.viewChanges).toHaveLength(3);
    for (const index of [1, 2, 3]) expect(journalOf(group, index)).toEqual(['a', 'b']);
    expect(eventsOf(group, 1, 'committed').at(-1)).toMatchObject({ view: 1 });
  });

  it('§4.4: null requests fill the gaps below what was prepared, and execute as nothing', () => {
    const group = makeGroup({ local: { batchDelayMs: 0 } });
    const [alice, bob] = ['alice', 'bob'].map((name) => makeClient(group, name));
    alice!.call('a');
    bob!.call('b');
    const gap = executedAt(group, 0) + 1;
    // Nobody is told of the first of two proposals; the second one is prepared everywhere.
    group.filter = ({ message }) => {
      if (message.type === 'pre-prepare') return message.header.sequenceNumber !== gap;
      return message.type !== 'commit' && message.type !== 'status' && message.type !== 'relay';
    };
    // Only the primary hears of alice's request, so that the view it gets lost in is all it had.
    alice!.reaches = [0];
    const lost = alice!.submit('lost');
    group.settle();
    const token = bob!.submit('c');
    group.pass(10);
    expect(group.members[1]!.replica.slots.get(gap)?.header).toBeUndefined();
    expect(group.members[1]!.replica.slots.get(gap + 1)?.prepared).toBeDefined();
    group.members[0]!.silent = true;
    group.filter = undefined;
    group.until(() => bob!.outcomes.has(token));
    const { cluster, crypto } = group.context;
    const [first, second] = newViewOf(group, 1).headers;
    expect(first).toMatchObject({
      sequenceNumber: gap,
      batchDigest: batchDigest(cluster, crypto, NULL_BATCH),
    });
    expect(second).toMatchObject({ sequenceNumber: gap + 1 });
    expect(journalOf(group, 1)).toEqual(['a', 'b', 'c']);
    expect(eventsOf(group, 1, 'executed').find(({ entry }) => entry.sequenceNumber === gap)).toMatchObject({
      requests: 0,
    });
    expect(told(alice!.outcomes.get(lost))).toBe('nothing yet');
    // The client, who repeats it to all, loses nothing.
    alice!.reaches = undefined;
    group.until(() => alice!.outcomes.has(lost));
    expect(told(alice!.outcomes.get(lost))).toBe('4');
  });

  it('§4.4: of two digests prepared at one s, the one of the higher view is taken', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    // Prepared in view 0 at replica 3 alone: only it hears the PREPAREs; no commit votes reach anyone.
    group.filter = ({ to, message }) => {
      if (message.type === 'commit') return message.view >= 2;
      if (message.type === 'prepare' && message.view === 0) return to.kind === 'replica' && to.index === 3;
      // The view change to 1 counts replicas 0, 1 and 2, who have prepared nothing.
      if (message.type === 'view-change' && message.viewChange.view === 1) {
        return message.viewChange.replica !== 3;
      }
      return true;
    };
    client.submit('a');
    group.settle();
    const slotOf = (index: number) => group.members[index]!.replica.slots.get(1);
    expect([0, 1, 2, 3].map((index) => slotOf(index)?.prepared?.header.view)).toEqual([
      undefined,
      undefined,
      undefined,
      0,
    ]);
    const before = slotOf(3)!.prepared!.header.batchDigest;
    group.until(() => [0, 1, 2].every((index) => slotOf(index)?.prepared?.header.view === 1));
    const after = slotOf(0)!.prepared!.header.batchDigest;
    expect(equalBytes(before, after)).toBe(false);
    group.until(() => [0, 1, 2, 3].every((index) => executedAt(group, index) >= 1));
    for (let index = 0; index < 4; index++) {
      expect(group.members[index]!.replica.log.get(1)?.batchDigest).toEqual(after);
    }
  });

  it('§4.4: a NEW-VIEW is refused that drops, adds or changes one of O, or counts too few or others’ VIEW-CHANGEs', () => {
    const { group } = carriedOver();
    const { context } = group;
    const newView = newViewOf(group, 2);
    expect(rejectNewView(context, newView)).toBeUndefined();
    const [header] = newView.headers;
    const headerOf = (fields: Partial<MessageOf<'pre-prepare'>['header']>) => {
      const unsigned = { ...header!, ...fields };
      return { ...unsigned, signature: replicaSigner(1).sign(headerStatement(context.cluster, unsigned)) };
    };
    const nothing = batchDigest(context.cluster, context.crypto, NULL_BATCH);
    const judge = (changes: Partial<NewView>) =>
      rejectNewView(context, signed(group, { ...newView, ...changes }));
    expect(judge({ headers: [] })).toBe('WRONG_O');
    expect(judge({ headers: [headerOf({ batchDigest: nothing })] })).toBe('WRONG_O');
    expect(judge({ headers: [header!, headerOf({ sequenceNumber: header!.sequenceNumber + 1 })] })).toBe(
      'WRONG_O',
    );
    expect(judge({ viewChanges: newView.viewChanges.slice(0, 2) })).toBe('WRONG_VIEW_CHANGE_COUNT');
    const [a, b] = newView.viewChanges;
    expect(judge({ viewChanges: [a!, b!, b!] })).toBe('SIGNERS_NOT_ASCENDING');
    // A VIEW-CHANGE from which the primary has struck the prepared certificate.
    const struck = newView.viewChanges.map((each) => ({ ...each, prepared: [] }));
    expect(judge({ viewChanges: struck, headers: [] })).toBe('BAD_SIGNATURE');
    // Certificates that are not there, or not whole.
    expect(judge({ proofs: { ...newView.proofs, prepared: [] } })).toBe('PREPARED_NOT_PROVED');
    const cut = newView.proofs.prepared.map((it) => ({ ...it, prepares: it.prepares.slice(1) }));
    expect(judge({ proofs: { ...newView.proofs, prepared: cut } })).toBe('WRONG_VOTE_COUNT');
    expect(rejectNewView(context, { ...newView, signature: header!.signature })).toBe('BAD_SIGNATURE');
  });

  it('§4.4: a primary that leaves out of O what was prepared leads nobody; the next one does', () => {
    const group = makeGroup({ replicas: 7 });
    const client = makeClient(group, 'alice');
    client.call('a');
    group.filter = ({ message }) => message.type !== 'commit';
    const token = client.submit('b');
    group.settle();
    group.members[0]!.silent = true;
    group.filter = ({ message }) => {
      if (message.type === 'commit') return message.view > 0;
      // Its own copy is the true one, but it gives that to nobody.
      if (message.type === 'fetched' && message.payload.type === 'new-view') {
        return message.payload.newView.view !== 1;
      }
      if (message.type !== 'new-view' || message.view !== 1) return true;
      return { type: 'new-view', ...signed(group, { ...message, headers: [] }) };
    };
    group.until(() => client.outcomes.has(token));
    const refusals = eventsOf(group, 3, 'refused').filter(({ message }) => message === 'new-view');
    expect(refusals.map(({ reason }) => reason)).toContain('WRONG_O');
    expect(eventsOf(group, 3, 'viewEntered').map(({ view }) => view)).toEqual([2]);
    for (let index = 1; index < 7; index++) expect(journalOf(group, index)).toEqual(['a', 'b']);
  });
});

describe('PBFT §4.5.2, liveness', () => {
  const suspicion = (group: Group, replica: number, view: number): Message => {
    const signature = replicaSigner(replica).sign(suspectStatement(group.context.cluster, { view }));
    return { type: 'suspect', view, replica, signature };
  };

  it('§4.5.2: f faulty replicas alone force no view change, however often they ask for one', () => {
    const group = makeGroup();
    const client = makeClient(group, 'alice');
    client.call('a');
    const { cluster, crypto } = group.context;
    for (const view of [0, 1, 5, 1_000]) {
      const base = { kind: 'genesis' as const, view: 0, sequenceNumber: 0, hashChainDigest: cluster.id };
      const fields = { view: view + 1, base, prepared: [], replica: 3 };
      const signature = replicaSigner(3).sign(viewChangeStatement(cluster, crypto, fields));
      for (const to of [0, 1, 2]) {
        group.send({ kind: 'replica', index: 3 }, to, suspicion(group, 3, view));
        group.send({ kind: 'replica', index: 3 }, to, {
          type: 'view-change',
          viewChange: { ...fields, signature },
          proofs: { commits: [], checkpoints: [], prepared: [] },
          suspects: [],
        });
      }
      group.pass(3_000);
    }
    expect([0, 1, 2].map((index) => group.members[index]!.replica.view)).toEqual([0, 0, 0]);
    expect(told(client.call('b'))).toBe('2');
  });

  it('§4.5.2: f+1 replicas that ask for another view are joined by the rest', () => {
    const group = makeGroup();
    makeClient(group, 'alice').call('a');
    for (const from of [2, 3]) {
      for (const to of [0, 1]) group.send({ kind: 'replica', index: from }, to, suspicion(group, from, 0));
    }
    group.settle();
    expect(eventsOf(group, 0, 'suspected')).toMatchObject([{ view: 0, reason: 'others suspect it too' }]);
    expect([0, 1].map((index) => group.members[index]!.replica.view)).toEqual([1, 1]);
  });

  it('§4.5.2: the time a view is given doubles with each view that fails, up to its limit', () => {
    const group = makeGroup({ local: { requestTimeoutMs: 1_000, requestTimeoutMaxMs: 8_000 } });
    const client = makeClient(group, 'alice');
    client.call('a');
    // No view ever opens.
    group.filter = ({ message }) => message.type !== 'new-view' && message.type !== 'pre-prepare';
    client.submit('b');
    const enough = () => eventsOf(group, 3, 'viewLeft').length === 5;
    const timeouts: number[] = [];
    while (!enough()) {
      const seen = eventsOf(group, 3, 'viewLeft').length;
      group.until(() => eventsOf(group, 3, 'viewLeft').length > seen);
      timeouts.push(group.members[3]!.replica.timeoutMs);
    }
    expect(timeouts).toEqual([2_000, 4_000, 8_000, 8_000, 8_000]);
  });
});
