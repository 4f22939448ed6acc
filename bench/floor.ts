/**
 * What this machine can do at all: the cost of each thing that the protocol cannot do without, and the rate that the signatures alone
 * allow when every operation is a request of its own.
 */

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSeed, randomBytes, signerFromSeed, sodiumCrypto } from '../src/crypto/sodium-native.ts';
import { createClientTransport } from '../src/network/client-transport.ts';
import { createReplicaTransport } from '../src/network/replica-transport.ts';
import { median } from './statistics.ts';

/** Microseconds each. */
export interface Floor {
  readonly signUs: number;
  readonly verifyUs: number;
  readonly hash64BytesUs: number;
  readonly hash1KiBUs: number;
  /** 4 KiB appended to a file in the temporary directory and synced. */
  readonly fdatasyncUs: number;
  /** A frame of 64 bytes to a replica's transport and back, both in this process. */
  readonly tlsRoundTripUs: number;
  readonly cpus: number;
  /** Operations per second, one per signed request, if replicas and clients did nothing but sign and verify on all CPUs. */
  readonly signedOperationsPerSecond: number;
}

const ROUNDS = 7;

/** The batch that the floor is computed for. */
const REQUESTS_PER_BATCH = 64;

export async function measureFloor(): Promise<Floor> {
  const signer = signerFromSeed(generateSeed());
  const message = randomBytes(200);
  const signature = signer.sign(message);
  const kibibyte = randomBytes(1024);
  const line = randomBytes(64);
  const signUs = timed(500, () => signer.sign(message));
  const verifyUs = timed(300, () => sodiumCrypto.verify(signer.publicKey, message, signature));
  const cpus = availableParallelism();
  // One signature and four verifications of each request; of each batch three signatures at four replicas and the header's, five
  // verified votes and headers at each, three entries at the client.
  const requestUs = signUs + 4 * verifyUs;
  const batchUs = 13 * signUs + (4 * 5 + 3) * verifyUs;
  return {
    signUs,
    verifyUs,
    hash64BytesUs: timed(5_000, () => sodiumCrypto.hash(line)),
    hash1KiBUs: timed(5_000, () => sodiumCrypto.hash(kibibyte)),
    fdatasyncUs: timeSync(),
    tlsRoundTripUs: await timeRoundTrip(),
    cpus,
    signedOperationsPerSecond: (cpus * 1e6) / (requestUs + batchUs / REQUESTS_PER_BATCH),
  };
}

/** The middle of several rounds of `count`. */
function timed(count: number, action: () => unknown): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startMs = performance.now();
    for (let i = 0; i < count; i++) action();
    return ((performance.now() - startMs) * 1000) / count;
  });
  return median(rounds);
}

function timeSync(): number {
  const directory = mkdtempSync(join(tmpdir(), 'bft2f-floor-'));
  const file = openSync(join(directory, 'file'), 'w');
  const page = randomBytes(4096);
  try {
    return timed(20, () => {
      writeSync(file, page);
      fdatasyncSync(file);
    });
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
}

async function timeRoundTrip(): Promise<number> {
  const seed = generateSeed();
  const host = '127.0.0.1';
  const common = { clusterId: randomBytes(32), epoch: 0 };
  const { publicKey } = signerFromSeed(seed);
  const server = createReplicaTransport({
    ...common,
    seed,
    index: 0,
    replicas: [{ host, port: 1, publicKey }],
    host,
    port: 0,
    onFrame(from, frame) {
      if (from.role === 'client') server.sendToClient(from.publicKey, frame);
    },
    onConnected: () => undefined,
    onDisconnected: () => undefined,
  });
  const { port } = await server.listen();
  let answered: () => void = () => undefined;
  const client = await new Promise<ReturnType<typeof createClientTransport>>((resolve) => {
    const dialing = createClientTransport({
      ...common,
      seed: generateSeed(),
      replicas: [{ host, port, publicKey }],
      onFrame: () => answered(),
      onConnected: () => resolve(dialing),
      onDisconnected: () => undefined,
    });
  });
  const frame = randomBytes(64);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    for (let i = 0; i < 100; i++) {
      await new Promise<void>((resolve) => {
        answered = resolve;
        client.send(0, frame);
      });
    }
    rounds.push((performance.now() - startMs) * 10);
  }
  await client.close();
  await server.close();
  return median(rounds);
}
