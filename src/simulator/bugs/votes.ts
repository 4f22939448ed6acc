/** Bugs of commit votes: what they extend, and what is kept of the certificate that allows them. */

import { extendHashChain } from '../../protocol/hash-chain.ts';
import type { Commit } from '../../protocol/messages/ordering.ts';
import { hashChainDigestAt } from '../../protocol/replica/slots.ts';
import type { Replica } from '../../protocol/replica/state.ts';
import type { SequenceNumber, View } from '../../types/identities.ts';
import { type Bug, bending } from './bug.ts';

/** Our votes for one s, which answer differently when the vote for s+1 asks what to extend. */
class BentVotes extends Map<View, Commit> {
  private readonly instead: (votes: ReadonlyMap<View, Commit>, view: View) => Commit | undefined;

  constructor(votes: ReadonlyMap<View, Commit>, instead: BentVotes['instead']) {
    super(votes);
    this.instead = instead;
  }

  override get(view: View): Commit | undefined {
    return super.get(view) ?? this.instead(this, view);
  }
}

/** `instead`: what the vote for s+1 extends where there is no vote for s in its view. */
export function extending(
  instead: (
    replica: Replica,
    s: SequenceNumber,
    votes: ReadonlyMap<View, Commit>,
    view: View,
  ) => Commit | undefined,
): NonNullable<Bug['program']> {
  return bending(() => (replica) => {
    for (const [s, slot] of replica.slots) {
      if (slot.ownVotes instanceof BentVotes) continue;
      const ownVotes = new BentVotes(slot.ownVotes, (votes, view) => instead(replica, s, votes, view));
      Object.assign(slot, { ownVotes });
    }
  });
}

/** What our vote for s would be, had it been prepared; in another's name, so that nobody takes it for one that was cast. */
export function premature(replica: Replica, s: SequenceNumber, view: View): Commit | undefined {
  const slot = replica.slots.get(s);
  if (slot?.header?.view !== view || !slot.accepted || s <= replica.committed) return undefined;
  const previous =
    s - 1 === replica.committed
      ? hashChainDigestAt(replica, s - 1)
      : replica.slots.get(s - 1)?.ownVotes.get(view)?.hashChainDigest;
  if (previous === undefined) return undefined;
  const { replicaCount } = replica.context.cluster.thresholds;
  return {
    view,
    sequenceNumber: s,
    hashChainDigest: extendHashChain(replica.context.crypto, previous, slot.header.batchDigest),
    replica: (replica.index + 1) % replicaCount,
    signature: new Uint8Array(64),
  };
}

/** A prepared certificate goes as soon as a later view proposes for its s. */
export const preparedDeletedEarly = bending(() => ({ slots }) => {
  for (const slot of slots.values()) {
    const { prepared, header } = slot;
    if (prepared !== undefined && header !== undefined && prepared.header.view < header.view) {
      slot.prepared = undefined;
    }
  }
});
