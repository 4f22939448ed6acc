/** Anyone may name any session; its owner is served all the same (docs/protocol.md §3.2). */

import { describe, expect, it } from 'vitest';
import { makeHand } from '../paper/clients.ts';
import { journalOf, makeGroup } from '../paper/group.ts';

describe('a session', () => {
  it('cannot be kept from its owner by others that name it', () => {
    const group = makeGroup();
    const alice = makeHand(group, 'alice');
    const { session, seen } = alice.begin('n');
    const mallory = makeHand(group, 'mallory');
    group.filter = ({ message }) => message.type !== 'commit';
    const request = alice.request(session, 1, ['mine'], seen);
    mallory.send(mallory.request(session, 5, ['before'], seen));
    alice.send(request);
    mallory.send(mallory.request(session, 9, ['after'], seen));
    group.settle();
    group.filter = undefined;
    group.until(() => alice.replies(request).length === 4, 900);
    expect(alice.replies(request).map(({ status }) => status)).toEqual(['OK', 'OK', 'OK', 'OK']);
    expect(journalOf(group, 0)).toEqual(['mine']);
  });
});
