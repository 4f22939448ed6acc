/**
 * Files that prove something by themselves begin like statements (docs/protocol.md §2): a tag with kind and version, the cluster's id, the
 * epoch. So a file says what it is and whose, and none can be taken for one of another kind, version or cluster.
 */

import { decode, encode, type Schema } from '../../codec/index.ts';
import { concatBytes, equalBytes, toHex } from '../../types/bytes.ts';
import { DIGEST_BYTES } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import type { Cluster } from '../genesis.ts';
import type { Refusal } from './refusal.ts';

export type FileKind = 'receipt' | 'evidence';
export type FileError = 'TOO_LARGE' | 'NOT_SUCH_A_FILE' | 'OTHER_CLUSTER' | 'MALFORMED';

export function sealFile<T>(cluster: Cluster, kind: FileKind, schema: Schema<T>, value: T): Uint8Array {
  return concatBytes(cluster.prefix(kind), encode(schema, value));
}

/** What the file holds, its form checked and nothing else. A file of more than `bytesMax` is refused unread. */
export function openFile<T>(
  cluster: Cluster,
  kind: FileKind,
  schema: Schema<T>,
  bytesMax: number,
  file: Uint8Array,
): Result<T, Refusal<FileError>> {
  if (file.length > bytesMax) {
    return refused(
      'TOO_LARGE',
      `the file has ${file.length} bytes; ${article(kind)} has at most ${bytesMax}`,
    );
  }
  const prefix = cluster.prefix(kind);
  const tagEnd = 1 + prefix[0]!;
  if (!equalBytes(file.subarray(0, tagEnd), prefix.subarray(0, tagEnd))) {
    return refused(
      'NOT_SUCH_A_FILE',
      `this is not ${article(kind)} of version 1: it does not begin with its tag`,
    );
  }
  const id = file.subarray(tagEnd, tagEnd + DIGEST_BYTES);
  if (!equalBytes(file.subarray(0, prefix.length), prefix)) {
    return refused('OTHER_CLUSTER', `it is of cluster ${toHex(id)}; the genesis is of ${toHex(cluster.id)}`);
  }
  const decoded = decode(schema, file.subarray(prefix.length));
  if (decoded.ok) return ok(decoded.value);
  const { reason, offset } = decoded.error;
  return refused('MALFORMED', `at byte ${prefix.length + offset}: ${reason}`);
}

function article(kind: FileKind): string {
  return kind === 'receipt' ? 'a receipt' : 'a piece of evidence';
}

function refused(code: FileError, text: string): Result<never, Refusal<FileError>> {
  return fail({ code, text });
}
