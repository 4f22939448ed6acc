/**
 * `node dist-tools/bench/checkpoint.js [KEYS]`: how long a checkpoint of the key-value service holds up everything else, hashed in one go and
 * in slices, in CPU time. A million keys with values of 100 bytes unless told otherwise; between checkpoints 256 batches of 40 puts at random keys.
 */

import { sodiumCrypto } from '../src/crypto/sodium-native.ts';
import { DEFAULT_LOCAL_LIMITS } from '../src/protocol/replica/limits.ts';
import { encodeKvOperation, kv, kvService } from '../src/services/kv/index.ts';
import type { Snapshot } from '../src/services/service.ts';
import { median } from './statistics.ts';

const KEYS = Number(process.argv[2] ?? 1_000_000);
const BATCHES = 256;
const PUTS_PER_BATCH = 40;
const ROUNDS = 10;

const service = kvService(sodiumCrypto.hash)();
let state = 1;

/** An integer in 0…bound−1; not a good one, but always the same. */
function random(bound: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
}

function put(key: number, sequenceNumber: number): void {
  const operation = kv.put(`key ${key}`, `${sequenceNumber} `.padEnd(100, 'v'));
  const client = new Uint8Array(32);
  service.apply(encodeKvOperation(operation), {
    timeMs: sequenceNumber,
    client,
    sequenceNumber,
    resultBytesMax: 65_536,
  });
}

function finish(snapshot: Snapshot): number {
  let bytes = snapshot.digest().length;
  for (const chunk of snapshot.chunks()) bytes += chunk.digest.length;
  return bytes;
}

/** CPU time of this process, which other programs lengthen less than they do the time on the clock. */
function timedMs(action: () => void): number {
  const begin = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

function show(label: string, milliseconds: readonly number[]): void {
  const longest = Math.max(...milliseconds);
  console.log(`  ${label}: median ${median(milliseconds).toFixed(1)} ms, longest ${longest.toFixed(1)} ms`);
}

for (let key = 0; key < KEYS; key++) put(key, 1);
const first = service.snapshot();
const whole = timedMs(() => finish(first));
const bytes = first.chunks().reduce((sum, chunk) => sum + chunk.bytes().length, 0);
console.log(
  `${KEYS} keys, ${Math.round(bytes / 2 ** 20)} MiB in ${first.chunks().length} chunks, hashed the first time in ${whole.toFixed(0)} ms`,
);

const inOneGo: number[] = [];
const longestSlices: number[] = [];
const ends: number[] = [];
const sums: number[] = [];
const batches: number[] = [];
let slices = 0;
for (let round = 0; round < 2 * ROUNDS; round++) {
  for (let i = 0; i < BATCHES; i++) {
    const s = 2 + round * BATCHES + i;
    batches.push(
      timedMs(() => {
        for (let n = 0; n < PUTS_PER_BATCH; n++) put(random(KEYS), s);
        service.snapshot();
      }),
    );
  }
  const snapshot = service.snapshot();
  if (round % 2 === 0) {
    inOneGo.push(timedMs(() => finish(snapshot)));
    continue;
  }
  const each: number[] = [];
  let isDone = false;
  while (!isDone) {
    each.push(
      timedMs(() => {
        isDone = snapshot.prepare!(DEFAULT_LOCAL_LIMITS.checkpointSliceBytes);
      }),
    );
  }
  longestSlices.push(Math.max(...each));
  sums.push(each.reduce((a, b) => a + b));
  ends.push(timedMs(() => finish(snapshot)));
  slices = each.length;
}
show('a batch of 40 puts and its snapshot', batches);
show('a checkpoint in one go', inOneGo);
show(`the longest of some ${slices} slices`, longestSlices);
show('all slices together', sums);
show('what is left after the last slice', ends);
