import { describe, expect, it } from 'vitest';
import { addressed, addresseeOf } from '../../src/client/links.ts';
import type { ClientSession } from '../../src/protocol/client/index.ts';
import type { Message } from '../../src/protocol/messages/index.ts';

const session = { flight: undefined } as ClientSession;

describe('answers to sessions that share the links', () => {
  it('FETCHED comes back to the session that asked, under the number that it gave', () => {
    const sessions = new Map([0, 1, 63].map((index) => [index, { session, index }]));
    for (const [index, number] of [
      [0, 1],
      [1, 1],
      [63, 7],
    ] as const) {
      const sent = addressed(index, { type: 'fetch', number, want: { type: 'head' } });
      const answer = { type: 'fetched', number: (sent as { number: number }).number } as Message;
      expect(addresseeOf(sessions, answer)).toMatchObject({ to: { index }, message: { number } });
    }
  });

  it('what no session awaits reaches none', () => {
    const sessions = new Map([[0, { session }]]);
    const strange = [
      { type: 'reply', requestDigest: new Uint8Array(32) },
      { type: 'read-reply', nonce: new Uint8Array(32) },
      { type: 'busy', reference: new Uint8Array(32) },
      { type: 'fetched', number: 5 },
      { type: 'suspect' },
    ] as unknown as Message[];
    for (const message of strange) expect(addresseeOf(sessions, message)).toBeUndefined();
  });
});
