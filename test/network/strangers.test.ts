import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { decode } from '../../src/codec/index.ts';
import { greetingSchema } from '../../src/network/hello.ts';
import { createReplicaTransport } from '../../src/network/replica-transport.ts';
import { u32Bytes } from '../../src/types/bytes.ts';
import {
  addresses,
  closeAll,
  closing,
  dialLink,
  dialTcp,
  dialTls,
  framed,
  HOST,
  helloOn,
  identityOf,
  nextFrame,
  OTHER_CLUSTER,
  seedOf,
  startClient,
  startReplica,
} from './support.ts';

/** Made with OpenSSL: a self-signed certificate for a key on the curve P-256. */
const P256 = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgg4OMAZJJxT7Zt+Mq
UoAYsEaCoKTvaPQqp0QsUxqYeQWhRANCAARvQQLJFL3RTaliUkLRf8HxsWHCxAI0
wYuVEP+K682I4Pf92mE2/1HMHPmm0rvlXxZK6ueL1dlDwCvVJhjgs4PX
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUNNnwhs/NLgeSnVihUPtxAiOOKOMwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcDI1NjAgFw0yNjExMjIxNzA1MDFaGA8yMTI2MTAyOTE3MDUw
MVowDzENMAsGA1UEAwwEcDI1NjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG9B
AskUvdFNqWJSQtF/wfGxYcLEAjTBi5UQ/4rrzYjg9/3aYTb/Ucwc+abSu+VfFkrq
54vV2UPAK9UmGOCzg9ejUzBRMB0GA1UdDgQWBBT/c1z50IY0DShlL+IQW/LRkl3F
7DAfBgNVHSMEGDAWgBT/c1z50IY0DShlL+IQW/LRkl3F7DAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCICEIiLqqC+6WI4gdXcivwfVu4MiyOouOPsqe
Bcwi/qIYAiEArCsR0QLvb4yLHWtRCPR+f4XX0ne0iTF2vGlIzob+ros=
-----END CERTIFICATE-----`,
};

afterEach(closeAll);

/** The code in the REFUSED frame that arrives. */
async function refusalOn(socket: TLSSocket): Promise<string> {
  const greeting = decode(greetingSchema, await nextFrame(socket));
  return greeting.ok && greeting.value.type === 'refused' ? greeting.value.code : 'not refused';
}

function rawTls(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connect({ host: HOST, port, rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  return socket;
}

test('bytes that are no TLS are turned away, and the next one is served', async () => {
  const { port, witness, transport } = await startReplica(0, [1]);
  const socket = dialTcp(port);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await Promise.all([closing(socket), witness.untilRefused('TLS_FAILED')]);
  expect(transport.stats().closed.TLS_FAILED).toBe(1);
  await startClient([port]).witness.untilConnected('r0');
  expect(transport.stats().unauthenticated).toBe(0);
});

test('TLS 1.2 is refused', async () => {
  const { port, witness } = await startReplica(0, [1]);
  const { key, cert } = identityOf(100).tlsOptions;
  const socket = rawTls(port, { key: key as string, cert: cert as string, maxVersion: 'TLSv1.2' });
  await Promise.all([closing(socket), witness.untilRefused('TLS_FAILED')]);
});

test('no certificate: refused, and told why', async () => {
  const { port, witness } = await startReplica(0, [1]);
  const socket = rawTls(port, {});
  expect(await refusalOn(socket)).toBe('CERTIFICATE');
  socket.destroy();
  await witness.untilRefused('CERTIFICATE');
});

test('a certificate for a key that is not Ed25519 is refused', async () => {
  const { port, witness } = await startReplica(0, [1]);
  const socket = rawTls(port, P256);
  socket.resume();
  await Promise.all([closing(socket), witness.until(({ what }) => what === 'refused')]);
  expect(witness.seen.some(({ what }) => what === 'connected')).toBe(false);
});

test('a replica of another cluster: both sides say so, with both names', async () => {
  const { port, witness } = await startReplica(0, [1, 1]);
  const other = await startReplica(1, [port, 1], { clusterId: OTHER_CLUSTER });
  const { reason } = await other.witness.untilRefused('REFUSED');
  expect(reason?.message).toContain('WRONG_CLUSTER: wrong cluster: ours c1c1c1c1…, theirs c2c2c2c2…');
  await witness.untilRefused('WRONG_CLUSTER');
});

test('the holder of another key is not replica 1', async () => {
  const { port, witness } = await startReplica(0, [1, 1]);
  const socket = await dialTls(port, 50);
  socket.write(framed(helloOn(socket, 50, { role: 'replica', index: 1 })));
  expect(await refusalOn(socket)).toBe('WRONG_KEY');
  socket.destroy();
  await witness.untilRefused('WRONG_KEY');
});

test('a client finds another key than the pinned one: no HELLO, both sides know', async () => {
  const { port, witness } = await startReplica(0, [1]);
  const replicas = addresses([port]).map((address) => ({ ...address, publicKey: identityOf(50).publicKey }));
  const client = startClient([port], { replicas });
  await client.witness.untilRefused('WRONG_KEY');
  const { reason } = await witness.untilRefused('REFUSED');
  expect(reason?.message).toContain('WRONG_KEY');
});

test('nobody connects as replica 0 to itself, from below, or as one that does not exist', async () => {
  const { port } = await startReplica(1, [1, 1]);
  for (const index of [0, 1, 2, 0xffff_ffff]) {
    const socket = await dialTls(port, 1 + (index % 2));
    socket.write(framed(helloOn(socket, 1 + (index % 2), { role: 'replica', index })));
    expect(await refusalOn(socket)).toBe('WRONG_INDEX');
    socket.destroy();
  }
});

test('a HELLO recorded on one connection is refused on another of the same key', async () => {
  const { port, witness } = await startReplica(0, [1, 1]);
  const first = await dialTls(port, 2);
  const recorded = helloOn(first, 2, { role: 'replica', index: 1 });
  first.write(framed(recorded));
  await witness.untilConnected('r1');
  const second = await dialTls(port, 2);
  second.write(framed(recorded));
  expect(await refusalOn(second)).toBe('BAD_SIGNATURE');
  second.destroy();
  await witness.untilRefused('BAD_SIGNATURE');
});

test('the HELLO of an honest replica, passed on by someone with another key, is refused', async () => {
  const { port } = await startReplica(0, [1, 1]);
  const middle = await dialTls(port, 50);
  middle.write(framed(helloOn(middle, 2, { role: 'replica', index: 1 })));
  expect(await refusalOn(middle)).toBe('WRONG_KEY');
});

test('before HELLO a frame has at most 1 KiB, after it what HELLO said; the length alone is enough to end it', async () => {
  const { port, witness } = await startReplica(0, [1, 1], { limits: { clientFrameBytesMax: 5_000 } });
  const early = await dialTls(port, 100);
  early.resume().write(u32Bytes(1_025));
  await Promise.all([closing(early), witness.untilRefused('FRAME_TOO_LARGE')]);
  const late = await dialLink(port, 100, { role: 'client' });
  late.resume().write(framed(new Uint8Array(5_000)));
  await witness.until(({ frame }) => frame?.length === 5_000);
  late.write(u32Bytes(5_001));
  await closing(late);
  const { reason } = await witness.until(({ what }) => what === 'disconnected');
  expect(reason?.code).toBe('FRAME_TOO_LARGE');
});

test('a frame over what the other side accepts is not sent', async () => {
  const { port } = await startReplica(0, [1], { limits: { clientFrameBytesMax: 5_000 } });
  const { transport, witness } = startClient([port]);
  await witness.untilConnected('r0');
  expect(transport.send(0, new Uint8Array(5_001))).toBe(false);
  expect(transport.send(0, new Uint8Array(5_000))).toBe(true);
  expect(transport.stats().dropped.FRAME_TOO_LARGE).toBe(1);
});

test('who connects and says nothing, or only half, is cut off', async () => {
  const { port, witness, transport } = await startReplica(0, [1], { limits: { handshakeTimeoutMs: 50 } });
  const silent = dialTcp(port);
  const withoutHello = await dialTls(port, 100);
  withoutHello.write(Uint8Array.of(0, 0));
  const refusal = refusalOn(withoutHello);
  await closing(silent);
  expect(await refusal).toBe('HANDSHAKE_TIMEOUT');
  withoutHello.destroy();
  await witness.until(() => transport.stats().closed.HANDSHAKE_TIMEOUT === 2);
});

test('a listener that never answers is given up, and dialled again', async () => {
  const accepted: Socket[] = [];
  const mute = createServer((socket) => accepted.push(socket.on('error', () => {})));
  mute.listen(0, HOST);
  await once(mute, 'listening');
  const { port } = mute.address() as { port: number };
  const { witness } = startClient([port], { limits: { handshakeTimeoutMs: 30 } });
  await witness.untilRefused('HANDSHAKE_TIMEOUT');
  await witness.until(() => accepted.length > 1);
  for (const socket of accepted) socket.destroy();
  mute.close();
});

test('silent strangers cannot hold all places: the oldest makes room', async () => {
  const limits = { unauthenticatedMax: 2, unauthenticatedGraceMs: 20 };
  const { port, witness, transport } = await startReplica(0, [1], { limits });
  const silent = [dialTcp(port), dialTcp(port)];
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  await startClient([port]).witness.untilConnected('r0');
  await witness.untilRefused('BUSY');
  expect(transport.stats().unauthenticated).toBeLessThanOrEqual(2);
  for (const socket of silent) socket.destroy();
});

test('strangers in their fair time keep their places', async () => {
  const limits = { unauthenticatedMax: 1, unauthenticatedGraceMs: 60_000 };
  const { port, witness } = await startReplica(0, [1], { limits });
  const first = await dialTls(port, 100);
  const second = dialTcp(port);
  await Promise.all([closing(second), witness.untilRefused('BUSY')]);
  first.write(framed(helloOn(first, 100, { role: 'client' })));
  await witness.untilConnected('c0');
});

test('client connections are limited, in all and per key; replicas are not among them', async () => {
  const limits = { clientConnectionsMax: 3, clientConnectionsPerKeyMax: 2 };
  const { port, transport, witness } = await startReplica(0, [1, 1], { limits });
  const linked = [
    await dialLink(port, 100, { role: 'client' }),
    await dialLink(port, 100, { role: 'client' }),
  ];
  const third = startClient([port], { seed: 100 });
  const { reason } = await third.witness.untilRefused('REFUSED');
  expect(reason?.message).toContain('BUSY: 2 connections of this client key');
  await third.transport.close();
  linked.push(await dialLink(port, 101, { role: 'client' }));
  const fourth = startClient([port], { seed: 102 });
  expect((await fourth.witness.untilRefused('REFUSED')).reason?.message).toContain('3 client connections');
  linked.push(await dialLink(port, 2, { role: 'replica', index: 1 }));
  expect(transport.stats().clientConnections).toBe(3);
  linked[2]!.destroy();
  await fourth.witness.untilConnected('r0');
  await witness.untilConnected('r1');
});

test('options that cannot work are refused at once, by name', async () => {
  await expect(startReplica(2, [1, 1])).rejects.toThrow('there is no replica 2: the genesis has 2');
  const options = {
    seed: seedOf(9),
    index: 0,
    clusterId: OTHER_CLUSTER,
    epoch: 0,
    replicas: addresses([1]),
    host: HOST,
    port: 0,
    onFrame() {},
    onConnected() {},
    onDisconnected() {},
  };
  expect(() => createReplicaTransport(options)).toThrow('replica 0 has the key');
  const { port } = await startReplica(0, [1]);
  await expect(startReplica(0, [1], { port })).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
});
