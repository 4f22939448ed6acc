/** Which key belongs to which replica. */

import { equalBytes } from '../types/bytes.ts';
import type { PublicKey, ReplicaIndex } from '../types/identities.ts';
import type { ReplicaAddress } from './dialer.ts';
import { brief } from './hello.ts';

/** Why the holder of `publicKey` is not replica `index`; undefined if it is. */
export function rejectMember(
  publicKey: PublicKey,
  index: ReplicaIndex,
  replicas: readonly ReplicaAddress[],
): string | undefined {
  const member = replicas[index];
  if (member === undefined) return `there is no replica ${index}: the genesis has ${replicas.length}`;
  if (equalBytes(member.publicKey, publicKey)) return undefined;
  return `replica ${index} has the key ${brief(member.publicKey)} in the genesis, not ${brief(publicKey)}`;
}
