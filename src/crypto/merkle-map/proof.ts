/**
 * Proofs that a key is, or is not, in the map of a given digest: the pages from the root down to the leaf where
 * the key would stand. Format: u64 size ‖ per page, root first: u32 length ‖ page. To verify: the root digest must come
 * from size and the first page; in each page but the last, the entry with the greatest key not above the wanted one
 * holds the next page's digest; the last is a leaf, which has the key or has it not.
 */

import { concatBytes, equalBytes, u32Bytes, u64Bytes, utf8 } from '../../types/bytes.ts';
import { DIGEST_BYTES, type Digest } from '../../types/identities.ts';
import type { Crypto } from '../port.ts';
import { KEY_BYTES_MAX } from './limits.ts';
import { type Node, nodeDigest, pageDigest } from './node.ts';
import { isPage, route, search, trimmed, valueAt } from './page.ts';

const ROOT_TAG = utf8('bft2f/1/map-root');

export type ProofVerdict =
  | { readonly present: true; readonly value: Uint8Array }
  | { readonly present: false }
  | 'invalid';

/** The digest of a map: of its size and its root page. */
export function rootDigest(hash: Crypto['hash'], size: number, pageDigest: Digest): Digest {
  return hash(ROOT_TAG, u64Bytes(size), pageDigest);
}

/** The proof for `key`, whether it is present or absent. A few pages: about 4 KiB per level. */
export function proveKey(hash: Crypto['hash'], root: Node, size: number, key: Uint8Array): Uint8Array {
  nodeDigest(hash, root);
  const parts = [u64Bytes(size)];
  let node: Node | undefined = root;
  while (node !== undefined) {
    const page = trimmed(node.page);
    parts.push(u32Bytes(page.length), page);
    node = node.children?.[route(node.page, key)];
  }
  return concatBytes(...parts);
}

/**
 * What `proof` proves about `key` in the map whose digest is `digest`. Takes any bytes, never throws, and costs
 * one hash over the proof at most.
 */
export function verifyProof(
  hash: Crypto['hash'],
  digest: Digest,
  key: Uint8Array,
  proof: Uint8Array,
): ProofVerdict {
  const pages = pagesOf(proof);
  if (pages === undefined) return 'invalid';
  const leaf = pages.pop()!;
  let isExpected = (found: Digest) => equalBytes(hash(ROOT_TAG, proof.subarray(0, 8), found), digest);
  for (const page of pages) {
    if (!isPage(page, KEY_BYTES_MAX) || !isExpected(pageDigest(hash, page, false))) return 'invalid';
    const index = route(page, key);
    const child = index < 0 ? undefined : valueAt(page, index);
    if (child?.length !== DIGEST_BYTES) return 'invalid';
    isExpected = (found) => equalBytes(found, child);
  }
  if (!isPage(leaf, KEY_BYTES_MAX) || !isExpected(pageDigest(hash, leaf, true))) return 'invalid';
  const index = search(leaf, key);
  return index < 0 ? { present: false } : { present: true, value: valueAt(leaf, index) };
}

/** The pages, as views; undefined if the lengths do not add up or there is none. */
function pagesOf(proof: Uint8Array): Uint8Array[] | undefined {
  const pages: Uint8Array[] = [];
  const view = new DataView(proof.buffer, proof.byteOffset, proof.byteLength);
  let at = 8;
  while (at + 4 <= proof.length) {
    const length = view.getUint32(at);
    if (length > proof.length - at - 4) return undefined;
    pages.push(proof.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === proof.length && pages.length > 0 ? pages : undefined;
}
