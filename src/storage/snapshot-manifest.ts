/** The bytes of a snapshot's manifest: what the caller wants to know of it, and the digests of its chunks in order. */

import { concatBytes, u32Bytes } from '../types/bytes.ts';
import { DIGEST_BYTES, type Digest } from '../types/identities.ts';

export interface Manifest {
  readonly meta: Uint8Array;
  readonly chunkDigests: readonly Digest[];
}

/** The length of `meta` (4 bytes), `meta`, then 32 bytes a chunk. */
export function encodeManifest({ meta, chunkDigests }: Manifest): Uint8Array {
  const digests = new Uint8Array(chunkDigests.length * DIGEST_BYTES);
  for (const [index, digest] of chunkDigests.entries()) digests.set(digest, index * DIGEST_BYTES);
  return concatBytes(u32Bytes(meta.length), meta, digests);
}

/** Undefined if the bytes are no manifest. */
export function decodeManifest(bytes: Uint8Array): Manifest | undefined {
  if (bytes.length < 4) return undefined;
  const metaBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const digestsFrom = 4 + metaBytes;
  if (digestsFrom > bytes.length || (bytes.length - digestsFrom) % DIGEST_BYTES !== 0) return undefined;
  const chunkDigests: Digest[] = [];
  for (let offset = digestsFrom; offset < bytes.length; offset += DIGEST_BYTES) {
    chunkDigests.push(bytes.subarray(offset, offset + DIGEST_BYTES));
  }
  return { meta: bytes.subarray(4, digestsFrom), chunkDigests };
}
