/**
 * Signed bytes. A statement is its kind's prefix (domain tag, cluster, epoch) and fixed-width fields: integers of 8
 * bytes big-endian, digests and keys of 32. It never depends on how messages are laid out on the wire.
 */

import { writeU64 } from '../types/bytes.ts';
import type { Cluster, StatementKind } from './genesis.ts';

/** Concatenates the prefix of `kind` and the fields; a number becomes 8 bytes big-endian. */
export function statement(
  cluster: Cluster,
  kind: StatementKind,
  ...fields: readonly (number | Uint8Array)[]
): Uint8Array {
  const prefix = cluster.prefix(kind);
  let length = prefix.length;
  for (const field of fields) length += typeof field === 'number' ? 8 : field.length;
  const bytes = new Uint8Array(length);
  bytes.set(prefix, 0);
  let offset = prefix.length;
  for (const field of fields) {
    if (typeof field === 'number') {
      writeU64(bytes, offset, field);
      offset += 8;
    } else {
      bytes.set(field, offset);
      offset += field.length;
    }
  }
  return bytes;
}
