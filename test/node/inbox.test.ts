/** What waits for the replica: bounded, in order, and fair between replicas and clients. */

import { expect, test } from 'vitest';
import type { Remote } from '../../src/network/replica-transport.ts';
import { createFifo } from '../../src/node/fifo.ts';
import { type Arrival, createInbox } from '../../src/node/inbox.ts';
import type { Input } from '../../src/protocol/replica/io.ts';

const LIMITS = { replicaBytes: 10_000, clientBytes: 1_000, allClientsBytes: 3_000 };
const PEER: Remote = { role: 'replica', index: 1 };
const client = (connection: number): Remote => ({
  role: 'client',
  publicKey: new Uint8Array(32),
  connection,
});

function createBench() {
  const paused: string[] = [];
  const nameOf = (remote: Remote) =>
    remote.role === 'client' ? `c${remote.connection}` : `r${remote.index}`;
  const inbox = createInbox(
    {
      pause: (remote) => paused.push(`pause ${nameOf(remote)}`),
      resume: (remote) => paused.push(`resume ${nameOf(remote)}`),
    },
    LIMITS,
  );
  const push = (from: Remote, bytes = 10) => inbox.push({ from, frame: new Uint8Array(bytes) });
  const turn = (): string[] => {
    const taken: string[] = [];
    inbox.turn((item: Input | Arrival) => {
      taken.push('frame' in item ? nameOf(item.from) : item.type);
      return true;
    });
    return taken;
  };
  return { inbox, push, turn, paused };
}

test('what is our own goes first, then replicas, and clients have a share of every turn', () => {
  const { inbox, push, turn } = createBench();
  for (let i = 0; i < 100; i++)
    inbox.push({ from: { role: 'replica', index: i % 3 }, frame: new Uint8Array(1) });
  for (let i = 0; i < 20; i++) push(client(i), 1);
  inbox.pushOwn({ type: 'tick' });
  const first = turn();
  expect(first[0]).toBe('tick');
  expect(first.filter((name) => name.startsWith('r'))).toHaveLength(47);
  expect(first.filter((name) => name.startsWith('c'))).toEqual(Array.from({ length: 16 }, (_, i) => `c${i}`));
  while (inbox.size > 0) turn();
  expect(turn()).toEqual([]);
});

test('a turn is bounded', () => {
  const { inbox, turn } = createBench();
  for (let i = 0; i < 200; i++) inbox.pushOwn({ type: 'tick' });
  expect(turn().length).toBeLessThanOrEqual(64);
  expect(inbox.size).toBeGreaterThan(100);
});

test('a connection is paused when too much of it waits, and resumed when all was taken', () => {
  const { push, turn, paused } = createBench();
  push(client(1), 600);
  expect(paused).toEqual([]);
  push(client(1), 600);
  push(client(1), 600);
  push(PEER, 9_000);
  push(client(2), 100);
  expect(paused).toEqual(['pause c1']);
  turn();
  expect(paused).toEqual(['pause c1', 'resume c1']);
  push(PEER, 9_900);
  expect(paused.at(-1)).toBe('pause r1');
});

test('all clients together are bounded, and leave room for replicas', () => {
  const { inbox, push, turn } = createBench();
  for (let i = 0; i < 10; i++) push(client(i), 500);
  expect(inbox.dropped).toBe(6);
  push(PEER, 500);
  expect(turn()).toEqual(['r1', 'c0', 'c1', 'c2', 'c3']);
  push(client(9), 500);
  expect(inbox.dropped).toBe(6);
});

test('the queue keeps its order however it is used', () => {
  const queue = createFifo<number>();
  let next = 0;
  let expected = 0;
  for (let round = 1; round < 60; round++) {
    for (let i = 0; i < round; i++) queue.push(next++);
    for (let i = 0; i < round - (round % 3); i++) expect(queue.shift()).toBe(expected++);
    expect(queue.size).toBe(next - expected);
  }
  while (expected < next) expect(queue.shift()).toBe(expected++);
  expect(queue.shift()).toBeUndefined();
});
