/**
 * Every message of the protocol as one union on `type`, with the tag that begins it on the wire (docs/protocol.md, table of
 * messages). HELLO is the transport's and not among them.
 */

import { bytes, struct, type TypeOf, union } from '../../codec/index.ts';
import { checkpointSchema } from './checkpoint.ts';
import { fetchedSchema, fetchSchema } from './fetch.ts';
import { commitSchema, prePrepareSchema, prepareSchema } from './ordering.ts';
import { busySchema, getResultSchema, readReplySchema, readSchema, replySchema } from './reply.ts';
import { clientRequestSchema } from './request.ts';
import { statusMessageSchema } from './status.ts';
import { justifiedViewChangeSchema, newViewSchema, suspectSchema } from './view-change.ts';

/** Larger pieces are kept, and not sent. */
export const EVIDENCE_BYTES_MAX = 64 * 1024;

export const messageSchema = union('type', {
  /** REQUEST or OPEN, from a client. */
  request: [1, struct({ request: clientRequestSchema })],
  'get-result': [2, getResultSchema],
  read: [3, readSchema],
  reply: [4, replySchema],
  'read-reply': [5, readReplySchema],
  busy: [6, busySchema],
  /** A client's request passed on to the primary by a backup that waits for it. */
  relay: [7, struct({ request: clientRequestSchema })],
  'pre-prepare': [8, prePrepareSchema],
  prepare: [9, prepareSchema],
  commit: [10, commitSchema],
  suspect: [11, suspectSchema],
  'view-change': [12, justifiedViewChangeSchema],
  'new-view': [13, newViewSchema],
  checkpoint: [14, checkpointSchema],
  status: [15, statusMessageSchema],
  fetch: [16, fetchSchema],
  fetched: [17, fetchedSchema],
  /** An encoded piece of evidence (../accountability/evidence.ts). */
  evidence: [18, struct({ evidence: bytes(EVIDENCE_BYTES_MAX) })],
});

export type Message = TypeOf<typeof messageSchema>;
export type MessageType = Message['type'];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;
