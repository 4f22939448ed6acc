/** What a replica asks for when bodies are missing in numbers (docs/protocol.md §6). */

import { describe, expect, it } from 'vitest';
import { encode } from '../../src/codec/index.ts';
import { messageSchema } from '../../src/protocol/messages/index.ts';
import { updateWanted } from '../../src/protocol/replica/fetching.ts';
import { emptyOutput } from '../../src/protocol/replica/io.ts';
import type { LogEntry } from '../../src/protocol/replica/state.ts';
import { makeCluster, stateOf, tick } from '../review/support.ts';

describe('FETCH', () => {
  // A replica back from a full disk stopped: the block that began at a body it had was asked for together with the block before.
  it('asks for as many bodies at once as a message holds, whichever of them are here', () => {
    const cluster = makeCluster();
    tick(cluster, 300);
    const replica = stateOf(cluster, 0);
    const certificate = { view: 0, sequenceNumber: 200, hashChainDigest: new Uint8Array(32), votes: [] };
    for (let s = 1; s <= 200; s++) {
      const batch = s % 64 === 0 ? { timeMs: 1, requests: [] } : undefined;
      const fields = { batchDigest: new Uint8Array(32).fill(s), hashChainDigest: new Uint8Array(32) };
      replica.log.set(s, { ...fields, certificate, batch, executed: undefined, executedView: 0 } as LogEntry);
    }
    replica.committed = 200;
    replica.out = emptyOutput();
    updateWanted(replica);
    const asked = replica.out.sends.flatMap(({ message }) =>
      message.type === 'fetch' && message.want.type === 'bodies' ? [message.want.bodies] : [],
    );
    expect(asked.flat().map((body) => body.sequenceNumber)).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1).filter((s) => s % 64 !== 0),
    );
    for (const { message } of replica.out.sends) expect(() => encode(messageSchema, message)).not.toThrow();
  });
});
