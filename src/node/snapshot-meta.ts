/** What is stored of a snapshot beside its chunks. */

import { fixed, struct, u32, u53 } from '../codec/index.ts';
import { stateSummarySchema } from '../protocol/messages/fetch.ts';
import { DIGEST_BYTES } from '../types/identities.ts';

export const snapshotMetaSchema = struct({
  entry: struct({
    sequenceNumber: u53,
    hashChainDigest: fixed(DIGEST_BYTES),
    repliesRoot: fixed(DIGEST_BYTES),
    logRoot: fixed(DIGEST_BYTES),
  }),
  summary: stateSummarySchema,
  /** How many of the chunks, at the end, are the chain window's. */
  windowChunks: u32,
});
