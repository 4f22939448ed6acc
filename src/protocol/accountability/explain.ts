/** What a piece of evidence proves and why, in sentences for people who may not know the protocol. */

import { toHex } from '../../types/bytes.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import type { Cluster } from '../genesis.ts';
import type { Evidence, EvidenceOf, Verdict } from './evidence.ts';
import type { ProvedEvidence } from './evidence-file.ts';
import { type Point, signersOf } from './points.ts';

/** A few sentences: what was signed, why no correct replica does that, who is guilty, what it means for the cluster. */
export function explainEvidence(cluster: Cluster, { evidence, verdict }: ProvedEvidence): readonly string[] {
  return [...storyOf(evidence, verdict), ...conclusion(cluster, verdict)];
}

function storyOf(evidence: Evidence, { guilty }: Verdict): readonly string[] {
  switch (evidence.type) {
    case 'headers': {
      const { first, second } = evidence;
      return [
        `${these(guilty)}, the primary of view ${first.view}, proposed two different batches for place ${first.sequenceNumber}: ${short(first.batchDigest)} and ${short(second.batchDigest)}. Both proposals bear its signature.`,
        'A correct primary proposes one batch for each place of its view.',
      ];
    }
    case 'prepares': {
      const { first, second } = evidence;
      return [
        `${these(guilty)} accepted two different batches for place ${first.sequenceNumber} of view ${first.view}: ${short(first.batchDigest)} and ${short(second.batchDigest)}. Both PREPAREs bear its signature.`,
        'A correct replica writes down what it accepted before it says so, and accepts nothing else there, not even after a crash.',
      ];
    }
    case 'commits': {
      const { first, second } = evidence;
      return [
        `${these(guilty)} voted in view ${first.view} to commit two different histories of ${first.sequenceNumber} batches: ${short(first.hashChainDigest)} and ${short(second.hashChainDigest)}. Both votes bear its signature.`,
        'A correct replica writes down its vote before it sends it, and votes once for each place of a view.',
      ];
    }
    case 'entries': {
      const { first, second } = evidence;
      return [
        `${these(guilty)} signed two different results of executing batch ${first.sequenceNumber}: the histories ${short(first.hashChainDigest)} and ${short(second.hashChainDigest)}, the logs ${short(first.logRoot)} and ${short(second.logRoot)}.`,
        'A correct replica signs one result for each batch, ever, in whatever views.',
      ];
    }
    case 'checkpoints': {
      const { first, second } = evidence;
      return [
        `${these(guilty)} signed two different states after batch ${first.sequenceNumber}: ${short(first.stateDigest)} of log ${short(first.logRoot)}, and ${short(second.stateDigest)} of log ${short(second.logRoot)}.`,
        'A correct replica signs one checkpoint for each place, and stops if executing again gives it another.',
      ];
    }
    case 'fork':
      return forkStory(evidence);
    case 'histories': {
      const { first, second, root } = evidence;
      const [s1, s2] = [first.sequenceNumber, second.sequenceNumber];
      const saying = `${speaker(first)} signed that the log of the first ${s1} batches has the root ${short(first.logRoot)}`;
      const other =
        s1 === s2
          ? `${speaker(second)} signed another state of the same ${s2} batches: log ${short(second.logRoot)}, history ${short(second.hashChainDigest)}`
          : `${speaker(second)} signed a log of ${s2} batches, whose first ${s1}, as the consistency proof shows, have the root ${short(root)}`;
      return [
        `${saying}. ${other}.`,
        'A correct replica’s log only grows: whatever it signs later begins with all that it signed before. So whoever signed both has told two histories.',
      ];
    }
    case 'withheld': {
      const { vote, viewChange } = evidence;
      return [
        `${these(guilty)} voted in view ${vote.view} to commit place ${vote.sequenceNumber}. When it left for view ${viewChange.view} it had to report what it had prepared there in view ${vote.view} or later, and its VIEW-CHANGE reports nothing.`,
        'A correct replica prepares before it votes, writes both down, and reports them until they are covered by a certificate that it names.',
      ];
    }
  }
}

function forkStory({ first, second }: EvidenceOf<'fork'>): readonly string[] {
  const [s, t] = [first.sequenceNumber, second.sequenceNumber];
  const story = `A quorum committed the history ${short(first.hashChainDigest)} of ${s} batches in view ${first.view}. A quorum committed, in view ${second.view}, a history of ${t} batches whose first ${s} are others.`;
  return first.view === second.view
    ? [
        story,
        'A correct replica’s votes of one view all belong to one history. So whoever voted for both lied.',
      ]
    : [
        story,
        'Any two quorums share a correct replica unless more than f are faulty, and a correct one carries what was committed from view to view.',
        'Guilty are those that voted for the one of the lower view and then, in a VIEW-CHANGE, withheld what they had prepared for it.',
      ];
}

function conclusion(cluster: Cluster, { guilty, forked }: Verdict): readonly string[] {
  const named =
    guilty.length === 0
      ? 'This evidence alone does not name the guilty: compare signed heads of the two histories.'
      : `Guilty: ${guilty.map((replica) => `replica ${replica} (key ${toHex(cluster.genesis.replicas[replica]!).slice(0, 16)}…)`).join(', ')}.`;
  const { linearizableWhile } = cluster.thresholds;
  return forked
    ? [
        named,
        `This proves a fork: more than ${linearizableWhile} replicas are faulty, and clients may have been shown different histories.`,
      ]
    : [named];
}

function speaker(point: Point): string {
  const signers = signersOf(point);
  return signers.length === 1 ? `Replica ${signers[0]}` : `A quorum (replicas ${signers.join(', ')})`;
}

function these(guilty: readonly ReplicaIndex[]): string {
  return `Replica ${guilty.join(', ')}`;
}

function short(digest: Uint8Array): string {
  return `${toHex(digest).slice(0, 12)}…`;
}
