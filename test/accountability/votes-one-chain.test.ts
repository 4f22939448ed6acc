/**
 * docs/protocol.md §3.6: a correct replica's votes of one view form one chain, even when more than f faulty replicas show it certificates
 * of another. Else two certificates of one view could both hold its vote, and evidence of the fork would name it.
 */

import { expect, it } from 'vitest';
import { chainOf } from '../../src/protocol/hash-chain.ts';
import { type Batch, batchDigest } from '../../src/protocol/messages/batch.ts';
import { checkpointStatement } from '../../src/protocol/messages/checkpoint.ts';
import { commitStatement, headerStatement, prepareStatement } from '../../src/protocol/messages/ordering.ts';
import {
  eventsOf,
  type Group,
  type GroupOptions,
  makeGroup,
  replicaSigner,
  WALL_MS,
} from '../paper/group.ts';

/** Replica 2 is correct; everything that it hears is ours to say. */
function alone(options: GroupOptions = {}): Group {
  const group = makeGroup(options);
  for (const index of [0, 1, 3]) group.members[index]!.silent = true;
  group.filter = () => true;
  return group;
}

const batch = (name: number): Batch => ({ timeMs: WALL_MS + name, requests: [] });

/** What replicas 0, 1 and 3 say in view 0. They are silent, so their words go straight in. */
function faulty(group: Group) {
  const { cluster, crypto } = group.context;
  const hear = (index: number, message: Parameters<Group['send']>[2]) => {
    group.members[index]!.silent = false;
    group.send({ kind: 'replica', index }, 2, message);
    const others = group.filter;
    group.filter = ({ to }) => to.kind === 'replica' && to.index === 2;
    group.settle();
    group.filter = others;
    group.members[index]!.silent = true;
  };
  const digest = (name: number) => batchDigest(cluster, crypto, batch(name));
  return {
    digest,
    /** Prepared at replica 2: the header and one PREPARE beside its own. */
    prepare(s: number, name: number) {
      const fields = { view: 0, sequenceNumber: s, batchDigest: digest(name) };
      const header = { ...fields, signature: replicaSigner(0).sign(headerStatement(cluster, fields)) };
      hear(0, { type: 'pre-prepare', header, batch: batch(name) });
      const signature = replicaSigner(1).sign(prepareStatement(cluster, fields));
      hear(1, { type: 'prepare', ...fields, replica: 1, signature });
    },
    /** Three votes in view 0 for the history of these batches, and the links. */
    commit(names: readonly number[]) {
      const links = names.map(digest);
      const hashChainDigest = chainOf(crypto, cluster.id, links).at(-1)!;
      const fields = { view: 0, sequenceNumber: names.length, hashChainDigest };
      const votes = [0, 1, 3].map((replica) => ({
        replica,
        signature: replicaSigner(replica).sign(commitStatement(cluster, fields)),
      }));
      for (const vote of votes) hear(vote.replica, { type: 'commit', ...fields, ...vote });
      const { wanted } = group.members[2]!.replica;
      const asked = [...wanted.values()].find(({ want }) => want.type === 'links');
      if (asked?.number === undefined || asked.want.type !== 'links') return;
      const { after } = asked.want;
      const certificate = { ...fields, votes };
      const payload = { type: 'links', after, links: links.slice(after), certificate } as const;
      hear(asked.peer!, { type: 'fetched', number: asked.number, payload });
    },
    /** Gives replica 2 the bodies that it asks for, so that it executes them. */
    give(names: readonly number[]) {
      const { wanted } = group.members[2]!.replica;
      const asked = [...wanted.values()].find(({ want }) => want.type === 'bodies');
      if (asked?.number === undefined) throw new Error('replica 2 has asked for no bodies');
      const payload = { type: 'bodies', batches: names.map(batch) } as const;
      hear(asked.peer!, { type: 'fetched', number: asked.number, payload });
    },
    /** All say what replica 2 says: its newest checkpoint is stable. */
    stabilise() {
      const own = group.members[2]!.replica.ownCheckpoint!;
      for (const replica of [0, 1, 3]) {
        const signature = replicaSigner(replica).sign(checkpointStatement(cluster, own));
        hear(replica, { type: 'checkpoint', ...own, replica, signature });
      }
    },
    /** Replica 2 starts anew, and hears from the others that they are there. */
    restart() {
      group.restart(2);
      for (const index of [0, 1, 3]) group.members[index]!.silent = false;
      group.filter = ({ message }) => message.type === 'status';
      group.pass(2_000);
      for (const index of [0, 1, 3]) group.members[index]!.silent = true;
      group.filter = () => true;
    },
  };
}

const votesOf = (group: Group) => eventsOf(group, 2, 'voted').map(({ sequenceNumber }) => sequenceNumber);

it('in peace it votes for one after another', () => {
  const group = alone();
  const others = faulty(group);
  others.prepare(1, 1);
  others.prepare(2, 2);
  others.commit([1, 2]);
  others.prepare(3, 3);
  expect(group.members[2]!.replica.committed).toBe(2);
  expect(votesOf(group)).toEqual([1, 2, 3]);
});

it('having voted for 1 and been shown another 1 and 2 as committed, it does not vote for 3 on top of those', () => {
  const group = alone();
  const others = faulty(group);
  others.prepare(1, 1);
  others.commit([11, 12]);
  expect(group.members[2]!.replica.committed).toBe(2);
  others.prepare(3, 3);
  expect(votesOf(group)).toEqual([1]);
});

it('nor for another batch at a place that it knows as committed', () => {
  const group = alone();
  const others = faulty(group);
  others.commit([11, 12]);
  others.prepare(3, 3);
  others.prepare(2, 2);
  expect(votesOf(group)).toEqual([3]);
});

it('nor after those votes are behind a stable checkpoint and it has started anew in the same view', () => {
  const group = alone({ limits: { checkpointInterval: 2, pipelineWindow: 4, watermarkWindow: 16 } });
  const others = faulty(group);
  others.prepare(1, 1);
  for (const names of [
    [11, 12],
    [11, 12, 13, 14],
    [11, 12, 13, 14, 15, 16],
  ]) {
    others.commit(names);
    others.give(names.slice(-2));
    others.stabilise();
  }
  const member = group.members[2]!;
  expect(member.replica.stable).toBe(6);
  expect(member.log.some(({ type }) => type === 'prepared')).toBe(false);
  others.restart();
  expect(member.replica).toMatchObject({ started: true, view: 0, silence: 'none', stable: 6 });
  others.prepare(7, 17);
  expect(member.replica.slots.get(7)?.prepared).toBeDefined();
  expect(votesOf(group)).toEqual([1]);
});
