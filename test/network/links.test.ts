import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { equalBytes, utf8 } from '../../src/types/bytes.ts';
import { closeAll, dialLink, identityOf, startClient, startCluster, startReplica } from './support.ts';

afterEach(closeAll);

test('frames travel both ways between every two replicas', async () => {
  const nodes = await startCluster(3);
  for (const [i, { transport }] of nodes.entries()) {
    for (const j of nodes.keys()) expect(transport.send(j, utf8(`${i}→${j}`))).toBe(i !== j);
  }
  for (const [i, { witness }] of nodes.entries()) {
    for (const j of nodes.keys()) {
      if (i === j) continue;
      const { frame } = await witness.until((event) => event.what === 'frame' && event.who === `r${j}`);
      expect(new TextDecoder().decode(frame)).toBe(`${j}→${i}`);
    }
  }
});

test('a client talks with every replica; each learns its key', async () => {
  const nodes = await startCluster(2);
  const client = startClient(nodes.map(({ port }) => port));
  for (const [i, { transport, witness }] of nodes.entries()) {
    await client.witness.untilConnected(`r${i}`);
    expect(client.transport.send(i, utf8('question'))).toBe(true);
    const { remote } = await witness.until((event) => event.what === 'frame');
    const key = identityOf(100).publicKey;
    expect(remote?.role === 'client' && equalBytes(remote.publicKey, key)).toBe(true);
    expect(transport.sendToClient(key, utf8('answer'))).toBe(1);
    await client.witness.until((event) => event.what === 'frame' && event.who === `r${i}`);
  }
  expect(nodes[0]!.transport.sendToClient(identityOf(101).publicKey, utf8('nobody'))).toBe(0);
});

test('a reply goes to every connection of a key', async () => {
  const [node] = await startCluster(1);
  const clients = [startClient([node!.port]), startClient([node!.port])];
  await Promise.all([node!.witness.untilConnected('c0'), node!.witness.untilConnected('c1')]);
  await Promise.all(clients.map(({ witness }) => witness.untilConnected('r0')));
  expect(node!.transport.sendToClient(identityOf(100).publicKey, utf8('both'))).toBe(2);
  await Promise.all(clients.map(({ witness }) => witness.until((event) => event.what === 'frame')));
});

test('frames can be sent from within onConnected', async () => {
  const node = await startReplica(0, [1, 1], {
    onConnected: (_, transport) => void transport.send(1, new Uint8Array(100_000)),
  });
  const peer = await startReplica(1, [node.port, 1]);
  const { frame } = await peer.witness.until((event) => event.what === 'frame');
  expect(frame).toHaveLength(100_000);
});

test('many small frames of one turn arrive in order, in a few writes', async () => {
  const [a, b] = await startCluster(2);
  const before = a!.transport.stats().writes;
  for (let i = 0; i < 5_000; i++) a!.transport.send(1, utf8(String(i)));
  await b!.witness.until(
    (event) =>
      event.frame !== undefined &&
      event.frame.length === 4 &&
      new TextDecoder().decode(event.frame) === '4999',
  );
  const texts = b!.witness.seen.flatMap(({ frame }) => (frame ? [new TextDecoder().decode(frame)] : []));
  expect(texts).toEqual(Array.from({ length: 5_000 }, (_, i) => String(i)));
  expect(a!.transport.stats().writes - before).toBe(1);
});

test('links come back after a replica restarts on its port, whoever dials', async () => {
  const nodes = await startCluster(3);
  const [low, middle, high] = nodes.map(({ witness }) => witness);
  const sinceLow = low!.seen.length;
  const sinceHigh = high!.seen.length;
  await nodes[1]!.transport.close();
  await low!.until((event) => event.what === 'disconnected', sinceLow);
  await high!.until((event) => event.what === 'disconnected', sinceHigh);
  expect(middle!.seen.some((event) => event.what === 'disconnected')).toBe(false);
  const ports = nodes.map(({ port }) => port);
  const again = await startReplica(1, ports, { port: ports[1]! });
  await Promise.all([
    low!.untilConnected('r1', sinceLow),
    high!.untilConnected('r1', sinceHigh),
    again.witness.untilConnected('r0'),
    again.witness.untilConnected('r2'),
  ]);
  expect(again.transport.send(2, utf8('back'))).toBe(true);
  await high!.until((event) => event.what === 'frame');
});

test('a replica that connects anew replaces its half-open connection, and in this order', async () => {
  const node = await startReplica(0, [1, 1]);
  const first = await dialLink(node.port, 2, { role: 'replica', index: 1 });
  const second = await dialLink(node.port, 2, { role: 'replica', index: 1 });
  await node.witness.until((event) => event.what === 'disconnected');
  const told = node.witness.seen.map(({ what, reason }) => [what, reason?.code]);
  expect(told).toEqual([
    ['connected', undefined],
    ['disconnected', 'REPLACED'],
    ['connected', undefined],
  ]);
  first.resume();
  await once(first, 'close');
  expect(node.transport.stats().peers[1]!.connected).toBe(true);
  second.destroy();
});

test('a link on which nothing is heard ends, and is dialled again', async () => {
  const node = await startReplica(0, [1, 1], { limits: { idleTimeoutMs: 60 } });
  // This one dials, and would wait for long: only the other one notices the silence.
  const peer = await startReplica(1, [node.port, 1]);
  await node.witness.until((event) => event.what === 'disconnected' && event.reason?.code === 'IDLE');
  await peer.witness.until((event) => event.what === 'disconnected');
  await peer.witness.untilConnected('r0', 2);
});

test('what is sent while there is no link is dropped and counted', async () => {
  const node = await startReplica(0, [1, 1]);
  expect(node.transport.send(1, utf8('lost'))).toBe(false);
  expect(node.transport.stats().dropped.NOT_CONNECTED).toBe(1);
});
