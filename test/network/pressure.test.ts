import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { openChannel } from '../../src/network/channel.ts';
import { createCounters } from '../../src/network/counters.ts';
import { DEFAULT_NETWORK_LIMITS } from '../../src/network/limits.ts';
import { concatBytes, utf8 } from '../../src/types/bytes.ts';
import { closeAll, dialLink, framed, identityOf, startReplica } from './support.ts';

afterEach(closeAll);

const MIB = 1024 * 1024;

test('a replica that does not read costs its queue and no more, and the others are served; then it catches up', async () => {
  const limits = { peerQueueBytesMax: MIB };
  const node = await startReplica(0, [1, 1, 1], { limits });
  const other = await startReplica(2, [node.port, 1, 1]);
  const slow = await dialLink(node.port, 2, { role: 'replica', index: 1 });
  await Promise.all([node.witness.untilConnected('r1'), node.witness.untilConnected('r2')]);

  const frame = new Uint8Array(64 * 1024);
  const queued = () => node.transport.stats().peers[1]!.queuedBytes;
  let sent = 0;
  while (node.transport.send(1, frame)) {
    sent++;
    expect(queued()).toBeLessThanOrEqual(MIB);
    await turn();
  }
  expect(queued()).toBeGreaterThan(MIB / 2);
  expect(node.transport.stats().dropped.QUEUE_FULL).toBe(1);
  expect(node.transport.stats().peers[1]!.connected).toBe(true);
  expect(node.transport.send(2, utf8('on time'))).toBe(true);
  await other.witness.until(({ what }) => what === 'frame');

  let received = 0;
  const expected = sent * (4 + frame.length);
  slow.on('data', (chunk: Uint8Array) => {
    received += chunk.length;
  });
  slow.resume();
  while (received < expected) await once(slow, 'data');
  while (queued() > 0) await turn();
  expect(node.transport.send(1, frame)).toBe(true);
});

test('a client that does not read is cut off when its queue is full', async () => {
  const node = await startReplica(0, [1], { limits: { clientQueueBytesMax: MIB } });
  await dialLink(node.port, 100, { role: 'client' });
  await node.witness.untilConnected('c0');
  const key = identityOf(100).publicKey;
  while (node.transport.sendToClient(key, new Uint8Array(64 * 1024)) === 1) await turn();
  const { reason } = await node.witness.until(({ what }) => what === 'disconnected');
  expect(reason?.code).toBe('OVERFLOW');
  expect(node.transport.stats().clientConnections).toBe(0);
});

test('a flood is delivered in small portions, between which the others have their turn', async () => {
  const count = 50_000;
  let flooded = 0;
  let run = 0;
  let longestRun = 0;
  let floodedBefore = -1;
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const node = await startReplica(0, [1, 1, 1], {
    onFrame(from) {
      if (from.role === 'replica' && from.index === 2) {
        floodedBefore = flooded;
        return;
      }
      if (flooded++ === 0) other.transport.send(0, utf8('and me?'));
      // Microtasks run when the callback that delivers is over.
      if (run++ === 0) {
        queueMicrotask(() => {
          longestRun = Math.max(longestRun, run);
          run = 0;
        });
      }
      if (flooded === count) finish();
    },
  });
  const other = await startReplica(2, [node.port, 1, 1]);
  const flooder = await dialLink(node.port, 2, { role: 'replica', index: 1 });
  await node.witness.untilConnected('r2');
  flooder.write(concatBytes(...Array.from({ length: count }, () => framed(new Uint8Array(1)))));
  await finished;
  expect(longestRun).toBeLessThanOrEqual(256);
  expect(floodedBefore).toBeGreaterThan(0);
  expect(floodedBefore).toBeLessThan(count / 2);
});

test('a paused connection delivers nothing while others do, and everything in order after resume', async () => {
  const node = await startReplica(0, [1, 1, 1], {
    onConnected: (remote, transport) => {
      if (remote.role === 'replica' && remote.index === 1) transport.pause(remote);
    },
  });
  const other = await startReplica(2, [node.port, 1, 1]);
  const patient = await dialLink(node.port, 2, { role: 'replica', index: 1 });
  await Promise.all([node.witness.untilConnected('r1'), node.witness.untilConnected('r2')]);
  for (let i = 0; i < 1_000; i++) patient.write(framed(utf8(String(i))));
  await new Promise((resolve) => patient.write(framed(utf8('last')), resolve));
  for (let i = 0; i < 3; i++) {
    other.transport.send(0, utf8(`ping ${i}`));
    await node.witness.until(({ frame }) => frame?.at(-1) === utf8(String(i))[0]);
  }
  expect(node.witness.seen.filter(({ what, who }) => what === 'frame' && who === 'r1')).toEqual([]);
  const inTheCall = node.witness.seen.length;
  node.transport.resume({ role: 'replica', index: 1 });
  expect(node.witness.seen.length).toBe(inTheCall);
  await node.witness.until(({ who, frame }) => who === 'r1' && frame?.length === 4);
  const texts = node.witness.seen.flatMap(({ who, frame }) =>
    who === 'r1' && frame ? [new TextDecoder().decode(frame)] : [],
  );
  expect(texts).toEqual([...Array.from({ length: 1_000 }, (_, i) => String(i)), 'last']);
});

const settings = {
  frameBytesMax: 10,
  theirFrameBytesMax: 10,
  queueBytesMax: 1_000,
  idleTimeoutMs: undefined,
};

function fakeSocket(): TLSSocket {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }) as TLSSocket;
}

test('pause takes effect between two frames of one chunk; resume delivers later, not within the call', async () => {
  const socket = fakeSocket();
  const seen: number[] = [];
  const channel = openChannel(
    socket,
    {
      ...settings,
      onFrame(frame) {
        seen.push(frame[0]!);
        channel.pause();
      },
      onClose() {},
    },
    DEFAULT_NETWORK_LIMITS,
    createCounters(),
  );
  socket.emit('data', concatBytes(...[1, 2, 3].map((value) => framed(Uint8Array.of(value)))));
  await turn();
  expect(seen).toEqual([1]);
  expect(socket.isPaused()).toBe(true);
  channel.resume();
  expect(seen).toEqual([1]);
  await turn();
  expect(seen).toEqual([1, 2]);
  socket.destroy();
});

test('a process that was stopped looks at its sockets before it takes the others for silent', async () => {
  const socket = fakeSocket();
  const ended = new Promise<string>((resolve) => {
    const onClose = ({ code }: { code: string }) => resolve(code);
    openChannel(
      socket,
      { ...settings, idleTimeoutMs: 30, onFrame() {}, onClose },
      DEFAULT_NETWORK_LIMITS,
      createCounters(),
    );
  });
  // From the check phase of the event loop: the next phases are timers, sockets, check. The stop ends long after
  // the idle time; the timer fires; then bytes turn up that have waited in the socket.
  await turn();
  const waited = new Promise<boolean>((resolve) => {
    setImmediate(() => {
      socket.emit('data', framed(utf8('alive')));
      setImmediate(() => resolve(socket.destroyed));
    });
  });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
  expect(await waited).toBe(false);
  expect(await ended).toBe('IDLE');
});
