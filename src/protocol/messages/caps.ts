/**
 * The most that any genesis may allow, so that decoding is bounded before a cluster's own limits are known. A message
 * within these but outside the cluster's limits is refused later, by name.
 */

export const CAPS = {
  operationBytes: 1024 * 1024,
  operationsPerRequest: 4096,
  requestsPerBatch: 8192,
  resultBytes: 1024 * 1024,
  /** 2W. */
  window: 128,
  /** Nodes of a Merkle path: a tree of 2^53 leaves. */
  path: 53,
  /** Of a consistency proof: one more. */
  consistencyPath: 54,
  /** Links or leaves in one answer. */
  links: 16_384,
  chunkBytes: 1024 * 1024,
  chunksPerManifest: 65_536,
} as const;
