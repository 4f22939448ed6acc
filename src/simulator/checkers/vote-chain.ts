/**
 * The votes of one view form one chain (docs/protocol.md §3.6): a correct replica's vote for s extends its own vote for s−1 in the same view or,
 * if it cast none, what is committed at s−1. What breaks the rule seldom breaks agreement at once: that takes a quorum of such votes.
 */

import type { Context } from '../../protocol/context.ts';
import { extendHashChain } from '../../protocol/hash-chain.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { Digest, ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import type { Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

export function checkVoteChain(
  { cluster, crypto }: Context,
  isCorrect: (replica: ReplicaIndex) => boolean,
  report: Report,
): Observer {
  const { replicaCount } = cluster.thresholds;
  /** By replica and (v, s): D of what it accepted, HCD of what it voted. */
  const accepted = Array.from({ length: replicaCount }, () => new Map<string, Digest>());
  const voted = Array.from({ length: replicaCount }, () => new Map<string, Digest>());
  /** Of each s; with more than f faulty replicas there may be several. */
  const committed = new Map<SequenceNumber, readonly Digest[]>([[0, [cluster.id]]]);

  function noteCommitted(s: SequenceNumber, digest: Digest): void {
    const known = committed.get(s) ?? [];
    if (!known.some((other) => equalBytes(other, digest))) committed.set(s, [...known, digest]);
  }

  return {
    onEvent(replica, event) {
      if (!isCorrect(replica)) return;
      switch (event.type) {
        case 'committed':
          noteCommitted(event.sequenceNumber, event.hashChainDigest);
          break;
        case 'accepted':
          accepted[replica]!.set(`${event.view}/${event.sequenceNumber}`, event.batchDigest);
          break;
        case 'voted': {
          const { view, sequenceNumber: s, hashChainDigest } = event;
          const place = `${view}/${s}`;
          voted[replica]!.set(place, hashChainDigest);
          const own = voted[replica]!.get(`${view}/${s - 1}`);
          const previous = own === undefined ? (committed.get(s - 1) ?? []) : [own];
          const batch = accepted[replica]!.get(place);
          const isExtension = previous.some(
            (digest) => batch && equalBytes(extendHashChain(crypto, digest, batch), hashChainDigest),
          );
          if (isExtension) break;
          const what = previous.length === 0 ? 'neither voted for in it nor committed' : 'something else';
          report(
            'safety',
            'votes form a chain',
            `replica ${replica} votes for s${s} in view ${view}, and s${s - 1} was ${what}`,
          );
          break;
        }
        default:
      }
    },
  };
}
