/** Answers with other results, under a replies root and an entry that fit them: all but a quorum's agreement is in order. */

import { rootOfHashes } from '../../crypto/merkle-tree.ts';
import { replyLeaf, resultsRootOf } from '../../protocol/messages/reply.ts';
import type { Attack } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { signed } from './signing.ts';

export const wrongResults: Attack = {
  description: 'The faulty answer clients with wrong results under matching roots and true signatures.',
  replica(correct, traitor) {
    const { crypto } = traitor.context;
    /** The whole coalition tells the same lie. */
    const wrong = (result: Uint8Array) =>
      result.map((byte, index) => (index === result.length - 1 ? byte ^ 1 : byte));
    return misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (message.type === 'reply' && message.results !== undefined) {
          const results = message.results.map(wrong);
          const resultsRoot = resultsRootOf(crypto, results);
          const repliesRoot = rootOfHashes(crypto.hash, [
            replyLeaf(crypto, message.requestDigest, message.status, resultsRoot),
          ]);
          const lie = { ...message, results, resultsRoot, index: 0, size: 1, path: [] };
          return [{ to, message: signed({ ...lie, entry: { ...message.entry, repliesRoot } }, traitor) }];
        }
        if (message.type === 'read-reply' && message.result !== undefined) {
          const result = wrong(message.result);
          return [{ to, message: { ...message, result, resultDigest: crypto.hash(result) } }];
        }
        return [said];
      },
    });
  },
};
