/**
 * A faulty replica: the correct one, whose outgoing messages are lost, altered, sent twice or sent again long after, to some receivers and
 * not to others. It signs with its own key alone, and has no plan.
 */

import { batchDigest } from '../../protocol/messages/batch.ts';
import { checkpointStatement } from '../../protocol/messages/checkpoint.ts';
import { entryStatement } from '../../protocol/messages/entry.ts';
import type { Message } from '../../protocol/messages/index.ts';
import { commitStatement, headerStatement, prepareStatement } from '../../protocol/messages/ordering.ts';
import { suspectStatement, viewChangeStatement } from '../../protocol/messages/view-change.ts';
import type { Attack, Traitor } from './attack.ts';
import { misbehaving } from './misbehaving.ts';
import { inflateC } from './mutators.ts';

/** Old messages kept for being sent again. */
const MEMORY_MAX = 64;

export const randomLies: Attack = {
  description:
    'Messages are lost, altered under a true signature, doubled or sent again long after, to some receivers only.',
  replica(correct, traitor) {
    const { random } = traitor;
    const remembered: Message[] = [];
    // Some lie now and then, some always; some only by silence.
    const liesPerMille = random.pick([10, 100, 500]);
    const silencePerMille = random.pick([0, 100, 500]);
    return misbehaving(correct, traitor, {
      say(said) {
        const { to, message } = said;
        if (random.chance(silencePerMille, 1000)) return [];
        if (!random.chance(liesPerMille, 1000)) return [said];
        if (remembered.length < MEMORY_MAX) remembered.push(message);
        else remembered[random.below(MEMORY_MAX)] = message;
        switch (random.below(4)) {
          case 0:
            return [];
          case 1:
            return [said, { to, message: random.pick(remembered) }];
          default:
            return [{ to, message: lie(message, traitor) }];
        }
      },
    });
  },
};

/** Another content under a signature of its own, where the message is signed by its sender; else a part changed. */
export function lie(message: Message, { context, signer, random, index }: Traitor): Message {
  const { cluster, crypto } = context;
  const otherDigest = (digest: Uint8Array) => (random.chance(1, 2) ? crypto.hash(digest) : random.bytes(32));
  const shifted = (value: number) => Math.max(0, value + random.between(-2, 3));
  switch (message.type) {
    case 'pre-prepare': {
      const batch = message.batch && { ...message.batch, timeMs: shifted(message.batch.timeMs) };
      const dropBody = random.chance(1, 4);
      const header = {
        ...message.header,
        view: random.chance(1, 4) ? shifted(message.header.view) : message.header.view,
        sequenceNumber: random.chance(1, 4)
          ? shifted(message.header.sequenceNumber)
          : message.header.sequenceNumber,
        batchDigest:
          batch === undefined || random.chance(1, 4)
            ? otherDigest(message.header.batchDigest)
            : batchDigest(cluster, crypto, batch),
      };
      return {
        type: 'pre-prepare',
        header: { ...header, signature: signer.sign(headerStatement(cluster, header)) },
        batch: dropBody ? undefined : batch,
      };
    }
    case 'prepare': {
      const other = {
        ...message,
        view: random.chance(1, 3) ? shifted(message.view) : message.view,
        batchDigest: otherDigest(message.batchDigest),
      };
      return { ...other, signature: signer.sign(prepareStatement(cluster, other)) };
    }
    case 'commit': {
      const other = {
        ...message,
        view: random.chance(1, 3) ? shifted(message.view) : message.view,
        hashChainDigest: otherDigest(message.hashChainDigest),
      };
      return { ...other, signature: signer.sign(commitStatement(cluster, other)) };
    }
    case 'checkpoint': {
      const other = { ...message, stateDigest: otherDigest(message.stateDigest) };
      return { ...other, signature: signer.sign(checkpointStatement(cluster, other)) };
    }
    case 'suspect': {
      const other = { view: shifted(message.view), replica: index };
      return { type: 'suspect', ...other, signature: signer.sign(suspectStatement(cluster, other)) };
    }
    case 'view-change': {
      if (random.chance(1, 3)) return inflateC(context, signer, message);
      const { viewChange } = message;
      const other = {
        ...viewChange,
        prepared: viewChange.prepared.slice(random.below(viewChange.prepared.length + 1)),
      };
      const signature = signer.sign(viewChangeStatement(cluster, crypto, other));
      return { ...message, viewChange: { ...other, signature } };
    }
    case 'new-view':
      return { ...message, headers: message.headers.slice(random.below(message.headers.length + 1)) };
    case 'reply': {
      const entry = { ...message.entry, repliesRoot: otherDigest(message.entry.repliesRoot) };
      return { ...message, entry: { ...entry, signature: signer.sign(entryStatement(cluster, entry)) } };
    }
    case 'read-reply': {
      const entry = { ...message.entry, sequenceNumber: shifted(message.entry.sequenceNumber) };
      return { ...message, entry: { ...entry, signature: signer.sign(entryStatement(cluster, entry)) } };
    }
    case 'status':
      return {
        ...message,
        number: shifted(message.number),
        view: shifted(message.view),
        committed: shifted(message.committed),
        executed: shifted(message.executed),
        stable: shifted(message.stable),
        yours: { ...message.yours, entry: random.pick([0, message.yours.entry, 1_000_000]) },
      };
    case 'fetched': {
      const { payload } = message;
      if (payload.type === 'bodies') {
        const batches = payload.batches.map((batch) => ({ ...batch, timeMs: batch.timeMs + 1 }));
        return { ...message, payload: { ...payload, batches } };
      }
      if (payload.type === 'chunk') {
        return { ...message, payload: { ...payload, bytes: payload.bytes.map((byte) => byte ^ 1) } };
      }
      if (payload.type === 'links') {
        return { ...message, payload: { ...payload, links: payload.links.map(otherDigest) } };
      }
      return { ...message, payload: { type: 'not-here' } };
    }
    default:
      return message;
  }
}
