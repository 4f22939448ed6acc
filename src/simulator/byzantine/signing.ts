/** Messages under a true signature of whoever lies: a lie that is not signed is refused at the door and tests nothing behind it. */

import type { Signer } from '../../crypto/port.ts';
import type { Context } from '../../protocol/context.ts';
import { type Batch, batchDigest } from '../../protocol/messages/batch.ts';
import { checkpointStatement } from '../../protocol/messages/checkpoint.ts';
import { entryStatement } from '../../protocol/messages/entry.ts';
import type { Message, MessageOf } from '../../protocol/messages/index.ts';
import { commitStatement, headerStatement, prepareStatement } from '../../protocol/messages/ordering.ts';
import { type ClientRequest, requestStatement } from '../../protocol/messages/request.ts';
import {
  newViewStatement,
  suspectStatement,
  viewChangeStatement,
} from '../../protocol/messages/view-change.ts';

export interface Hand {
  readonly context: Context;
  readonly signer: Signer;
}

/** The same message, signed anew where its sender signs it. */
export function signed(message: Message, { context, signer }: Hand): Message {
  const { cluster, crypto } = context;
  switch (message.type) {
    case 'prepare':
      return { ...message, signature: signer.sign(prepareStatement(cluster, message)) };
    case 'commit':
      return { ...message, signature: signer.sign(commitStatement(cluster, message)) };
    case 'checkpoint':
      return { ...message, signature: signer.sign(checkpointStatement(cluster, message)) };
    case 'suspect':
      return { ...message, signature: signer.sign(suspectStatement(cluster, message)) };
    case 'view-change': {
      const { viewChange } = message;
      const signature = signer.sign(viewChangeStatement(cluster, crypto, viewChange));
      return { ...message, viewChange: { ...viewChange, signature } };
    }
    case 'new-view':
      return { ...message, signature: signer.sign(newViewStatement(cluster, crypto, message)) };
    case 'reply':
    case 'read-reply': {
      const signature = signer.sign(entryStatement(cluster, message.entry));
      return { ...message, entry: { ...message.entry, signature } };
    }
    default:
      return message;
  }
}

/** The same place, another batch. */
export function proposal(
  { header }: MessageOf<'pre-prepare'>,
  batch: Batch,
  { context, signer }: Hand,
): MessageOf<'pre-prepare'> {
  const { cluster, crypto } = context;
  const unsigned = { ...header, batchDigest: batchDigest(cluster, crypto, batch) };
  const signature = signer.sign(headerStatement(cluster, unsigned));
  return { type: 'pre-prepare', header: { ...unsigned, signature }, batch };
}

export function signedRequest<R extends ClientRequest>(request: R, { context, signer }: Hand): R {
  const signature = signer.sign(requestStatement(context.cluster, context.crypto, request));
  return { ...request, signature };
}
