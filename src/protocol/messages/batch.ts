/** A batch β: what one sequence number stands for. The null batch fills a place that nothing was committed at. */

import { list, struct, type TypeOf, u53 } from '../../codec/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { concatBytes, u32Bytes } from '../../types/bytes.ts';
import type { Digest } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import { statement } from '../statement.ts';
import { CAPS } from './caps.ts';
import { clientRequestSchema, requestBytes, requestDigest } from './request.ts';

export const batchSchema = struct({
  /** The primary's wall clock in milliseconds; replicas hold it against their own within Δ. */
  timeMs: u53,
  requests: list(clientRequestSchema, CAPS.requestsPerBatch),
});
export type Batch = TypeOf<typeof batchSchema>;

export const NULL_BATCH: Batch = { timeMs: 0, requests: [] };

const digests = new WeakMap<Batch, { readonly cluster: Cluster; readonly digest: Digest }>();

/** D(β) = H over the time, the count and the digests of the requests in order. Remembered per object. */
export function batchDigest(cluster: Cluster, crypto: Pick<Crypto, 'hash'>, batch: Batch): Digest {
  const known = digests.get(batch);
  // There is one null batch for all clusters of a process.
  if (known !== undefined && known.cluster === cluster) return known.digest;
  const digest = crypto.hash(
    statement(cluster, 'batch', batch.timeMs),
    concatBytes(
      u32Bytes(batch.requests.length),
      ...batch.requests.map((request) => requestDigest(cluster, crypto, request)),
    ),
  );
  digests.set(batch, { cluster, digest });
  return digest;
}

/** The bytes of a batch as the limits count them. */
export function batchBytes(batch: Batch): number {
  let total = 12;
  for (const request of batch.requests) total += requestBytes(request);
  return total;
}
