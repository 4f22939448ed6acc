/** A state transfer that was interrupted goes on where it stopped (docs/protocol.md §6). */

import { describe, expect, it } from 'vitest';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import { manifestRootOf } from '../../src/protocol/ledger.ts';
import type { Transfer } from '../../src/protocol/replica/state.ts';
import {
  onTransferPayload,
  restartTransfer,
  transferNeeds,
} from '../../src/protocol/replica/state-transfer.ts';
import { keyOf, utf8 } from '../../src/types/bytes.ts';
import { makeCluster, stateOf, tick } from '../review/support.ts';

const CHUNKS = ['a', 'b', 'c'].map(utf8);
// The hash of simulated clusters.
const DIGESTS = CHUNKS.map((bytes) => mixingHash(bytes));

/** A replica whose transfer has everything but manifest and chunks. */
function transferring() {
  const cluster = makeCluster();
  tick(cluster, 300);
  const replica = stateOf(cluster, 0);
  const summary = { chunks: CHUNKS.length, manifestRoot: manifestRootOf(replica.context, DIGESTS) };
  replica.transfer = {
    stable: { checkpoint: { sequenceNumber: 8 }, summary },
    leaves: [],
    window: new Map(Array.from({ length: 8 }, (_, i) => [i + 1, {}])),
    sources: new Set(),
    manifest: [],
    chunks: new Map(),
    proved: true,
    installing: false,
  } as unknown as Transfer;
  return replica;
}

const manifest = { type: 'manifest', sequenceNumber: 8, from: 0, digests: DIGESTS } as const;
const askManifest = { type: 'manifest', sequenceNumber: 8, from: 0 } as const;

describe('state transfer', () => {
  it('gives each received chunk to be kept, and asks for no chunk that an earlier process received', () => {
    const first = transferring();
    expect(onTransferPayload(first, 1, askManifest, manifest)).toBeUndefined();
    const want = { type: 'chunk', sequenceNumber: 8, index: 1 } as const;
    expect(onTransferPayload(first, 1, want, { ...want, bytes: CHUNKS[1]! })).toBeUndefined();
    const kept = first.out.receivedChunks.map((chunk) => chunk.bytes());
    expect(kept).toEqual([CHUNKS[1]]);

    const second = transferring();
    for (const bytes of kept) second.receivedChunks.set(keyOf(mixingHash(bytes)), bytes);
    expect(onTransferPayload(second, 1, askManifest, manifest)).toBeUndefined();
    const asked = transferNeeds(second).map(({ want: each }) =>
      each.type === 'chunk' ? each.index : each.type,
    );
    expect(asked).toEqual([0, 2]);
  });

  it('keeps what it has when it must begin again with a newer checkpoint', () => {
    const replica = transferring();
    onTransferPayload(replica, 1, askManifest, manifest);
    const want = { type: 'chunk', sequenceNumber: 8, index: 2 } as const;
    onTransferPayload(replica, 1, want, { ...want, bytes: CHUNKS[2]! });
    restartTransfer(replica);
    expect(replica.transfer).toBeUndefined();
    expect([...replica.receivedChunks.values()]).toEqual([CHUNKS[2]]);
  });
});
