/** The step contract as the driver keeps it, against a log whose syncs end when the test says so. */

import { afterEach, expect, test } from 'vitest';
import { decode, encode } from '../../src/codec/index.ts';
import type { Remote } from '../../src/network/replica-transport.ts';
import { createDriver, type Driver } from '../../src/node/driver.ts';
import type { NodeError } from '../../src/node/node-error.ts';
import { type Message, messageSchema } from '../../src/protocol/messages/index.ts';
import { type DurableRecord, recordSchema } from '../../src/protocol/records.ts';
import { emptyOutput, type Input, type Output, type Send } from '../../src/protocol/replica/io.ts';
import type { LogRecord } from '../../src/storage/log-record.ts';
import { StorageError } from '../../src/storage/storage-error.ts';

const SIGNATURE = new Uint8Array(64);
const DIGEST = new Uint8Array(32);

/** A message that names a number, to be recognised by. */
function suspectOf(view: number): Message {
  return { type: 'suspect', view, replica: 0, signature: SIGNATURE };
}

function toAll(view: number): Send {
  return { to: { kind: 'all' }, message: suspectOf(view) };
}

function suspected(view: number): DurableRecord {
  return { type: 'suspected', view };
}

interface Bench {
  readonly driver: Driver;
  /** What happened, in order: `append 1`, `sync`, `synced`, `send 2 to 1`, `step receive`, … */
  readonly trace: string[];
  /** Ends the sync that is under way. */
  endSync(error?: Error): void;
  readonly syncsUnderWay: number;
  readonly failures: NodeError[];
  readonly malformed: string[];
  /** The next step answers so. */
  next(output: Partial<Output>): void;
  /** Of the log. */
  bytes: number;
  /** Lets everything run that does not wait for a sync. */
  settle(): Promise<void>;
}

const benches: Bench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) {
    bench.endSync(new StorageError('CLOSED', 'over'));
    await bench.driver.stop();
  }
});

function createBench(writeSnapshot: () => Promise<void> = async () => undefined): Bench {
  const trace: string[] = [];
  const outputs: Partial<Output>[] = [];
  const failures: NodeError[] = [];
  const malformed: string[] = [];
  let ends: ((error?: Error) => void)[] = [];
  const viewOf = (frame: Uint8Array): string => {
    const decoded = decode(messageSchema, frame);
    return decoded.ok && decoded.value.type === 'suspect' ? String(decoded.value.view) : '?';
  };
  const log = {
    append(record: LogRecord) {
      const decoded = decode(recordSchema, record.payload);
      if (!decoded.ok) throw new Error('no record');
      const name = decoded.value.type === 'suspected' ? String(decoded.value.view) : decoded.value.type;
      trace.push(`append ${name}${record.mirrored ? ' twice' : ''}`);
    },
    sync: () =>
      new Promise<void>((resolve, reject) => {
        trace.push('sync');
        ends.push((error) => {
          trace.push(error === undefined ? 'synced' : 'sync failed');
          if (error === undefined) resolve();
          else reject(error);
        });
      }),
    rotate: () => trace.push('rotate'),
    async discardBelow(sequenceNumber: number) {
      trace.push(`discard below ${sequenceNumber}`);
    },
    read: () => [],
    readableSequenceNumbers: () => [],
    get bytes() {
      return bench.bytes;
    },
    stats: { syncs: 0, bytesWritten: 0, records: 0 },
    close: async () => undefined,
  };
  const driver = createDriver({
    index: 0,
    replicaCount: 4,
    step(input: Input) {
      const what = input.type === 'receive' ? `${input.type} ${input.message.type}` : input.type;
      trace.push(`step ${what}`);
      return { ...emptyOutput(), ...outputs.shift() };
    },
    clock: () => ({ monotonicMs: Math.floor(performance.now()), wallMs: 0 }),
    disk: {
      log,
      leaves: { sync: async () => void trace.push('leaves synced') },
      snapshots: {
        async writeSnapshot({ sequenceNumber }) {
          await writeSnapshot();
          trace.push(`snapshot ${sequenceNumber}`);
        },
        async removeSnapshotsBelow(sequenceNumber, pinned) {
          trace.push(`remove snapshots below ${sequenceNumber} but ${[...pinned].join()}`);
        },
        async putChunk(digest) {
          trace.push(`keep chunk ${digest[0]}`);
        },
        async endTransfer() {
          trace.push('forget received chunks');
        },
      },
    },
    links: {
      send: (peer, frame) => trace.push(`send ${viewOf(frame)} to ${peer}`) > 0,
      sendToClient: () => 1,
      pause: () => undefined,
      resume: () => undefined,
    },
    heldSnapshots: () => new Set([8]),
    onEvent: (event) => trace.push(`event ${event.type}`),
    onMalformed: (_, reason) => malformed.push(reason),
    onFailure: (error) => failures.push(error),
  });
  const bench: Bench = {
    bytes: 0,
    driver,
    trace,
    failures,
    malformed,
    get syncsUnderWay() {
      return ends.length;
    },
    endSync(error) {
      const all = ends;
      ends = [];
      for (const end of all) end(error);
    },
    next: (output) => outputs.push(output),
    async settle() {
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  benches.push(bench);
  return bench;
}

const PEER: Remote = { role: 'replica', index: 1 };
const FRAME = encode(messageSchema, suspectOf(99));

/** Gives the driver one input whose step answers `output`. */
function give(bench: Bench, output: Partial<Output>): void {
  bench.next(output);
  bench.driver.receive(PEER, FRAME);
}

test('promises wait for the sync, sends do not; then come to the replica itself as well', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, {
    persist: [suspected(1)],
    promises: [toAll(1)],
    sends: [{ ...toAll(2), to: { kind: 'others' } }],
  });
  await bench.settle();
  expect(bench.trace).toEqual([
    'step receive suspect',
    'append 1 twice',
    'send 2 to 1',
    'send 2 to 2',
    'send 2 to 3',
    'sync',
  ]);
  bench.endSync();
  await bench.settle();
  expect(bench.trace.slice(6)).toEqual([
    'synced',
    'send 1 to 1',
    'send 1 to 2',
    'send 1 to 3',
    'step receive suspect',
  ]);
});

test('what comes during a sync waits for the next one, and shares it', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  const promise = (view: number) => ({
    persist: [suspected(view)],
    promises: [{ to: { kind: 'replica', index: 2 } as const, message: suspectOf(view) }],
  });
  give(bench, promise(1));
  await bench.settle();
  give(bench, promise(2));
  give(bench, promise(3));
  await bench.settle();
  expect(bench.syncsUnderWay).toBe(1);
  bench.endSync();
  await bench.settle();
  expect(bench.trace.filter((line) => line.startsWith('send'))).toEqual(['send 1 to 2']);
  expect(bench.syncsUnderWay).toBe(1);
  bench.endSync();
  await bench.settle();
  expect(bench.trace.filter((line) => line.startsWith('send'))).toEqual([
    'send 1 to 2',
    'send 2 to 2',
    'send 3 to 2',
  ]);
  expect(bench.trace.filter((line) => line === 'sync')).toHaveLength(2);
});

test('a promise without records of its own waits for those of earlier steps', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)] });
  give(bench, { promises: [toAll(2)] });
  await bench.settle();
  expect(bench.trace.filter((line) => line.startsWith('send'))).toEqual([]);
  bench.endSync();
  await bench.settle();
  expect(bench.trace).toContain('send 2 to 1');
});

test('records that nothing waits for are synced all the same', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)] });
  while (bench.syncsUnderWay === 0) await bench.settle();
  expect(bench.trace).toEqual(['step receive suspect', 'append 1 twice', 'sync']);
});

test('a failing sync stops everything, is not repeated, and is reported once', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)], promises: [toAll(1)] });
  await bench.settle();
  give(bench, { persist: [suspected(2)], promises: [toAll(2)] });
  await bench.settle();
  bench.endSync(new StorageError('IO', 'the disk is gone'));
  bench.driver.receive(PEER, FRAME);
  await bench.settle();
  expect(bench.failures.map(({ code, message }) => [code, message])).toEqual([
    ['STORAGE', 'the disk is gone'],
  ]);
  expect(bench.trace.slice(bench.trace.indexOf('sync failed') + 1)).toEqual([]);
  expect(bench.trace.join()).not.toContain('send');
});

test('a step that throws stops the replica', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, {
    get persist(): DurableRecord[] {
      throw new Error('state contradicts itself');
    },
  } as Partial<Output>);
  bench.driver.receive(PEER, FRAME);
  await bench.settle();
  expect(bench.failures.map(({ code }) => code)).toEqual(['INVARIANT']);
  expect(bench.failures[0]!.message).toContain('state contradicts itself');
  expect(bench.trace).toEqual(['step receive suspect']);
});

test('a state that differs from that of f+1 others stops the replica, after its records were appended', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)], events: [{ type: 'diverged', sequenceNumber: 4 }] });
  await bench.settle();
  expect(bench.failures.map(({ code }) => code)).toEqual(['DIVERGED']);
  expect(bench.trace).toContain('append 1 twice');
});

test('bytes that are no message are counted and go nowhere', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  bench.driver.receive(PEER, Uint8Array.of(255, 1, 2));
  bench.driver.receive(PEER, new Uint8Array(0));
  await bench.settle();
  expect(bench.malformed).toHaveLength(2);
  expect(bench.trace).toEqual([]);
});

test('nothing reaches the replica before it was started', async () => {
  const bench = createBench();
  bench.driver.receive(PEER, FRAME);
  bench.driver.connected(1);
  await bench.settle();
  expect(bench.trace).toEqual([]);
  bench.driver.start({
    ...emptyOutput(),
    sends: [{ to: { kind: 'replica', index: 1 }, message: suspectOf(1) }],
  });
  await bench.settle();
  expect(bench.trace).toEqual(['send 1 to 1', 'step connected', 'step receive suspect']);
});

test('a snapshot counts as durable only behind the leaves, the log and its own bytes', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { snapshots: [snapshotAt(4)] });
  await bench.settle();
  expect(bench.trace).toEqual(['step receive suspect', 'leaves synced', 'sync']);
  bench.endSync();
  await bench.settle();
  expect(bench.trace.slice(3)).toEqual(['synced', 'snapshot 4', 'step snapshot-durable']);
});

test('pieces of a transfer are kept until it has ended', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  const chunk = { digest: Uint8Array.of(7), bytes: () => new Uint8Array(0) };
  give(bench, { receivedChunks: [chunk] });
  await bench.settle();
  expect(bench.trace).toEqual(['step receive suspect', 'keep chunk 7']);
  give(bench, { transferEnded: true });
  await bench.settle();
  expect(bench.trace.at(-1)).toBe('forget received chunks');
});

test('old records go only when what still holds of them is durable', async () => {
  const bench = createBench();
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)], discardBelow: 4, carry: [suspected(2)] });
  await bench.settle();
  expect(bench.trace).toEqual([
    'step receive suspect',
    'append 1 twice',
    'append 2 twice',
    'leaves synced',
    'sync',
  ]);
  bench.endSync();
  await bench.settle();
  // s = 4 may go too.
  expect(bench.trace.slice(5)).toEqual(['synced', 'discard below 5', 'remove snapshots below 4 but 8']);
});

test('once the log is large, what is carried over begins a new segment', async () => {
  const bench = createBench();
  bench.bytes = 1e9;
  bench.driver.start(emptyOutput());
  give(bench, { persist: [suspected(1)], discardBelow: 4, carry: [suspected(2)] });
  await bench.settle();
  expect(bench.trace.slice(1, 4)).toEqual(['append 1 twice', 'rotate', 'append 2 twice']);
});

test('a snapshot that finds no room: another primary is asked for, then the replica stops', async () => {
  const bench = createBench(async () => {
    throw new StorageError('DISK_FULL', 'no room');
  });
  bench.driver.start(emptyOutput());
  give(bench, { snapshots: [snapshotAt(4)] });
  await bench.settle();
  bench.next({ persist: [suspected(7)], promises: [toAll(7)] });
  bench.endSync();
  await bench.settle();
  expect(bench.trace.slice(-3)).toEqual(['step disk-full', 'append 7 twice', 'sync']);
  expect(bench.failures).toEqual([]);
  bench.endSync();
  await bench.settle();
  expect(bench.trace).toContain('send 7 to 1');
  expect(bench.failures.map(({ code, message }) => [code, message])).toEqual([['STORAGE', 'no room']]);
});

test('it wakes the replica when it asked to be woken, and not after a stop', async () => {
  const bench = createBench();
  bench.next({ wakeAtMs: performance.now() + 5 });
  bench.driver.start({ ...emptyOutput(), wakeAtMs: performance.now() + 1 });
  while (bench.trace.length < 2) await bench.settle();
  expect(bench.trace).toEqual(['step tick', 'step tick']);
  bench.next({ wakeAtMs: performance.now() + 1 });
  bench.driver.receive(PEER, FRAME);
  await bench.driver.stop();
  await bench.settle();
  expect(bench.trace).toHaveLength(2);
});

function snapshotAt(sequenceNumber: number): Output['snapshots'][number] {
  return {
    sequenceNumber,
    entry: { sequenceNumber, hashChainDigest: DIGEST, repliesRoot: DIGEST, logRoot: DIGEST },
    summary: {
      timeMs: 0,
      manifestRoot: DIGEST,
      chunks: 0,
      sessionChunks: 0,
      sessionsDigest: DIGEST,
      serviceDigest: DIGEST,
    },
    chunks: [],
    windowChunks: [],
  };
}
