/** Nothing that binds a replica leaves it before its record is durable, whatever road it takes. */

import { describe, expect, it } from 'vitest';
import { step } from '../../src/protocol/replica/index.ts';
import type { Party } from '../../src/protocol/replica/io.ts';
import { makeCluster, put, stateOf, tick } from './support.ts';

describe('FETCH', () => {
  it('a head with our own entry, a header and a NEW-VIEW wait for the disk', () => {
    const cluster = makeCluster();
    tick(cluster, 300);
    expect(put(cluster, 2)).toBe(true);
    tick(cluster, 1_000);
    const replica = stateOf(cluster, 0);
    const from: Party = { kind: 'replica', index: 1 };
    const wants = [{ type: 'head' }, { type: 'header', view: 0, sequenceNumber: 1 }] as const;
    for (const want of wants) {
      const output = step(
        replica,
        { type: 'receive', from, message: { type: 'fetch', number: 1, want } },
        replica.now,
      );
      const fetched = (it: { message: { type: string } }) => it.message.type === 'fetched';
      expect({ want, early: output.sends.filter(fetched).length }).toEqual({ want, early: 0 });
      expect(output.promises.filter(fetched).length).toBe(1);
    }
  });
});
