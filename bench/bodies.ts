/**
 * `node dist-tools/bench/bodies.js [BATCHES] [MIB]`: the memory of one replica (f = 0) that executes batches of a MiB, with bodies kept in memory up to
 * so many MiB (64 unless told otherwise) and its log in a temporary directory.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from '../src/codec/index.ts';
import { memoryLeafStore } from '../src/crypto/leaf-store.ts';
import { sha256 } from '../src/crypto/sha256.ts';
import { makeSimulatedCrypto } from '../src/crypto/simulated.ts';
import { DEFAULT_GENESIS_LIMITS, makeCluster } from '../src/protocol/genesis.ts';
import {
  type ClientRequest,
  type Open,
  type Request,
  requestStatement,
  type Unsigned,
} from '../src/protocol/messages/request.ts';
import {
  BODY_TAG,
  encodeRecord,
  isPromise,
  recordSchema,
  recordSequenceNumber,
} from '../src/protocol/records.ts';
import {
  DEFAULT_LOCAL_LIMITS,
  type Input,
  type Output,
  startReplica,
  step,
} from '../src/protocol/replica/index.ts';
import { encodeKvOperation, kv, kvService } from '../src/services/kv/index.ts';
import { formatLog, openLog } from '../src/storage/log.ts';
import { nodeFiles } from '../src/storage/node-files.ts';

const BATCHES = Number(process.argv[2] ?? 400);
const BODY_MIB = Number(process.argv[3] ?? 64);
/** In the one request of a batch: 16 of 60 KB. */
const OPERATIONS = 16;
const VALUE_BYTES = 60_000;

const backend = makeSimulatedCrypto(sha256);
const { crypto } = backend;
const signer = backend.signerFromSeed(sha256(Uint8Array.of(1)));
const client = backend.signerFromSeed(sha256(Uint8Array.of(2)));
const cluster = makeCluster(
  {
    name: 'bodies',
    service: 'kv',
    replicas: [signer.publicKey],
    quorumSize: 1,
    listedOnly: false,
    listed: [],
    limits: { ...DEFAULT_GENESIS_LIMITS, requestBytesMax: 1_000_000 },
  },
  crypto,
);
const directory = mkdtempSync(join(tmpdir(), 'bft2f-bodies-'));
await formatLog(nodeFiles, join(directory, 'log'), 1);
const { log } = await openLog(nodeFiles, join(directory, 'log'), {
  durability: 'memory',
  readable: BODY_TAG,
});
let nowMs = 0;
const clock = () => ({ monotonicMs: nowMs, wallMs: 1_750_000_000_000 + nowMs });
const { replica, output } = startReplica(
  {
    context: { cluster, crypto },
    index: 0,
    signer,
    service: kvService(sha256),
    leaves: memoryLeafStore(),
    limits: { ...DEFAULT_LOCAL_LIMITS, bodyBytesMax: BODY_MIB * 2 ** 20 },
  },
  {
    snapshot: undefined,
    records: [],
    bodies: {
      sequenceNumbers: () => [],
      read: (s) =>
        log.read(s).flatMap((payload) => {
          const decoded = decode(recordSchema, payload);
          return decoded.ok && decoded.value.type === 'body' ? [decoded.value.batch] : [];
        }),
    },
    promisesLost: false,
  },
  clock(),
);

/** Carries out what a step gave, and what follows from it. */
async function carryOut(first: Output): Promise<void> {
  const outputs = [first];
  for (let out = outputs.shift(); out !== undefined; out = outputs.shift()) {
    for (const record of out.persist) {
      const payload = encodeRecord(record);
      const sequenceNumber = recordSequenceNumber(record);
      log.append({ kind: payload[0]!, sequenceNumber, payload, mirrored: isPromise(record) });
    }
    await log.sync();
    for (const { to, message } of [...out.sends, ...out.promises]) {
      if (to.kind !== 'all') continue;
      outputs.push(give({ type: 'receive', from: { kind: 'replica', index: 0 }, message }));
    }
    for (const { sequenceNumber } of out.snapshots)
      outputs.push(give({ type: 'snapshot-durable', sequenceNumber }));
    if (out.discardBelow !== undefined) await log.discardBelow(out.discardBelow + 1);
  }
}

function give(input: Input): Output {
  return step(replica, input, clock());
}

async function order(
  fields: Omit<Unsigned<Request>, 'client'> | Omit<Unsigned<Open>, 'client'>,
): Promise<void> {
  const unsigned = { ...fields, client: client.publicKey } as Unsigned<Request> | Unsigned<Open>;
  const request = { ...unsigned, signature: client.sign(requestStatement(cluster, crypto, unsigned)) };
  const from = { kind: 'client', key: client.publicKey } as const;
  await carryOut(
    give({ type: 'receive', from, message: { type: 'request', request: request as ClientRequest } }),
  );
  // Time for what waits for company, and for the slices of a checkpoint.
  for (let i = 0; i < 20; i++) {
    nowMs++;
    await carryOut(give({ type: 'tick' }));
  }
}

await carryOut(output);
await order({
  type: 'open',
  nonce: new Uint8Array(16),
  seen: { sequenceNumber: 0, hashChainDigest: cluster.id },
});
for (let i = 1; i <= BATCHES; i++) {
  const { sequenceNumber, hashChainDigest } = replica.ledger.executed;
  const put = encodeKvOperation(kv.put(`key ${i % 4}`, String(i % 10).repeat(VALUE_BYTES)));
  await order({
    type: 'request',
    session: { sequenceNumber: 1, index: 0 },
    timestamp: i,
    operations: Array.from({ length: OPERATIONS }, () => put.slice()),
    seen: { sequenceNumber, hashChainDigest },
  });
  if (i % 100 === 0) {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    const mebibytes = [rss, heapUsed, arrayBuffers, replica.executedBodyBytes].map((bytes) =>
      Math.round(bytes / 2 ** 20),
    );
    console.log(
      `${replica.ledger.executed.sequenceNumber} batches, stable ${replica.stable}: RSS ${mebibytes[0]} MiB, heap ${mebibytes[1]}, array buffers ${mebibytes[2]}, bodies held ${mebibytes[3]}`,
    );
  }
}
await log.close();
rmSync(directory, { recursive: true });
